"""Metrics for Prometheus: what was taken in, how late, how far, how long; named in docs/metrics.md.

No label takes values from outside: a reason or site beyond the known ones is counted as `other`, so that nobody can
make series without end. Counters count this process's work; the store's own tally is `xiaona store check`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gridcore.ports import Batch, Counts
from ingest.channels import ChannelTable
from ingest.reasons import ALL_REASONS
from ingest.watermark import NEVER, Watermark, at_start, observe

OTHER = "other"
"""Label of what has none of its own."""

MOST_SITES = 200
"""Sites with a watermark of their own, by name; the rest share one, the oldest of theirs."""

OUTCOMES = ("stored", "duplicate", "revised", "conflict", "dead_letter")
"""What becomes of a reading."""

READINESS = ("read_past", "at_end", "grace_over")
"""Why a tick took its readings to be complete, from best to worst; a tick is counted by its worst source."""

LAGS_S = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 6 * 3600, 86_400)
"""Upper edges of event lag [s]."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Upper edges of how long work takes [s]."""

STATUSES = frozenset({200, 401, 403, 404, 405, 408, 413, 415, 422, 429, 499, 500, 503})
"""Status codes that our server answers with; 499 is a sender that hung up."""


class Metrics:
    """An `Observer` that counts, and the page that Prometheus reads.

    Args:
        channels: The grid's channels, whose sites have watermarks; None where readings are not taken in.
    """

    content_type = CONTENT_TYPE_LATEST
    """Media type of the page."""

    def __init__(self, channels: ChannelTable | None = None) -> None:
        self.registry = CollectorRegistry()
        into = self.registry
        self.readings = Counter("xiaona_readings_total", "Readings by what became of them", ["outcome"], registry=into)
        self.dead_letters = Counter("xiaona_dead_letters_total", "Dead letters by reason", ["reason"], registry=into)
        self.late = Counter("xiaona_late_total", "Readings kept that came late", registry=into)
        self.commit = Histogram("xiaona_commit_seconds", "Check and commit of a batch", buckets=SECONDS, registry=into)
        self.lag = Gauge("xiaona_consumer_lag", "Messages not yet read, by partition", ["partition"], registry=into)
        self.outbox = Gauge("xiaona_outbox_pending", "Messages decided and not yet sent", registry=into)
        self.tick = Histogram("xiaona_tick_seconds", "From a tick to its publication", buckets=SECONDS, registry=into)
        self.last_tick = Gauge("xiaona_tick_timestamp_seconds", "The newest tick, since 1970", registry=into)
        self.ticks = Counter("xiaona_ticks_total", "Ticks by the worst of their sources", ["readiness"], registry=into)
        self.requests = Counter("xiaona_http_requests_total", "Requests by status", ["status"], registry=into)
        self.request_seconds = Histogram(
            "xiaona_http_seconds", "From request to answer", buckets=SECONDS, registry=into
        )
        self._event_time = EventTime(channels) if channels is not None else None
        if self._event_time is not None:
            self.registry.register(self._event_time)
        for outcome in OUTCOMES:
            self.readings.labels(outcome)
        for readiness in READINESS:
            self.ticks.labels(readiness)

    def turned(self) -> None:
        """Nothing is counted."""

    def kept(self, batch: Batch, counts: Counts, seconds: float) -> None:
        """A batch is committed."""
        amounts = {**vars(counts), "dead_letter": sum(counts.dead_letters.values())}
        for outcome in OUTCOMES:
            self.readings.labels(outcome).inc(amounts[outcome])
        for reason, amount in counts.dead_letters.items():
            self.dead_letters.labels(reason if reason in ALL_REASONS else OTHER).inc(amount)
        self.late.inc(counts.flags.get("late", 0))
        self.commit.observe(seconds)
        if self._event_time is not None:
            self._event_time.add(batch.readings)

    def ticked(self, due: datetime, seconds: float, readiness: Mapping[str, str]) -> None:
        """A tick is published."""
        self.tick.observe(seconds)
        self.last_tick.set(due.timestamp())
        known = [READINESS.index(word) for word in readiness.values() if word in READINESS]
        self.ticks.labels(READINESS[max(known)] if known else OTHER).inc()

    def answered(self, status: int, seconds: float) -> None:
        """A request was answered with a status, so long after it began [s]."""
        self.requests.labels(str(status) if status in STATUSES else OTHER).inc()
        self.request_seconds.observe(seconds)

    def lags(self, by_partition: Mapping[str, int]) -> None:
        """Messages of each partition that are not yet read; partitions that are no more ours go."""
        self.lag.clear()
        for partition, amount in by_partition.items():
            self.lag.labels(partition).set(amount)

    def page(self) -> bytes:
        """The page that Prometheus reads."""
        told: bytes = generate_latest(self.registry)
        return told


class EventTime:
    """How far event time has come and how long readings took, counted by columns; a collector of Prometheus'.

    Args:
        channels: The grid's channels.
    """

    def __init__(self, channels: ChannelTable) -> None:
        self._period = np.timedelta64(channels.period)
        self._sites = sorted({channel.site for channel in channels.channels})
        self._number = {site: place for place, site in enumerate(self._sites)}
        self._mark: Watermark = at_start(len(self._sites))
        self._counts = np.zeros(len(LAGS_S) + 1, np.int64)
        self._sum_s, self._lock = 0.0, Lock()

    def add(self, readings: pa.Table) -> None:
        """Take a batch's readings in; those of no site of the grid count nowhere."""
        if not len(readings):
            return
        site = _numbers(readings.column("site"), self._number)
        ours = (site >= 0) & readings.column("valid_time").is_valid().to_numpy()
        ended, arrived = (
            _instants(readings.column(name))[ours] + late
            for name, late in (("valid_time", self._period), ("available_at", np.timedelta64(0)))
        )
        lag_s = (arrived - ended) / np.timedelta64(1, "s")
        with self._lock:
            self._mark = observe(self._mark, site[ours], ended.astype(np.int64), arrived.astype(np.int64))
            self._counts += np.bincount(np.searchsorted(LAGS_S, lag_s), minlength=len(self._counts))
            self._sum_s += float(lag_s.sum())

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        with self._lock:
            counts, sum_s, marks = self._counts.cumsum(), self._sum_s, self._mark.mark_us
        edges = [*(str(float(edge)) for edge in LAGS_S), "+Inf"]
        buckets: Sequence[tuple[str, float]] = [(edge, float(n)) for edge, n in zip(edges, counts, strict=True)]
        lag = "From a period's end to when its reading was had; below 0 for a stamp of the future"
        yield HistogramMetricFamily("xiaona_event_lag_seconds", lag, buckets=buckets, sum_value=sum_s)
        words = "End of the newest period reported, by site, since 1970"
        family = GaugeMetricFamily("xiaona_watermark_timestamp_seconds", words, labels=["site"])
        for site, mark_us in zip(self._sites[:MOST_SITES], marks[:MOST_SITES].tolist(), strict=True):
            if mark_us != NEVER:
                family.add_metric([site], mark_us / 1e6)
        rest = marks[MOST_SITES:]
        if (rest != NEVER).any():
            family.add_metric([OTHER], int(rest[rest != NEVER].min()) / 1e6)
        yield family


def _numbers(texts: pa.ChunkedArray, number: Mapping[str, int]) -> npt.NDArray[np.int64]:
    """Each text's number, -1 where it has none; shape (rows,)."""
    whole = texts.combine_chunks()
    encoded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    of_code = np.array([*(number.get(text, -1) for text in encoded.dictionary.to_pylist()), -1], np.int64)
    codes = encoded.indices.fill_null(len(of_code) - 1).to_numpy(zero_copy_only=False)
    told: npt.NDArray[np.int64] = of_code[codes]
    return told


def _instants(column: pa.ChunkedArray) -> npt.NDArray[np.datetime64]:
    told: npt.NDArray[np.datetime64] = column.to_numpy().astype("datetime64[us]")
    return told

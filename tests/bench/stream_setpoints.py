"""Latency of a decision: from the last reading before a tick to its setpoints on their topic, live at 5,000 readings/s.

The loop of `xiaona run` on the example grid: row `ours` (LightGBM, the optimiser), real broker, embedded store, relay;
on an accelerated clock, since a tick every 15 minutes would give four figures an hour. The grid has few channels, so
each of its readings is sent again and again under a higher revision, as a gateway does that corrects it.
"""

from __future__ import annotations

import multiprocessing
import time
from bisect import bisect_right
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Thread

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from confluent_kafka import Consumer, Producer, TopicPartition

from gridcore.clock import AcceleratedClock
from gridcore.timeline import PERIOD, TIMESTAMP, to_numpy
from gridcore.topics import OUTGOING, SETPOINT
from infra.kafka.cluster import Cluster
from ingest.encode import encode_rows
from ingest.forms import READINGS
from ingest.kafka_play import OFFICIAL_TOLD, OUTAGES_TOLD, READINGS_TOLD, Player
from ingest.wire_parts import ARROW
from pipeline.phase import Phase, store_path, wire
from pipeline.relaying import relayed
from pipeline.schedule import Tick, ticks
from pipeline.stream_settings import StreamSettings
from storage.embedded import EmbeddedStore
from tests.bench.result import Figure
from tests.bench.stream_commit import RATE, STEP_S
from tests.bench.stream_fill import PARTITIONS
from tests.replay import small

TICK_S = 2.0
"""A tick comes after so many seconds of the machine [s]."""

SETTLED = 8
"""Ticks at the beginning that are left out: at the first the models are fitted, and the next ones wait for it."""

PARTING_S = 5.0
"""How long the last setpoints may take [s]."""

PREFIX, TELEMETRY = "swift", "swift.telemetry.v1"


def setpoint_figures(cluster: Cluster, home: Path, count: int) -> list[Figure]:
    """From the last reading before each of `count` ticks to its setpoints at a gateway."""
    start = small.START_OF_DAY
    end = start + count * PERIOD
    recorded = small.whole(start, end)
    phase, history = small.phase_of(recorded, start, end, home / "swift")
    cluster.create_topics([f"{PREFIX}.{name}.v1" for name in ("telemetry", "official", "outage")], PARTITIONS)
    cluster.create_topics([_topic(name) for name in OUTGOING])
    player = Player(cluster.client(), PREFIX, ARROW)
    player.play(OUTAGES_TOLD, recorded.outages)
    player.play(OFFICIAL_TOLD, recorded.official)
    past = player.play(READINGS_TOLD, history.readings)
    phase = replace(phase, stream=StreamSettings(bootstrap_servers=cluster.bootstrap, prefix=PREFIX))
    gateway = Gateway(cluster)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    loop = context.Process(target=live, args=(phase, there))
    loop.start()
    there.close()
    sender = Sender(cluster, recorded.readings, start - PERIOD, began_s=here.recv())
    decided = dict(iter(here.recv, None))
    loop.join()
    sender.stop()
    gateway.stop(max(decided))
    known = {due: read_to - past for due, read_to in decided.items()}
    return _figures(sender, gateway.came_s, known)


def _figures(sender: Sender, came_s: dict[datetime, float], known: dict[datetime, int]) -> list[Figure]:
    """Figures of what was sent, of when setpoints came, and of how many of the readings each tick knew."""
    dues = sorted(known)[SETTLED:]
    if lacking := [due for due in dues if due not in came_s]:
        raise AssertionError(f"no setpoints of {lacking}")
    before = [bisect_right(sender.available, due) for due in dues]
    waits = np.array([came_s[due] - sender.sent_s[count - 1] for due, count in zip(dues, before, strict=True)])
    unknown = np.array([count - known[due] for due, count in zip(dues, before, strict=True)])
    half, nearly, worst = np.percentile(waits, (50, 99, 100))
    rate = len(sender.sent_s) / (sender.sent_s[-1] - sender.sent_s[0])
    name = "from the last reading before a tick to its setpoints on their topic"
    beside = f"{len(dues)} ticks, {len(sender.sent_s):,} readings at {rate:,.0f}/s; the slowest {worst:.2f} s"
    most = f"at most {unknown.max()}, which were on their way to the broker"
    return [
        Figure(f"{name}, p50", float(half), "s", beside),
        Figure(f"{name}, p99", float(nearly), "s"),
        Figure("readings sent before a tick that it did not know, p50", float(np.median(unknown)), "1", most),
    ]


def live(phase: Phase, told: Connection) -> None:
    """Run a phase to its end in a process of its own; tells when its clock began, then each tick and what was read."""
    with closing(EmbeddedStore(store_path(phase.directory))) as store:
        told.send(time.monotonic())
        clock = AcceleratedClock(phase.start - PERIOD, PERIOD.total_seconds() / TICK_S)
        loop, _ = wire(phase, store, None, clock)
        with relayed(store_path(phase.directory), phase.stream) as published:

            def on_tick(tick: Tick) -> None:
                published()
                told.send((tick.due, sum(to for source, to in store.offsets().items() if TELEMETRY in source)))

            loop.on_tick = on_tick
            loop.run(ticks(phase.start, phase.end, phase.network.zone, phase.origin))
        loop.close()
    told.send(None)


class Sender:
    """Sends `RATE` readings a second, each with the instant at which it is sent as its arrival, until it is stopped.

    Args:
        cluster: The broker.
        readings: What the grid's sites tell; at each instant those that came in the tick's period before are sent.
        begins: Instant that the loop's clock began at.
        began_s: The same by the machine's monotonic clock [s].
    """

    def __init__(self, cluster: Cluster, readings: pa.Table, begins: datetime, began_s: float) -> None:
        self._producer = Producer(cluster.client() | {"linger.ms": 5})
        self._readings, self._begins, self._began_s = readings.sort_by("available_at"), begins, began_s
        self.available: list[datetime] = []
        self.sent_s: list[float] = []
        self._is_ending = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._is_ending.set()
        self._thread.join()
        self._producer.flush(30)

    def _run(self) -> None:
        window, began_s, rows = -1, time.monotonic(), self._readings
        sent_in_window = 0
        while not self._is_ending.is_set():
            now_s = time.monotonic()
            if int((now_s - self._began_s) / TICK_S) != window:
                window, sent_in_window = int((now_s - self._began_s) / TICK_S), 0
                rows = self._came_before(self._begins + window * PERIOD)
            due = int((now_s - began_s) * RATE) - len(self.sent_s)
            places = np.arange(sent_in_window, sent_in_window + due)
            self._send(rows.take(pa.array(places % len(rows))), places // len(rows), now_s)
            sent_in_window += due
            self._producer.poll(0)
            self._is_ending.wait(STEP_S)

    def _came_before(self, instant: datetime) -> pa.Table:
        """What came in the period up to an instant."""
        came = self._readings.column("available_at").to_numpy().astype("datetime64[us]")
        first, last = np.searchsorted(came, [to_numpy(instant - PERIOD), to_numpy(instant)], side="right")
        return self._readings.slice(int(first), int(last - first))

    def _send(self, rows: pa.Table, revisions: npt.NDArray[np.int64], now_s: float) -> None:
        available = self._begins + PERIOD * ((now_s - self._began_s) / TICK_S)
        told = {
            "available_at": pa.array([available] * len(rows), TIMESTAMP),
            "revision": pa.array(revisions.astype(np.int32)),
        }
        for name, values in told.items():
            rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)
        keys = rows.column("site").to_pylist()
        for key, message in zip(keys, encode_rows(rows, READINGS, is_recorded=True), strict=True):
            self._producer.produce(TELEMETRY, message, key.encode())
        self.available += [available] * len(rows)
        self.sent_s += [now_s] * len(rows)


class Gateway:
    """Reads the setpoints' topic and notes when the last of each decision came, by the machine's monotonic clock."""

    def __init__(self, cluster: Cluster) -> None:
        words = {"group.id": "gateway", "enable.auto.commit": False, "fetch.wait.max.ms": 10}
        self._consumer = Consumer(cluster.client() | words)
        partitions = self._consumer.list_topics(_topic(SETPOINT), timeout=20).topics[_topic(SETPOINT)].partitions
        self._consumer.assign([TopicPartition(_topic(SETPOINT), number, 0) for number in partitions])
        self.came_s: dict[datetime, float] = {}
        self._is_ending = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self, last: datetime) -> None:
        """End once the last decision's setpoints are there, or could have been."""
        until_s = time.monotonic() + PARTING_S
        while last not in self.came_s and time.monotonic() < until_s:
            self._is_ending.wait(STEP_S)
        self._is_ending.set()
        self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        while not self._is_ending.is_set():
            for message in self._consumer.consume(1000, 0.01):
                if message.error() is None:
                    told = msgspec.json.decode(message.value() or b"")
                    self.came_s[datetime.fromisoformat(told["issue_time"])] = time.monotonic()


def _topic(name: str) -> str:
    return name.replace("xiaona.", f"{PREFIX}.", 1)

"""`xiaona ingest`: a feed of files or of Kafka into a store, with the counts that prove that nothing was lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.table import Table

from gridcore.clock import Clock, SystemClock
from gridcore.errors import BadInputError, StoreConflictError, StoreUnreachableError
from gridcore.ports import Counts, Feed, Store
from ingest.accept import accept
from ingest.catalogue import open_grid
from ingest.channels import ChannelTable, channels_of
from ingest.files import open_feed
from ingest.trip_switch import TripSwitch
from pipeline import console
from pipeline.lasting_store import STORE_AWAY
from pipeline.stores import open_store
from pipeline.stream_settings import stream_at

END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
"""All that a source holds is taken, whatever instant it says it came at."""

NAP = timedelta(seconds=0.02)
"""Pause before a source that had nothing is asked again: what a lone reading waits at most beside the commit."""


@dataclass(frozen=True)
class IngestOptions:
    """What the command line says besides the two addresses."""

    grid: str | None = None
    """Grid whose channels are expected, where the source names none."""

    until_idle_s: float = 0.0
    """Seconds without a new reading after which it ends; a source that has ended ends at once at 0 [s]."""

    group: str = ""
    """Consumer group to share Kafka's partitions with; empty to read all of them."""

    is_recorded: bool = False
    """A reading's own `available_at` counts: a recording was played into the topics."""

    config: Path | None = None
    """TOML whose `[stream]` tells the rest of Kafka's settings."""


@dataclass
class Intake:
    """A feed on its way into a store, until the feed is idle."""

    feed: Feed
    store: Store
    channels: ChannelTable
    clock: Clock
    until_idle: timedelta
    switch: TripSwitch
    counts: Counts = field(default_factory=Counts)
    seconds: float = 0.0
    """From the start to the last batch [s]."""

    def run(self) -> None:
        """Take batches until none came for `until_idle`.

        Raises:
            StreamTrippedError: Most of what comes can't be used.
        """
        began, quiet_since = perf_counter(), self.clock.now()
        self.feed.seek(self.store.offsets())
        while True:
            batch = self.feed.next_until(END_OF_TIME)
            if batch is None:
                if self.clock.now() - quiet_since >= self.until_idle:
                    return
                self.clock.wait_until(self.clock.now() + min(NAP, self.until_idle))
                continue
            try:
                kept = accept(batch, self.store, self.channels)
            except (StoreConflictError, StoreUnreachableError) as error:
                self._begin_again(error)
                continue
            self.counts.add(kept)
            self.switch.note(kept)
            self.seconds, quiet_since = perf_counter() - began, self.clock.now()

    def _begin_again(self, error: StoreConflictError | StoreUnreachableError) -> None:
        """Another owner was faster, or nobody knows whether the batch was kept: only the store's offsets tell."""
        console.errors.print(f"refused, going on at the store's offsets: {error}", highlight=False, markup=False)
        while True:
            try:
                self.feed.seek(self.store.offsets())
            except StoreUnreachableError:
                self.clock.wait_until(self.clock.now() + STORE_AWAY)
            else:
                return


def run_ingest(url: str, store_at: str, options: IngestOptions, *, as_json: bool) -> None:
    """Take everything that a source holds into a store and print the counts.

    Args:
        url: Address of the source.
        store_at: Directory or address of the store; made if absent.
        options: The rest.
        as_json: Print JSON alone.

    Raises:
        BadInputError: Kafka's partitions could not be read to their ends.
    """
    clock = SystemClock()
    store = open_store(store_at)
    close, share = _nothing, 1.0
    try:
        if url.startswith("kafka://"):
            feed, channels, share = _kafka(url, options, store, clock)
            close = feed.close
        else:
            feed, channels = open_feed(url, options.grid, clock)
        intake = Intake(feed, store, channels, clock, timedelta(seconds=options.until_idle_s), TripSwitch(share))
        intake.run()
        offsets = store.offsets()
        is_ready = not url.startswith("kafka://") or feed.is_ready
    finally:
        close()
        store.close()
    rate = intake.counts.received / intake.seconds if intake.seconds > 0 else 0.0
    show_counts(intake.counts, offsets, rate, as_json=as_json)
    if not is_ready:
        got = "partitions that are not read to their ends, or that no rebalance gave us"
        raise BadInputError("Kafka did not answer in time", file=url, got=got, wanted="a running broker")


def _kafka(url: str, options: IngestOptions, store: Store, clock: Clock) -> tuple[Any, ChannelTable, float]:
    """Kafka's feed, the grid's channels, and the largest share of dead letters."""
    from pipeline.streams import kafka_feed

    if options.grid is None:
        raise BadInputError("readings without a grid", file=url, wanted="--grid: the grid whose channels they are")
    source = open_grid(options.grid)
    channels = channels_of(source.network, source.reading_period)
    settings = stream_at(url, options.config)
    settings = settings.model_copy(update={"group": options.group or settings.group})
    feed = kafka_feed(settings, channels, store, clock, honours_recorded_arrival=options.is_recorded)
    return feed, channels, settings.largest_dead_share


def _nothing() -> None:
    """A file needs no closing."""


def show_counts(counts: Counts, offsets: dict[str, int], rate: float, *, as_json: bool) -> None:
    """Print what became of the readings, where the sources stand and how fast it went [readings/s]."""
    facts: dict[str, Any] = {**vars(counts), "next_offsets": offsets, "readings_per_second": rate}
    if as_json:
        console.print_json(facts)
        return
    table = Table(title="ingest", show_header=False)
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), f"{value:,.0f}" if isinstance(value, int | float) else str(value))
    console.results.print(table)

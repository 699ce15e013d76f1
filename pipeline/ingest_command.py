"""`xiaona ingest`: a feed of files or of Kafka into a store, with the counts that prove that nothing was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import structlog
from rich.table import Table

from gridcore.clock import Clock, SystemClock
from gridcore.errors import BadInputError, StoreConflictError, StoreUnreachableError
from gridcore.ports import Batch, Counts, Feed, Store
from ingest.accept import accept
from ingest.catalogue import open_grid
from ingest.channels import ChannelTable, channels_of
from ingest.files import open_feed
from ingest.trip_switch import TripSwitch
from pipeline import console
from pipeline.health import LIVE_WITHIN_S, LOOP, STORE, Health
from pipeline.lasting_store import STORE_AWAY
from pipeline.logs import set_up_logs
from pipeline.observer import Observer, Unobserved
from pipeline.stores import open_store
from pipeline.stream_settings import ingest_settings

END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
"""All that a source holds is taken, whatever instant it says it came at."""

BEGINNING_OF_TIME = datetime(1, 1, 1, tzinfo=UTC)
"""Nothing was looked at by then."""

LOOK = timedelta(seconds=1)
"""How often it is looked how much waits."""

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
    """TOML whose `[stream]` tells the rest of Kafka's settings, and `[metrics]` where health and metrics are told."""


@dataclass
class Intake:
    """A feed on its way into a store, until the feed is idle."""

    feed: Feed
    store: Store
    channels: ChannelTable
    clock: Clock
    until_idle: timedelta
    switch: TripSwitch
    observer: Observer = field(default_factory=Unobserved)
    health: Health = field(default_factory=Health)
    look: Callable[[], None] = lambda: None
    """Tells what waits; called each `LOOK` or later."""

    is_at_end: Callable[[], bool] = lambda: True
    """A feed that has nothing more to give is at its end, and has not only waited long enough."""

    counts: Counts = field(default_factory=Counts)
    seconds: float = 0.0
    """From the start to the last batch [s]."""

    _looked_at: datetime = BEGINNING_OF_TIME

    def run(self) -> None:
        """Take batches until none came for `until_idle`.

        Raises:
            StreamTrippedError: Most of what comes can't be used.
        """
        began = perf_counter()
        self.feed.seek(self.store.offsets())
        self.health.well(LOOP)
        for batch in drained(self.feed, self.clock, self.until_idle, self.is_at_end, self._turn):
            checked_s = perf_counter()
            try:
                kept = accept(batch, self.store, self.channels)
            except (StoreConflictError, StoreUnreachableError) as error:
                self._begin_again(error)
                continue
            self.observer.kept(batch, kept, perf_counter() - checked_s)
            self.counts.add(kept)
            self.switch.note(kept)
            self.seconds = perf_counter() - began

    def _turn(self) -> None:
        """The feed is asked again."""
        self.observer.turned()
        if self.clock.now() - self._looked_at >= LOOK:
            self.look()
            self._looked_at = self.clock.now()

    def _begin_again(self, error: StoreConflictError | StoreUnreachableError) -> None:
        """Another owner was faster, or nobody knows whether the batch was kept: only the store's offsets tell."""
        log = structlog.get_logger()
        log.warning("batch refused, going on at the store's offsets", reason=str(error))
        self.health.ill(STORE, str(error))
        while True:
            self.observer.turned()
            try:
                self.feed.seek(self.store.offsets())
            except StoreUnreachableError:
                self.clock.wait_until(self.clock.now() + STORE_AWAY)
            else:
                self.health.well(STORE)
                return


def drained(
    feed: Feed,
    clock: Clock,
    until_idle: timedelta,
    is_at_end: Callable[[], bool] = lambda: True,
    turned: Callable[[], None] = lambda: None,
) -> Iterator[Batch]:
    """All batches of a feed, until none came for `until_idle`.

    Args:
        feed: Where they come from; it may be sought anew between two of them.
        clock: Measures how long none came.
        until_idle: At 0 the end that the feed has is the end.
        is_at_end: The feed is at its end where it gave None; else it only stopped waiting, as Kafka's does when a
            backlog takes longer than its grace time.
        turned: Called before each question.
    """
    quiet_since, has_come = clock.now(), False
    while True:
        turned()
        batch = feed.next_until(END_OF_TIME)
        if batch is not None:
            yield batch
            quiet_since, has_come = clock.now(), True
        elif has_come and not is_at_end():
            has_come = False
        elif clock.now() - quiet_since >= until_idle:
            return
        else:
            clock.wait_until(clock.now() + min(NAP, until_idle))


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
    clock, idle = SystemClock(), timedelta(seconds=options.until_idle_s)
    with closing(open_store(store_at)) as store:
        if url.startswith("kafka://"):
            intake, is_ready = _take_stream(url, options, store, clock)
        else:
            set_up_logs(clock)
            feed, channels = open_feed(url, options.grid, clock)
            intake, is_ready = Intake(feed, store, channels, clock, idle, TripSwitch(1.0)), True
            intake.run()
        offsets = store.offsets()
    rate = intake.counts.received / intake.seconds if intake.seconds > 0 else 0.0
    show_counts(intake.counts, offsets, rate, as_json=as_json)
    if not is_ready:
        got = "partitions that are not read to their ends, or that no rebalance gave us"
        raise BadInputError("Kafka did not answer in time", file=url, got=got, wanted="a running broker")


def _take_stream(url: str, options: IngestOptions, store: Store, clock: Clock) -> tuple[Intake, bool]:
    """Take what Kafka has, logged and watched; whether all partitions were read to their ends."""
    from pipeline.streams import kafka_feed
    from pipeline.watch import watched

    if options.grid is None:
        raise BadInputError("readings without a grid", file=url, wanted="--grid: the grid whose channels they are")
    source = open_grid(options.grid)
    channels = channels_of(source.network, source.reading_period)
    settings, metrics_at = ingest_settings(url, options.config)
    settings = settings.model_copy(update={"group": options.group or settings.group})
    idle, switch = timedelta(seconds=options.until_idle_s), TripSwitch(settings.largest_dead_share)
    with (
        watched(clock, channels, store.receipt, None, metrics_at, live_within_s=LIVE_WITHIN_S) as watch,
        closing(
            kafka_feed(settings, channels, store.offsets, clock, honours_recorded_arrival=options.is_recorded)
        ) as feed,
    ):
        look = partial(watch.look, feed)
        told = (watch.observer, watch.health, look, lambda: feed.is_ready)
        intake = Intake(feed, store, channels, clock, idle, switch, *told)
        intake.run()
        return intake, feed.is_ready


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

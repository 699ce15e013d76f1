"""`xiaona ingest --from http://...`: readings that senders push, into a store, until the command is stopped."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event
from time import perf_counter

import structlog

from gridcore.clock import Clock, SystemClock
from gridcore.errors import StoreConflictError, StoreUnreachableError
from gridcore.ports import Counts, Store
from ingest.accept import accept
from ingest.catalogue import open_grid
from ingest.channels import ChannelTable, channels_of
from ingest.push import PushFeed
from pipeline.health import STORE, Health
from pipeline.http import Limits, OperationsDoor, TelemetryDoor, web_app
from pipeline.http_access import read_senders
from pipeline.http_server import Address, served
from pipeline.ingest_command import END_OF_TIME, show_counts
from pipeline.lasting_store import STORE_AWAY
from pipeline.logs import LogObserver, set_up_logs
from pipeline.metrics import Metrics
from pipeline.observer import Observer, Observers

ASK_STORE = timedelta(seconds=5)
"""A store to which nothing is written is asked so often whether it is still there."""

TURN_S = 0.5
"""The loop comes round at least so often, to see whether it is to stop [s]."""


@dataclass
class PushIntake:
    """The thread that keeps what is pushed."""

    feed: PushFeed
    """What is pushed."""

    store: Store
    """Where it is kept."""

    channels: ChannelTable
    """The grid's channels."""

    clock: Clock
    """Tells when it has been quiet."""

    health: Health
    """Told whether the store answers."""

    observer: Observer
    """Told that the loop comes round, and what was kept."""

    counts: Counts = field(default_factory=Counts)
    """What became of all readings so far."""

    def run(self, is_stopping: Callable[[], bool], until_idle_s: float = 0.0) -> None:
        """Keep what comes until told to stop, or until nothing came for so long [s]; for ever at 0."""
        is_away, quiet_since, idle = True, self.clock.now(), timedelta(seconds=until_idle_s)
        seen_at = quiet_since
        while not is_stopping():
            self.observer.turned()
            try:
                if is_away or self.clock.now() - seen_at >= ASK_STORE:
                    self.feed.seek(self.store.offsets())
                    self.health.well(STORE)
                    is_away, seen_at = False, self.clock.now()
                has_come = self._keep()
            except (StoreUnreachableError, StoreConflictError) as error:
                # Whoever waits is told so; nobody knows but the store whether the batch in hand was kept.
                is_away = True
                self.health.ill(STORE, str(error))
                self.clock.wait_until(self.clock.now() + STORE_AWAY)
                continue
            if has_come:
                quiet_since = seen_at = self.clock.now()
            elif until_idle_s and self.clock.now() - quiet_since >= idle:
                break
            else:
                self.feed.wait(min(TURN_S, until_idle_s) if until_idle_s else TURN_S)

    def _keep(self) -> bool:
        """Keep what waits; tells whether there was any."""
        has_come = False
        while (batch := self.feed.next_until(END_OF_TIME)) is not None:
            has_come, began = True, perf_counter()
            counts = accept(batch, self.store, self.channels)
            self.counts.add(counts)
            self.observer.kept(batch, counts, perf_counter() - began)
            self.observer.turned()
        return has_come


@dataclass(frozen=True)
class PushOptions:
    """What the command line says."""

    grid: str
    """Name or directory of the grid whose channels are expected."""

    tokens: Path
    """Who may push."""

    open_store: Callable[[], Store]
    """Opens the store; called in the thread that keeps the batches."""

    until_idle_s: float = 0.0
    """End after so long without a request [s]; never at 0."""

    node: str = ""
    """This server's name among those that fill the store."""

    limits: Limits = field(default_factory=Limits)
    """What is refused."""


def show_push(address: Address, options: PushOptions, *, as_json: bool) -> None:
    """Take pushed readings into a store until stopped, then print the counts.

    Raises:
        KeyboardInterrupt: It was stopped by a signal; what was acknowledged is kept, and the same command goes on.
    """
    began = perf_counter()
    with stopped_by_signal() as stopping:
        counts, offsets = run_push(address, options, stopping.is_set)
        show_counts(counts, offsets, counts.received / (perf_counter() - began), as_json=as_json)
    if stopping.is_set():
        raise KeyboardInterrupt


def run_push(
    address: Address, options: PushOptions, is_stopping: Callable[[], bool], observer: Observer | None = None
) -> tuple[Counts, dict[str, int]]:
    """Take pushed readings into a store.

    Args:
        address: Where to listen.
        options: What the command line says.
        is_stopping: It is to stop.
        observer: Told of every batch, besides the log and the metrics, after its commit and before its answer.

    Returns:
        What became of the readings of this run, and the store's offsets.
    """
    clock = SystemClock()
    senders = read_senders(options.tokens)
    grid = open_grid(options.grid)
    channels = channels_of(grid.network, grid.reading_period)
    set_up_logs(clock)
    health, metrics = Health(STORE), Metrics(channels)
    observers = Observers(health, metrics, LogObserver(), *([observer] if observer else []))
    with closing(options.open_store()) as store:
        feed = PushFeed(channels, store.receipt, node=options.node)
        intake = PushIntake(feed, store, channels, clock, health, observers)
        telemetry = TelemetryDoor(feed, senders, clock, options.limits)
        with served(web_app(OperationsDoor(health, metrics), telemetry), address) as port:
            structlog.get_logger().info("listening", host=address.host, port=port, senders=len(senders.sender))
            try:
                intake.run(is_stopping, options.until_idle_s)
            finally:
                # Whoever still waits is told before the server goes.
                feed.close()
        return intake.counts, store.offsets()


@contextmanager
def stopped_by_signal() -> Iterator[Event]:
    """An event that a first Ctrl-C or termination signal sets, so that a commit can end; a second one interrupts."""
    stopping = Event()

    def stop(_number: int, _frame: object) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield stopping
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

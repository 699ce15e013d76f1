"""The loop: sense, analyse, decide, control. Live and replay run this same code; only the wiring differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter
from typing import Protocol

import pyarrow as pa

from gridcore.clock import Clock
from gridcore.errors import BrokenInvariantError
from gridcore.ports import Counts, Feed, Store
from ingest.accept import accept
from ingest.channels import ChannelTable
from ingest.trip_switch import TripSwitch
from pipeline.checkpoint import with_world
from pipeline.decide import Desk
from pipeline.observer import Observer, Unobserved
from pipeline.schedule import Tick
from pipeline.stopwatch import Stopwatch

BETWEEN = timedelta(seconds=1)
"""How long a reading may wait between ticks before it is kept."""


class ControlledFeed(Feed, Protocol):
    """A feed whose world answers setpoints: a simulated plant, or the gateways beyond Kafka."""

    def deliver(self, issue_time: datetime, setpoints: pa.Table) -> None:
        """Tell the assets their setpoints; called after they are stored."""
        ...

    def checkpoint(self) -> bytes:
        """What the world needs to continue from here; empty for a real one."""
        ...

    def readiness(self) -> Mapping[str, str]:
        """Why the last instant asked for waited no longer, by partition of a stream; empty where there is none."""
        ...


@dataclass
class Loop:
    """Everything one run of the loop is wired to."""

    clock: Clock
    feed: ControlledFeed
    store: Store
    channels: ChannelTable
    desk: Desk
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    counts: Counts = field(default_factory=Counts)
    on_tick: Callable[[Tick], None] = lambda tick: None
    close: Callable[[], None] = lambda: None
    """Releases what the feed holds."""

    switch: TripSwitch = field(default_factory=lambda: TripSwitch(1.0))
    observer: Observer = field(default_factory=Unobserved)
    senses_between: bool = False
    """Readings are kept as they come, not only at ticks; for a clock that does not jump from tick to tick."""

    def run(self, ticks: Iterable[Tick]) -> None:
        """Decide at every tick.

        Raises:
            BrokenInvariantError: Readings were received and neither stored nor explained.
            StreamTrippedError: Most of what comes can't be used.
        """
        for tick in ticks:
            self._wait(tick.due)
            began = perf_counter()
            self._sense(tick.due)
            readiness = self.feed.readiness()
            self._fit(tick)
            with self.stopwatch.stage("decide"):
                decision = self.desk.decide(self.store.known_at(tick.due), tick)
            with self.stopwatch.stage("publish"):
                self.store.publish(with_world(decision, self.feed.checkpoint(), readiness))
            self.feed.deliver(tick.due, decision.setpoints)
            self.observer.ticked(tick.due, perf_counter() - began, readiness)
            self.on_tick(tick)

    def finish(self, end: datetime) -> None:
        """Let the world run on to the end, so that what the last setpoints did is known too."""
        self.clock.wait_until(end)
        self._sense(end)

    def _wait(self, due: datetime) -> None:
        while self.senses_between and (now := self.clock.now()) < due:
            self._sense(now)
            self.clock.wait_until(min(due, now + BETWEEN))
        self.clock.wait_until(due)

    def _sense(self, due: datetime) -> None:
        self.observer.turned()
        with self.stopwatch.stage("sense"):
            while (batch := self.feed.next_until(due)) is not None:
                began = perf_counter()
                kept = accept(batch, self.store, self.channels)
                self.counts.add(kept)
                self.observer.kept(batch, kept, perf_counter() - began)
                self.observer.turned()
                self.switch.note(kept)
        if not self.counts.is_conserved:
            raise BrokenInvariantError(
                "readings are lost", instant=due.isoformat(), got=self.counts, wanted="received = kept"
            )

    def _fit(self, tick: Tick) -> None:
        known = self.store.known_at(tick.due)
        if tick.is_refit or not self.desk.forecaster.is_fitted(known):
            with self.stopwatch.stage("fit"):
                for model in self.desk.forecaster.fit(known):
                    self.store.register(model)

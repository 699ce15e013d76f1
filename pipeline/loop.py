"""The loop: sense, analyse, decide, control. Live and replay run this same code; only the wiring differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from gridcore.clock import Clock
from gridcore.errors import BrokenInvariantError
from gridcore.ports import Counts, Feed, Store
from ingest.accept import accept
from ingest.channels import ChannelTable
from pipeline.checkpoint import with_world
from pipeline.decide import Desk
from pipeline.schedule import Tick
from pipeline.stopwatch import Stopwatch


class ControlledFeed(Feed, Protocol):
    """A feed whose world answers setpoints: a simulated plant, or the gateways beyond Kafka."""

    def deliver(self, issue_time: datetime, setpoints: pa.Table) -> None:
        """Tell the assets their setpoints; called after they are stored."""
        ...

    def checkpoint(self) -> bytes:
        """What the world needs to continue from here; empty for a real one."""
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

    def run(self, ticks: Iterable[Tick]) -> None:
        """Decide at every tick.

        Raises:
            BrokenInvariantError: Readings were received and neither stored nor explained.
        """
        for tick in ticks:
            self.clock.wait_until(tick.due)
            self._sense(tick.due)
            self._fit(tick)
            with self.stopwatch.stage("decide"):
                decision = self.desk.decide(self.store.known_at(tick.due), tick)
            with self.stopwatch.stage("publish"):
                self.store.publish(with_world(decision, self.feed.checkpoint()))
            self.feed.deliver(tick.due, decision.setpoints)
            self.on_tick(tick)

    def finish(self, end: datetime) -> None:
        """Let the world run on to the end, so that what the last setpoints did is known too."""
        self.clock.wait_until(end)
        self._sense(end)

    def _sense(self, due: datetime) -> None:
        with self.stopwatch.stage("sense"):
            while (batch := self.feed.next_until(due)) is not None:
                self.counts.add(accept(batch, self.store, self.channels))
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

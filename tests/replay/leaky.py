"""A loop without its lock, for the leak test alone, so that the test is known to see a leak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from gridcore.ports import Batch, Feed, Known, Store
from gridcore.timeline import TIMESTAMP
from ingest.recording_feed import RecordingFeed
from pipeline.loop import Loop
from pipeline.phase import RECORDING, Recorded
from tests.replay.perturb import Knowledge, after

LEAK = timedelta(hours=2)
"""How far a feed delivers too early, and how far a store without its lock shows what it has."""


class EarlyFeed:
    """A feed that delivers what is still to come; it counts the rows."""

    def __init__(self, inner: Feed) -> None:
        self._inner = inner
        self.early: Counter[Knowledge] = Counter()
        """Rows delivered before they were available, by kind."""

    def next_until(self, due: datetime) -> Batch | None:
        batch = self._inner.next_until(due + LEAK)
        if batch is not None:
            kinds = (Knowledge.READINGS, Knowledge.OFFICIAL, Knowledge.OUTAGES)
            for kind, table in zip(kinds, (batch.readings, batch.official, batch.outages), strict=True):
                self.early[kind] += int(after(table, due).sum())
        return batch

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


class UnlockedStore:
    """A store that shows what it knows two hours after the instant asked for."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner

    def known_at(self, instant: datetime) -> UnlockedKnown:
        return UnlockedKnown(self._inner.known_at(instant + LEAK), instant)

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


class UnlockedKnown:
    """What such a store shows, under the name of the instant asked for.

    It says of everything that it was there two hours earlier: forecasters and dispatch look at `available_at` too.
    """

    def __init__(self, inner: Known, instant: datetime) -> None:
        self._inner, self.instant = inner, instant

    def readings(self, channels: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        return _backdated(self._inner.readings(channels, start, end))

    def official(self, assets: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        return _backdated(self._inner.official(assets, start, end))

    def official_vintages(self, assets: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        return _backdated(self._inner.official_vintages(assets, start, end))

    def outages(self, start: datetime, end: datetime) -> pa.Table:
        return _backdated(self._inner.outages(start, end))

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


def _backdated(table: pa.Table) -> pa.Table:
    earlier = table.column("available_at").to_numpy() - np.timedelta64(LEAK)
    return table.set_column(
        table.schema.get_field_index("available_at"), "available_at", pa.array(earlier).cast(TIMESTAMP)
    )


def deliver_early(loop: Loop, world: Recorded) -> EarlyFeed:
    """Let the loop's recorded feed deliver two hours too early."""
    feed = EarlyFeed(RecordingFeed(world.readings, world.official, world.outages, source=RECORDING))
    loop.feed._recorded = [feed]  # type: ignore[attr-defined]
    feed.seek(loop.store.offsets())  # type: ignore[operator]
    return feed


def take_the_lock_off(loop: Loop) -> None:
    """Let the loop's store show what it should not."""
    loop.store = UnlockedStore(loop.store)  # type: ignore[assignment]

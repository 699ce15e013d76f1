"""A small closed loop for tests: the example grid, two weeks of history, cheap models; the same code as a replay."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.clock import VirtualClock
from gridcore.ports import GridSource, Store
from gridcore.timeline import PERIOD
from ingest.catalogue import open_grid
from pipeline.loop import Loop
from pipeline.phase import Phase, Recorded, store_path, wire
from pipeline.replay import split_at
from pipeline.schedule import ticks
from storage.embedded import EmbeddedStore

GRID = "example-9"
START_OF_DAY = datetime(2025, 3, 29, 23, tzinfo=UTC)
"""Midnight of 30 March 2025 in the grid's zone; the clock goes forward in that night."""

END_OF_DAY = START_OF_DAY + timedelta(hours=23)

HISTORY = timedelta(days=9)
"""Nine days, the history that the issue's January replay has."""


def open_small() -> GridSource:
    """The example grid."""
    return open_grid(GRID)


def whole(start: datetime, end: datetime) -> Recorded:
    """All that the example grid delivers from nine days before `start` to two days after `end`."""
    source = open_grid(GRID)
    first, last = start - HISTORY, end + timedelta(days=2)
    return Recorded(source.readings(first, last), source.official(first, last), source.outages(first, last))


def phase_of(recorded: Recorded, start: datetime, end: datetime, directory: Path) -> tuple[Phase, Recorded]:
    """A phase of the row `ours` without warm-up, and the history before it."""
    source = open_grid(GRID)
    history, world = split_at(recorded, start - PERIOD)
    phase = Phase(
        row="ours",
        network=source.network,
        world=world,
        truth=recorded.readings,
        outages=recorded.outages,
        origin=start,
        start=start,
        end=end,
        directory=directory,
        seed=0,
        reading_period=source.reading_period,
    )
    return phase, history


def decisions(directory: Path, until: datetime) -> dict[str, pa.Table]:
    """All that a store holds of what was decided up to an instant."""
    with closing(EmbeddedStore(store_path(directory))) as store:
        return decided(store, until)


def decided(store: Store, until: datetime) -> dict[str, pa.Table]:
    """The same of an open store."""
    known, since = store.known_at(until), datetime(2000, 1, 1, tzinfo=UTC)
    names = {"forecasts": known.forecasts(since), "setpoints": known.setpoints(since)}
    return names | {layer: known.plans(layer, since) for layer in ("scuc", "sced")}


def same_bits(left: dict[str, pa.Table], right: dict[str, pa.Table], directory: Path) -> bool:
    """Two sets of decisions are equal bit for bit, NaN included: their files are."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in left:
        for side, tables in (("left", left), ("right", right)):
            pq.write_table(tables[name].combine_chunks(), directory / f"{side}-{name}.parquet")
        if (directory / f"left-{name}.parquet").read_bytes() != (directory / f"right-{name}.parquet").read_bytes():
            return False
    return True


def run_until(
    phase: Phase, history: Recorded | None, until: datetime, change: Callable[[Loop], None] | None = None
) -> None:
    """Run a phase's ticks up to an instant.

    Args:
        phase: The phase.
        history: What arrived before it; None where the store has it.
        until: No tick later than this is run.
        change: Rewires the loop before it runs.
    """
    store = EmbeddedStore(store_path(phase.directory))
    try:
        loop, done = wire(phase, store, history, VirtualClock(phase.origin - PERIOD))
        if change is not None:
            change(loop)
        every = ticks(phase.start, phase.end, phase.network.zone, phase.origin)
        loop.run(tick for tick in every if tick.due <= until and (done is None or tick.due > done))
    finally:
        store.close()

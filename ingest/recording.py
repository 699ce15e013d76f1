"""Recordings: what arrived over some days and all the history before them, as files that a replay plays again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from gridcore.errors import BadInputError
from gridcore.ports import GridSource
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from ingest.channels import channels_of
from ingest.dirt import LEDGER_SCHEMA, Dirt
from ingest.dirty import dirtied
from ingest.grid_directory import AHEAD, period_facts
from ingest.grid_write import write_network
from ingest.history_columns import OFFICIAL_ORDER, READING_ORDER, in_order
from ingest.history_files import History, write_parquet
from ingest.table_source import NOTICE, TableSource

GRID = "grid"
"""Directory of the grid inside a recording."""


ACTUAL = "actual.parquet"
"""Beside dirty readings, the clean ones: what a simulated plant answers with, and no store ever sees."""

ACTUAL_BEFORE = timedelta(days=2)
"""How far before the recording the clean readings begin: a replay's plant warms up for a day, and looks back one."""


class RecordingSource(TableSource):
    """A `GridSource` whose readings keep what they were recorded with: arrival, revision and quality."""

    def actual(self, start: datetime, end: datetime) -> pa.Table | None:
        """`READING_SCHEMA` of what really was in [start, end); None where the readings themselves say it."""
        file = self._history / ACTUAL
        if not file.is_file():
            return None
        return History(file, READING_SCHEMA, lambda table: in_order(table, READING_ORDER)).between(start, end)

    def _files(self) -> Sequence[tuple[str, Path]]:
        file = self._history / ACTUAL
        return [*super()._files(), *([(ACTUAL, file)] if file.is_file() else [])]


def read_recording(directory: Path) -> RecordingSource:
    """The recording of a directory.

    Raises:
        BadInputError: The directory is no recording, or a file in it is wrong.
    """
    if not (directory / "readings.parquet").is_file():
        raise BadInputError("no recording here", file=directory, wanted="readings.parquet and grid/")
    return RecordingSource(directory / GRID, directory)


def write_recording(
    source: GridSource,
    start: datetime,
    end: datetime,
    out_dir: Path,
    dirty_seed: int | None = None,
    history_days: float | None = None,
) -> dict[str, object]:
    """Write a recording of [start, end), with the history before it and a few days after it.

    The days after the end are what an oracle and the last days' plans look at; a replay of [start, end) never shows
    them to a decision, since they have not arrived.

    Args:
        source: Any grid.
        start: First recorded instant.
        end: End of the recording.
        out_dir: Directory to write; must hold no recording.
        dirty_seed: Seed of the dirt; None for telemetry as the source has it.
        history_days: Days of history before `start`; all the source has where None [d].

    Returns:
        Directory, rows by table, and readings touched by each kind of dirt.

    Raises:
        BadInputError: The source does not reach over [start, end), or the directory holds a recording.
    """
    _check_stretch(source, start, end)
    if (out_dir / "readings.parquet").exists():
        raise BadInputError("the directory holds a recording", file=out_dir, wanted="an empty or new directory")
    first = source.first if history_days is None else max(source.first, start - timedelta(days=history_days))
    until = min(source.last, end + AHEAD)
    write_network(source.network, out_dir / GRID, period_facts(source))
    if source.notice:
        (out_dir / GRID / NOTICE).write_text(source.notice, encoding="utf-8")
    readings = in_order(source.readings(first, until), READING_ORDER)
    dirt: dict[str, int] = {}
    if dirty_seed is not None:
        clean = in_order(source.readings(max(first, start - ACTUAL_BEFORE), until), READING_ORDER)
        write_parquet([clean], out_dir / ACTUAL, READING_SCHEMA)
        readings, ledger = dirtied(readings, channels_of(source.network, source.reading_period), dirty_seed)
        write_parquet([ledger], out_dir / "dirt.parquet", LEDGER_SCHEMA)
        kinds = Counter(ledger.column("kind").to_pylist())
        dirt = {kind.value: kinds[kind.value] for kind in Dirt}
    official = in_order(source.official(first, end + AHEAD), OFFICIAL_ORDER)
    outages = source.outages(first, until)
    return {
        "directory": str(out_dir),
        "first": first.isoformat(),
        "readings": write_parquet([readings], out_dir / "readings.parquet", READING_SCHEMA),
        "official": write_parquet([official], out_dir / "official.parquet", OFFICIAL_SCHEMA),
        "outages": write_parquet([outages], out_dir / "outages.parquet", OUTAGE_SCHEMA),
        "dirt": dirt,
    }


def _check_stretch(source: GridSource, start: datetime, end: datetime) -> None:
    """The source has data over the whole recording."""
    if not source.first <= start < end <= source.last:
        wanted = f"within {source.first.isoformat()} to {source.last.isoformat()}"
        got = f"to {end.isoformat()}"
        name = source.network.name
        raise BadInputError("days without data", asset=name, instant=start.isoformat(), got=got, wanted=wanted)

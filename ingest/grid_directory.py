"""A grid's directory: export any grid with its history, and read one. docs/grid-format.md says what lies in it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from gridcore.errors import BadInputError
from gridcore.network import Network
from gridcore.ports import GridSource
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from ingest.grid_parquet import parquet_tables
from ingest.grid_write import write_network
from ingest.history_files import stretches, write_parquet
from ingest.table_source import NOTICE, TableSource

AT_ONCE = timedelta(days=30)
"""A history is written in stretches of this length, so that a year need not fit in memory."""

AHEAD = timedelta(days=3)
"""Official forecasts are written this far beyond the last reading: the last days' plans look at them."""


def read_grid_directory(directory: Path) -> TableSource:
    """The grid of a directory.

    Raises:
        BadInputError: A file or column is missing or a cell wrong; with file, line, what came and what was wanted.
    """
    if not directory.is_dir():
        raise BadInputError("no such directory", file=directory, wanted="a grid's directory")
    return TableSource(directory, directory)


def export_grid(
    source: GridSource, directory: Path, start: datetime | None = None, end: datetime | None = None
) -> dict[str, int]:
    """Write a grid and its history of valid_time in [start, end) in the project's own format.

    Args:
        source: Any grid.
        directory: Made where it is missing; must hold no other grid's history.
        start: First period; the source's first where None.
        end: End of the last period; the source's end where None.

    Returns:
        Rows written of readings, official and outages.

    Raises:
        BadInputError: The directory holds a history already, or the stretch holds no reading.
    """
    start, end = start or source.first, end or source.last
    if not source.first <= start < end <= source.last:
        got, wanted = (
            f"{start.isoformat()} to {end.isoformat()}",
            f"{source.first.isoformat()} to {source.last.isoformat()}",
        )
        raise BadInputError("a stretch without data", asset=source.network.name, got=got, wanted=f"within {wanted}")
    if present := sorted(
        file.name for stem in ("readings", "official", "outages") for file in directory.glob(f"{stem}.*")
    ):
        raise BadInputError("the directory holds a history", file=directory, got=", ".join(present), wanted="none")
    write_network(source.network, directory, period_facts(source))
    if source.notice:
        (directory / NOTICE).write_text(source.notice, encoding="utf-8")
    until = end + AHEAD
    readings = (source.readings(*stretch) for stretch in stretches(start, end, AT_ONCE))
    official = (source.official(*stretch) for stretch in stretches(start, until, AT_ONCE))
    return {
        "readings": write_parquet(readings, directory / "readings.parquet", READING_SCHEMA),
        "official": write_parquet(official, directory / "official.parquet", OFFICIAL_SCHEMA),
        "outages": write_parquet([source.outages(start, until)], directory / "outages.parquet", OUTAGE_SCHEMA),
    }


def export_grid_tables(network: Network, directory: Path) -> None:
    """Write a network without a history: the project's own format, and the same numbers as Parquet (INTERFACES.md)."""
    write_network(network, directory)
    for name, table in parquet_tables(network).items():
        write_parquet([table], directory / f"{name}.parquet", table.schema)


def period_facts(source: GridSource) -> dict[str, object]:
    """Keys of grid.toml that say how long values hold."""
    minutes = timedelta(minutes=1)
    return {
        "reading_minutes": source.reading_period / minutes,
        "official_minutes": source.official_period / minutes,
    }

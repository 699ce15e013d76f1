"""The store's care: check, seal, export, migrate; each takes the store's directory and leaves it closed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.errors import BadInputError
from gridcore.reading import READING_SCHEMA
from gridcore.timeline import TIMESTAMP
from storage.analysis import analysis_of
from storage.check import Finding, check
from storage.columns import instant_of
from storage.database import DATABASE_FILE, SCHEMA_VERSION, schema_version, told_apart, written
from storage.embedded import EmbeddedStore
from storage.migration import MIGRATIONS
from storage.segments import sweep

__all__ = ["Finding", "check", "export", "migrate", "seal"]

DEAD_LETTER_SCHEMA = pa.schema(
    [
        ("available_at", TIMESTAMP),
        ("source", pa.string()),
        ("offset", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("payload", pa.binary()),
    ]
)
"""An exported dead letter, sorted by source, offset."""

OFFSET_SCHEMA = pa.schema([("source", pa.string()), ("next_offset", pa.int64())])
"""An exported offset, sorted by source."""

EXPORT_ROWS = 500_000
"""Rows of an export that are in memory at a time."""


@contextmanager
def _opened(path: Path) -> Iterator[EmbeddedStore]:
    """The store in a directory; none is made where there is none."""
    if not (path / DATABASE_FILE).is_file():
        raise BadInputError("no store", file=path, wanted=f"a directory with {DATABASE_FILE}")
    with closing(EmbeddedStore(path)) as store:
        yield store


def seal(path: Path) -> int:
    """Move the readings and official values of closed days into segments, and sweep up what broken writes left.

    A day is closed when a reading of a later one is stored.

    Returns:
        Number of readings moved.
    """
    with _opened(path) as store:
        newest = store.readings.newest.latest()
        if newest is None:
            return 0
        day = instant_of(newest).replace(hour=0, minute=0, second=0, microsecond=0)
        return store.seal(day)


def export(path: Path, out: Path) -> None:
    """Write readings, revisions, dead_letters and offsets as Parquet.

    `readings` are the current ones (as many as were counted `stored`), `revisions` all that they stand before: older
    revisions and the losers of conflicts (as many as were counted `revised` and `conflict`). Both are `READING_SCHEMA`,
    sorted by channel, valid_time, and within them from the best to the least.
    """
    with _opened(path) as store, told_apart(out):
        out.mkdir(parents=True, exist_ok=True)
        with analysis_of(store) as analysis:
            names = ", ".join(READING_SCHEMA.names)
            for file, places in (("readings", "place = 1"), ("revisions", "place > 1")):
                query = f"SELECT {names} FROM reading WHERE {places} ORDER BY channel, valid_time, place"
                pieces = analysis.sql(query).to_arrow_reader(EXPORT_ROWS)
                with pq.ParquetWriter(out / f"{file}.parquet", READING_SCHEMA, compression="zstd") as writer:
                    for piece in pieces:
                        writer.write_table(pa.Table.from_batches([piece]).cast(READING_SCHEMA))
        letters = """SELECT available_at, source, source_offset, reason, detail, payload
                     FROM dead_letter ORDER BY source, source_offset, seq"""
        _write(out / "dead_letters.parquet", DEAD_LETTER_SCHEMA, store.rows(letters))
        _write(out / "offsets.parquet", OFFSET_SCHEMA, sorted(store.offsets().items()))


def _write(path: Path, schema: pa.Schema, rows: list[tuple[object, ...]]) -> None:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path, compression="zstd")


def migrate(path: Path) -> int:
    """Bring the store's tables to this program's version, step by step, each in one transaction; gives the version.

    Raises:
        BadInputError: There is no store, or one of a program that is newer, or older than the steps that are known.
        StoreDamagedError: The store is damaged; it stays as it is.
    """
    file = path / DATABASE_FILE
    if not file.is_file():
        raise BadInputError("no store", file=path, wanted=f"a directory with {DATABASE_FILE}")
    with told_apart(path), closing(sqlite3.connect(file, isolation_level=None)) as connection:
        while (found := schema_version(connection)) in MIGRATIONS:
            with written(connection, path):
                MIGRATIONS[found](connection, path)
                connection.execute(f"PRAGMA user_version = {found + 1}")
        if found != SCHEMA_VERSION:
            wanted = f"one of {min(MIGRATIONS)} to {SCHEMA_VERSION}; fill a new store from the feeds of this one"
            raise BadInputError("the store's version can't be brought up", file=path, got=found, wanted=wanted)
        with written(connection, path):
            sweep(connection, path)
        return found

"""The export of a store, in one form for all stores: readings, revisions, dead letters and offsets as Parquet.

`readings` are the current ones (as many as were counted `stored`), `revisions` all that they stand before: older
revisions and the losers of conflicts (as many as were counted `revised` and `conflict`). Both are `READING_SCHEMA`,
sorted by channel, valid_time, and within them from the best to the least.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.reading import READING_SCHEMA
from gridcore.timeline import TIMESTAMP

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

LETTERS = """SELECT available_at, source, source_offset, reason, detail, payload
             FROM dead_letter ORDER BY source, source_offset, seq"""
"""Rows of `DEAD_LETTER_SCHEMA`, in either database."""

EXPORT_ROWS = 500_000
"""Rows of an export that are in memory at a time."""

PLACES = {"readings": "place = 1", "revisions": "place > 1"}
"""Which claims of a cell each file holds."""


class ReadingFiles:
    """The two open files of readings.

    Args:
        writers: Writer of each file of `PLACES`.
    """

    def __init__(self, writers: dict[str, pq.ParquetWriter]) -> None:
        self._writers = writers

    def add(self, analysis: duckdb.DuckDBPyConnection) -> None:
        """Append what the view `reading` holds; its channels come after those that were added before."""
        names = ", ".join(READING_SCHEMA.names)
        for file, places in PLACES.items():
            query = f"SELECT {names} FROM reading WHERE {places} ORDER BY channel, valid_time, place"
            for piece in analysis.sql(query).to_arrow_reader(EXPORT_ROWS):
                self._writers[file].write_table(pa.Table.from_batches([piece]).cast(READING_SCHEMA))


@contextmanager
def reading_files(out: Path) -> Iterator[ReadingFiles]:
    """The files of readings in a directory, which is made."""
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        writers = {
            file: stack.enter_context(pq.ParquetWriter(out / f"{file}.parquet", READING_SCHEMA, compression="zstd"))
            for file in PLACES
        }
        yield ReadingFiles(writers)


def write_rows(path: Path, schema: pa.Schema, rows: Sequence[tuple[object, ...]]) -> None:
    """Write a small table."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path, compression="zstd")

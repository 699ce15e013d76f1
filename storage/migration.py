"""Migration: a store that an older program made, brought to this program's layout; all of it or nothing.

2 to 3: receipts of pushed requests. 3 to 4: claims were rows of the log, one each, and segments were whole files
without an index of their row groups; they become blobs of columns, and segments that are read group by group.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.errors import StoreDamagedError
from storage import hot
from storage.checksums import verify_claims
from storage.claims import Claims, Int64s, by_cell
from storage.columns import Labels, Words
from storage.database import HISTORY_TABLES, RECEIPT_TABLE
from storage.newest import Newest
from storage.segment_files import to_claims
from storage.segments import COLUMNS, SEGMENT_FOLDER, add_to_manifest, file_sha256, write_segment
from storage.series import Series

BLOB_ROWS = 100_000
"""Rows of the old log that become one blob."""


def to_version_3(connection: sqlite3.Connection, store: Path) -> None:  # noqa: ARG001 - a step of the same form
    """Add the tables of receipts."""
    for statement in RECEIPT_TABLE.split(";"):
        connection.execute(statement)


def to_version_4(connection: sqlite3.Connection, store: Path) -> None:
    """Move series, log and segments of a store of version 3; runs inside a transaction.

    The old segment files are left to be swept up.

    Raises:
        StoreDamagedError: The old store is damaged; nothing was changed.
    """
    for table in ("series", "segment", "reading", "official"):
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in HISTORY_TABLES.split(";"):
        connection.execute(statement)
    for kind in ("reading", "official"):
        series, newest = _series(connection, kind), Newest()
        for claims in _log(connection, kind):
            hot.append(connection, kind, claims)
            newest.raise_to(by_cell(claims))
        for file, sha256 in connection.execute("SELECT file, sha256 FROM old_segment WHERE kind = ?", (kind,)):
            claims = by_cell(_segment(store / SEGMENT_FOLDER / file, kind, sha256, series))
            add_to_manifest(connection, write_segment(store, kind, [claims], series.names))
            newest.raise_to(claims)
        newest.write(connection, kind, len(series))
    for table in ("series", "segment", "reading", "official"):
        connection.execute(f"DROP TABLE old_{table}")


MIGRATIONS: dict[int, Callable[[sqlite3.Connection, Path], None]] = {2: to_version_3, 3: to_version_4}
"""What brings the tables from a version to the next one."""


def _series(connection: sqlite3.Connection, kind: str) -> Series:
    query = "SELECT name, site, quantity, unit FROM old_series WHERE kind = ? ORDER BY number"
    rows = connection.execute(query, (kind,)).fetchall()
    series = Series(kind)
    if rows:
        names, *words = (list(column) for column in zip(*rows, strict=True))
        place = np.arange(len(rows), dtype=np.int32)
        site, quantity, unit = (Words(place, column) for column in words)
        series.place(Labels(names, (site, quantity, unit)))
        series.write(connection, 0)
    return series


def _log(connection: sqlite3.Connection, kind: str) -> Iterator[Claims]:
    query = f"""SELECT series, valid_time, version, available_at, value, quality, checksum
                FROM old_{kind} ORDER BY seq"""
    cursor = connection.execute(query)
    while rows := cursor.fetchmany(BLOB_ROWS):
        columns = list(zip(*rows, strict=True))
        valid_time, version, available_at, checksums = (_integers(columns[place]) for place in (1, 2, 3, 6))
        series, quality = (_integers(columns[place]).astype(np.int32) for place in (0, 5))
        value = np.array(columns[4], dtype=np.float64)
        claims = Claims(series, valid_time, version, available_at, value, quality)
        verify_claims(kind, claims, checksums)
        yield claims


def _integers(column: Sequence[object]) -> Int64s:
    return np.array(column, dtype=np.int64)


def _segment(path: Path, kind: str, sha256: str, series: Series) -> Claims:
    if not path.is_file():
        raise StoreDamagedError("a segment is missing", file=path, wanted="its claims")
    if (found := file_sha256(path)) != sha256:
        raise StoreDamagedError("a segment has other bytes than were written", file=path, got=found, wanted=sha256)
    name, *columns = COLUMNS[kind]
    table = pq.read_table(path, columns=[name, *columns], read_dictionary=[name], use_threads=False)
    named = table.column(0).unify_dictionaries().combine_chunks()
    number_of = np.array([series.numbers[word] for word in named.dictionary.to_pylist()], dtype=np.int32)
    return to_claims(table.set_column(0, "series", pa.array(number_of[named.indices.to_numpy()])))

"""A store as version 3 of the tables left it: the log in rows, segments without an index; made from one of today."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pyarrow.parquet as pq

from storage.checksums import claim_checksums
from storage.claims import Claims
from storage.embedded import EmbeddedStore
from storage.history import History
from storage.segments import SEGMENT_FOLDER, file_sha256

TABLES = """
CREATE TABLE series (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,
    site TEXT NOT NULL, quantity TEXT NOT NULL, unit TEXT NOT NULL,
    newest INTEGER NOT NULL, UNIQUE (kind, name)
) STRICT;
CREATE TABLE reading (
    seq INTEGER PRIMARY KEY, series INTEGER NOT NULL, valid_time INTEGER NOT NULL, version INTEGER NOT NULL,
    available_at INTEGER NOT NULL, value REAL, quality INTEGER NOT NULL, checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE official (
    seq INTEGER PRIMARY KEY, series INTEGER NOT NULL, valid_time INTEGER NOT NULL, version INTEGER NOT NULL,
    available_at INTEGER NOT NULL, value REAL, quality INTEGER NOT NULL, checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE old_segment (
    file TEXT PRIMARY KEY, kind TEXT NOT NULL, rows INTEGER NOT NULL, sha256 TEXT NOT NULL,
    first_valid_time INTEGER NOT NULL, last_valid_time INTEGER NOT NULL,
    first_available_at INTEGER NOT NULL, last_available_at INTEGER NOT NULL
) STRICT
"""


def make_old(path: Path) -> None:
    """Turn a closed store into one of version 3 with the same content."""
    with closing(EmbeddedStore(path)) as store, closing(sqlite3.connect(path / "store.sqlite")) as connection:
        connection.executescript(TABLES)
        for history in (store.readings, store.official):
            _write_series(connection, history)
            _write_log(connection, history.kind, history.hot_claims())
            for segment in history.segments:
                _write_segment(connection, path / SEGMENT_FOLDER / segment.file, history.kind)
        for table in ("series_block", "newest", "hot", "segment"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("ALTER TABLE old_segment RENAME TO segment")
        connection.execute("PRAGMA user_version = 3")
        connection.commit()


def _write_series(connection: sqlite3.Connection, history: History) -> None:
    rows = [(history.kind, *row.values()) for row in history.series.table().to_pylist()]
    insert = "INSERT INTO series (kind, name, site, quantity, unit, newest) VALUES (?, ?, ?, ?, ?, 0)"
    connection.executemany(insert, rows)


def _write_log(connection: sqlite3.Connection, kind: str, claims: Claims) -> None:
    columns = [getattr(claims, field.name).tolist() for field in fields(claims)] + [claim_checksums(claims).tolist()]
    marks = ", ".join("?" * len(columns))
    columns_of = "series, valid_time, version, available_at, value, quality, checksum"
    connection.executemany(f"INSERT INTO {kind} ({columns_of}) VALUES ({marks})", zip(*columns, strict=True))


def _write_segment(connection: sqlite3.Connection, path: Path, kind: str) -> None:
    old = path.with_name(f"old-{path.name}")
    pq.write_table(pq.read_table(path).drop_columns("series"), old, compression="zstd")
    path.unlink()
    row = (old.name, kind, pq.read_metadata(old).num_rows, file_sha256(old), 0, 0, 0, 0)
    connection.execute("INSERT INTO old_segment VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

"""The embedded database: its tables, its connection, and what its errors mean to a caller.

SQLite in WAL mode: one process writes while others read, and a commit survives `kill -9` of the writer. Under the
default `synchronous=NORMAL` the log is synced at checkpoints alone, so that a loss of power may take back the newest
commits, always whole and from the end; the offsets go back with the rows, and the feed delivers them again. `FULL`
syncs at each commit.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridcore.errors import BadInputError, GridError, NoSpaceError, StoreConflictError, StoreDamagedError
from storage.checksums import row_checksum
from storage.durable import make_folder

DATABASE_FILE = "store.sqlite"
"""Name of the database in a store's directory."""

SCHEMA_VERSION = 4
"""Version of the tables below, kept in SQLite's `user_version`."""

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another one; a bulk commit of 500,000 rows takes below 1 s."""

SHARED_MEMORY_BYTES = 32_768
"""Size of the shared index of the log that SQLite must be able to make; below it an I/O error means a full disk."""

HISTORY_TABLES = """
CREATE TABLE series_block (
    kind TEXT NOT NULL, first_number INTEGER NOT NULL, checksum INTEGER NOT NULL, content BLOB NOT NULL,
    PRIMARY KEY (kind, first_number)
) STRICT;
CREATE TABLE newest (
    kind TEXT PRIMARY KEY, series INTEGER NOT NULL, checksum INTEGER NOT NULL, content BLOB NOT NULL
) STRICT;
CREATE TABLE hot (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, rows INTEGER NOT NULL, checksum INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;
CREATE TABLE segment (
    file TEXT PRIMARY KEY, kind TEXT NOT NULL, rows INTEGER NOT NULL, sha256 TEXT NOT NULL,
    first_valid_time INTEGER NOT NULL, last_valid_time INTEGER NOT NULL,
    first_available_at INTEGER NOT NULL, last_available_at INTEGER NOT NULL,
    footer_checksum INTEGER NOT NULL, row_groups BLOB NOT NULL, checksum INTEGER NOT NULL
) STRICT;
"""
"""Tables of readings and official values."""

RECEIPT_TABLE = """
CREATE TABLE receipt (
    key TEXT PRIMARY KEY, body_sha256 TEXT NOT NULL, received_at INTEGER NOT NULL, answer BLOB NOT NULL,
    checksum INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX receipt_age ON receipt (received_at);
"""
"""Tables of the receipts of pushed requests."""

SCHEMA = f"""{HISTORY_TABLES}CREATE TABLE outage (
    asset TEXT NOT NULL, begins INTEGER NOT NULL, ends INTEGER NOT NULL, available_at INTEGER NOT NULL,
    checksum INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (asset, begins, ends)
) WITHOUT ROWID, STRICT;
CREATE TABLE tally (name TEXT PRIMARY KEY, amount INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE source_offset (
    source TEXT PRIMARY KEY, next_offset INTEGER NOT NULL, checksum INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;
CREATE TABLE dead_letter (
    seq INTEGER PRIMARY KEY, available_at INTEGER NOT NULL, source TEXT NOT NULL, source_offset INTEGER NOT NULL,
    reason TEXT NOT NULL, detail TEXT NOT NULL, payload BLOB NOT NULL
) STRICT;
CREATE TABLE model (
    name TEXT NOT NULL, fitted_as_of INTEGER NOT NULL, model_id TEXT NOT NULL,
    sha256 TEXT NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (name, fitted_as_of)
) STRICT;
CREATE TABLE decision (issue_time INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, checkpoint BLOB NOT NULL) STRICT;
CREATE TABLE document (
    issue_time INTEGER NOT NULL, kind TEXT NOT NULL, place INTEGER NOT NULL, layer TEXT NOT NULL,
    checksum INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (issue_time, kind, place)
) STRICT;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY, message_id TEXT NOT NULL UNIQUE, topic TEXT NOT NULL,
    issue_time INTEGER NOT NULL, kind TEXT NOT NULL, place INTEGER NOT NULL, is_sent INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX outbox_pending ON outbox (seq) WHERE is_sent = 0;
{RECEIPT_TABLE}"""
"""Tables. Instants are microseconds since 1970 in UTC.

`hot` is a log: claims are added as blobs of columns, never changed, and read in order of `seq`, which no later blob
takes again (AUTOINCREMENT): another process tells by it what it has read. A primary key on the claims' identity would
cost each write a search in a tree and give reads nothing, since they are served from columns in memory. Checksums are
those of `storage.checksums`; STRICT lets `PRAGMA integrity_check` find a value of a wrong type.
"""


def connect(path: Path, *, synchronous: str = "NORMAL") -> sqlite3.Connection:
    """A connection to the store's database, made with its tables where there is none.

    Raises:
        BadInputError: The store's tables are older or newer than this program's.
        StoreDamagedError: The file is no database.
    """
    with told_apart(path):
        make_folder(path)
        connection = sqlite3.connect(path / DATABASE_FILE, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            add_functions(connection)
            _make_tables(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that can't write, not even what a broken-off process left in the log; there must be a database.

    Raises:
        BadInputError: The store's tables are older or newer than this program's.
        StoreDamagedError: The file is no database.
    """
    with told_apart(path):
        uri = f"{(path / DATABASE_FILE).resolve().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, timeout=BUSY_TIMEOUT_S, isolation_level=None, uri=True)
        try:
            _check_version(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def add_functions(connection: sqlite3.Connection) -> None:
    """Give SQL the checksum of a row, `row_checksum(column, ...)`."""
    connection.create_function("row_checksum", -1, lambda *row: row_checksum(row), deterministic=True)


def schema_version(connection: sqlite3.Connection) -> int:
    """Version of the tables; 0 for an empty database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    if schema_version(connection) == 0:
        with written(connection, path):
            # Another process may have made them between the look and the lock.
            if schema_version(connection) == 0:
                for statement in SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    _check_version(connection, path)


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    found = schema_version(connection)
    if found != SCHEMA_VERSION:
        wanted = f"{SCHEMA_VERSION}; an older one is brought up by `xiaona store migrate`"
        raise BadInputError("the store's tables have another version", file=path, got=found, wanted=wanted)


@contextmanager
def written(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """A write transaction: all of its block is kept, or nothing."""
    with told_apart(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            # A full disk makes SQLite roll back by itself.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


@contextmanager
def told_apart(path: Path) -> Iterator[None]:
    """Turn the database's and the file system's errors into ours.

    What is none of these, such as a closed connection or a statement that SQLite does not take, is a bug of ours and
    passes as it is.

    Raises:
        NoSpaceError: The disk is full.
        StoreDamagedError: The database or a file of the store can't be read as what it should be.
        StoreConflictError: Another process keeps the database locked.
        BadInputError: The database may not be opened or written here.
    """
    try:
        yield
    except UnicodeDecodeError as cause:
        # A word that is no UTF-8 can only come from damage.
        raise StoreDamagedError("the store's database is damaged", file=path, got=str(cause)) from cause
    except sqlite3.Error as cause:
        meaning = _meaning(cause, path)
        if meaning is None:
            raise
        raise meaning from cause
    except OSError as cause:
        if cause.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise NoSpaceError("the disk is full; nothing of this step was kept", file=path, got=str(cause)) from cause
        if cause.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}:
            raise BadInputError("the store can't be opened or written", file=path, got=str(cause)) from cause
        raise


DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_MISMATCH", "SQLITE_IOERR_CORRUPTFS")
"""Beginnings of the names of SQLite's errors that speak of the file's content."""

DAMAGED_TABLES = ("no such table", "no such column", "unsupported file format", "Could not decode to UTF-8")
"""Beginnings of SQLite's and Python's words, under no error name of their own, for tables or words that lack what this
program put there."""


def _meaning(cause: sqlite3.Error, path: Path) -> GridError | None:
    """What an error of the database means to the caller; None where it is a bug of ours."""
    name, words = getattr(cause, "sqlite_errorname", ""), str(cause)
    if name.startswith(DAMAGED) or words.startswith(DAMAGED_TABLES):
        return StoreDamagedError("the store's database is damaged", file=path, got=words)
    is_broken_off = name.startswith("SQLITE_IOERR") and shutil.disk_usage(path).free < SHARED_MEMORY_BYTES
    if name == "SQLITE_FULL" or is_broken_off:
        return NoSpaceError("the disk is full; nothing of this step was kept", file=path, got=words)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        wanted = f"one writer; this one waited {BUSY_TIMEOUT_S:g} s"
        return StoreConflictError("another process keeps the store locked", file=path, got=words, wanted=wanted)
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_IOERR")):
        return BadInputError("the store can't be opened or written", file=path, got=words)
    return None

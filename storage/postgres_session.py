"""One session with PostgreSQL: statements, Arrow in and out by binary COPY, transactions, and connecting again.

The driver is ADBC's: it reads and writes Arrow columns by COPY, and is free of the LGPL. Its own transactions stay
switched off, for they keep one open between any two statements: BEGIN and COMMIT are said here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote

import pyarrow as pa
from adbc_driver_manager import Error
from adbc_driver_postgresql import dbapi

from gridcore.clock import Clock, SystemClock
from gridcore.errors import StoreUnreachableError
from storage.address import shown
from storage.postgres_errors import connect_meaning, is_lost, meaning

PATIENCE_S = 30.0
"""How long a lost server is waited for: a restart takes seconds, a start after a crash its recovery."""

FIRST_PAUSE_S = 0.1
"""Pause before the second try to connect; each later one is twice as long, at most `LONGEST_PAUSE_S`."""

LONGEST_PAUSE_S = 5.0
"""Longest pause between two tries."""

WAYS = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "application_name": "xiaona",
}
"""libpq's settings where the address has none: a host that went away is noticed after 25 s."""

LIMITS = {"lock_timeout": "30s", "statement_timeout": "60s", "idle_in_transaction_session_timeout": "120s"}
"""The session's limits: as long as the embedded store waits for a lock; a batch of 50,000 rows takes 0.2 s."""

Row = tuple[Any, ...]
"""A row of an answer."""


class Session:
    """A connection that is made when it is needed, and made anew when it was lost.

    Args:
        url: Address, `postgresql://...`; libpq's parameters may follow.
        patience_s: How long a lost server is waited for [s].
        clock: Waits between two tries.

    Raises:
        StoreUnreachableError: The server does not answer within the patience.
        BadInputError: It refuses the connection.
    """

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S, clock: Clock | None = None) -> None:
        self.where = shown(url)
        self._url, self._patience = with_ways(url), timedelta(seconds=patience_s)
        self._clock = clock or SystemClock()
        self._connection: dbapi.Connection | None = None
        self._cursor: dbapi.Cursor | None = None
        self._in_transaction = False
        self._connected()

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        """Rows of a query; `?` stands for a value."""
        table = self.table(query, values)
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True)) if table.num_columns else []

    def table(self, query: str, values: Sequence[object] | pa.RecordBatch = ()) -> pa.Table:
        """Columns of a query; one that changes nothing, for it is asked again where an idle connection was lost."""
        was_idle = self._cursor is not None and not self._in_transaction
        try:
            return self._ask(query, values)
        except StoreUnreachableError:
            if not was_idle:
                raise
            return self._ask(query, values)

    def run(self, statement: str, values: Sequence[object] = ()) -> None:
        """Run a statement that gives no rows."""
        with self._told_apart():
            self._connected().execute(numbered(statement), list(values) or None)

    def run_each(self, statement: str, values: Sequence[Row]) -> None:
        """Run a statement for each of the values."""
        if values:
            with self._told_apart():
                self._connected().executemany(numbered(statement), [list(row) for row in values])

    def copy(self, name: str, table: pa.Table) -> None:
        """Append a table's rows by binary COPY."""
        if table.num_rows:
            with self._told_apart():
                self._connected().adbc_ingest(name, table, mode="append")

    @contextmanager
    def transaction(self, kind: str = "") -> Iterator[None]:
        """All of its block is kept, or nothing.

        Args:
            kind: Words after BEGIN, e.g. `ISOLATION LEVEL REPEATABLE READ`.

        Raises:
            StoreUnreachableError: The connection was lost; if at the commit, only the offsets tell whether it was kept.
        """
        self.table(f"BEGIN {kind}")
        self._in_transaction = True
        try:
            yield
            self._commit()
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._in_transaction = False

    def close(self) -> None:
        """Release the connection."""
        cursor, connection = self._cursor, self._connection
        self._cursor = self._connection = None
        # A lost connection can't be closed in good order.
        for open_one in (cursor, connection):
            if open_one is not None:
                with suppress(Error):
                    open_one.close()

    def _ask(self, query: str, values: Sequence[object] | pa.RecordBatch) -> pa.Table:
        with self._told_apart():
            cursor = self._connected()
            given = values if isinstance(values, pa.RecordBatch) else list(values) or None
            cursor.execute(numbered(query), given)
            return cursor.fetch_arrow_table() if cursor.description else pa.table({})

    def _commit(self) -> None:
        try:
            self.run("COMMIT")
        except StoreUnreachableError as cause:
            what = "the connection was lost at a commit; the offsets tell whether the step was kept"
            raise StoreUnreachableError(what, file=self.where, got=cause.got) from cause

    def _roll_back(self) -> None:
        if self._cursor is None:
            return
        try:
            self._cursor.execute("ROLLBACK")
        except Error:
            # Whatever state it is in, the server ends the transaction with the connection.
            self.close()

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        """Turn the database's errors into ours; what is a bug of ours passes as it is."""
        try:
            yield
        except Error as cause:
            if is_lost(cause):
                self.close()
            if (meant := meaning(cause, self.where)) is None:
                raise
            raise meant from cause

    def _connected(self) -> dbapi.Cursor:
        """The cursor; connects with growing pauses until the patience is over."""
        if self._cursor is not None:
            return self._cursor
        if self._in_transaction:
            raise StoreUnreachableError("the connection to the database was lost within a step", file=self.where)
        pause, give_up_at = timedelta(seconds=FIRST_PAUSE_S), self._clock.now() + self._patience
        while True:
            try:
                return self._connect()
            except Error as cause:
                self.close()
                meant = connect_meaning(cause, self.where)
                if not isinstance(meant, StoreUnreachableError) or self._clock.now() + pause > give_up_at:
                    raise meant from cause
            self._clock.wait_until(self._clock.now() + pause)
            pause = min(2 * pause, timedelta(seconds=LONGEST_PAUSE_S))

    def _connect(self) -> dbapi.Cursor:
        self._connection = dbapi.connect(self._url, autocommit=True)
        self._cursor = self._connection.cursor()
        # What the address or the role sets stands.
        limits = ", ".join(f"('{name}', '{limit}')" for name, limit in LIMITS.items())
        unset = f"FROM (VALUES {limits}) l (name, setting) WHERE current_setting(name) = '0'"
        self._cursor.execute(f"SELECT set_config(name, setting, false) {unset}")
        self._cursor.fetchall()
        return self._cursor


def with_ways(url: str) -> str:
    """The address with `WAYS` where it has no such parameter of its own.

    >>> with_ways("postgresql:///xiaona?connect_timeout=1").partition("keepalives_idle")[0]
    'postgresql:///xiaona?connect_timeout=1&'
    """
    _, mark, query = url.partition("?")
    given = parse_qs(query)
    added = "&".join(f"{name}={quote(value)}" for name, value in WAYS.items() if name not in given)
    return f"{url}{'&' if mark else '?'}{added}"


def arrays(*columns: pa.Array) -> pa.RecordBatch:
    """Whole columns as the values of a statement, each one array of PostgreSQL; without a copy."""
    lists = [pa.ListArray.from_arrays(pa.array([0, len(column)], pa.int32()), column) for column in columns]
    return pa.RecordBatch.from_arrays(lists, names=[str(place) for place in range(len(columns))])


def numbered(statement: str) -> str:
    """The statement with PostgreSQL's `$1`, `$2` in place of `?`.

    >>> numbered("SELECT 1 WHERE ? < ?")
    'SELECT 1 WHERE $1 < $2'
    """
    first, *rest = statement.split("?")
    return first + "".join(f"${place}{part}" for place, part in enumerate(rest, start=1))

"""Months: the partitions of readings and official values in PostgreSQL, by the UTC month of valid_time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from storage.claims import Int64s
from storage.postgres_session import Session

FIRST_MONTH, END_MONTH = np.datetime64("1990-01", "M"), np.datetime64("2100-01", "M")
"""Months in between have partitions of their own; what lies outside was stamped by a broken clock (see the first
migration)."""

MAKING_MONTHS = 5_318_008_421
"""Key of the advisory lock under which partitions are made: any number, the same for all writers."""

Months = npt.NDArray[np.datetime64]
"""Months, ascending, each once."""


def months_of(valid_time: Int64s) -> Months:
    """The months that some instants [us] lie in."""
    return np.unique(valid_time.view("datetime64[us]").astype("datetime64[M]"))


def partition_of(kind: str, month: np.datetime64) -> str:
    """Name of a month's partition, e.g. `reading_2020_04`."""
    return f"{kind}_{str(month).replace('-', '_')}"


def bounds(month: np.datetime64) -> tuple[str, str]:
    """First instant of a month and of the next one, as PostgreSQL writes them."""
    return f"{month}-01 00:00:00+00", f"{month + 1}-01 00:00:00+00"


class MonthTable:
    """Makes the partitions of one kind on demand.

    Args:
        session: The database.
        kind: `reading` or `official`.
    """

    def __init__(self, session: Session, kind: str) -> None:
        self._session, self._kind = session, kind
        self._known: set[str] = set()
        self._placed: set[str] = set()

    def place(self, months: Months) -> None:
        """Make partitions that are missing; runs inside a transaction.

        They are made apart and then attached, which locks out neither readers nor writers of the other months; CREATE
        TABLE .. PARTITION OF would wait for every reader, and make all later ones wait.
        """
        own = [month for month in months if FIRST_MONTH <= month < END_MONTH]
        wanted = {partition_of(self._kind, month): month for month in own}
        self._placed = set()
        if not wanted.keys() - self._known:
            return
        if wanted.keys() - set(self.attached()):
            # Another writer may have made them until the lock is had, and then until it commits they can't be seen.
            self._session.rows("SELECT pg_advisory_xact_lock(?)::text", (MAKING_MONTHS,))
        for name in sorted(wanted.keys() - set(self.attached())):
            begins, ends = bounds(wanted[name])
            self._session.run(f"CREATE TABLE {name} (LIKE {self._kind} INCLUDING ALL)")
            values = f"FOR VALUES FROM ('{begins}') TO ('{ends}')"
            self._session.run(f"ALTER TABLE {self._kind} ATTACH PARTITION {name} {values}")
        self._placed = set(wanted)

    def keep(self) -> None:
        """Remember what was placed; its transaction is committed."""
        self._known |= self._placed
        self._placed = set()

    def attached(self) -> list[str]:
        """Names of the partitions there are, the two outermost included, by name."""
        query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = ?::text::regclass"
        return sorted(row[0].rsplit(".", maxsplit=1)[-1] for row in self._session.rows(query, (self._kind,)))

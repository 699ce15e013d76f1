"""The series of a PostgreSQL store: their numbers, and the locks under which their claims are sifted.

A writer holds the rows of its batch's series until it commits. So two writers wait for each other only where they bring
values of one channel, and what one has sifted can't change under it; a unique index on the claims would find twins too,
but not tell a revision from a conflict, and be twice as large. Locks of rows lie in the table: there may be any number.
A number never changes, so that it is kept in memory once it is committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.columns import Labels, Words
from storage.postgres_session import Session, arrays
from storage.series import Series

_COLUMNS = "number, name, site, quantity, unit"


class SeriesTable:
    """Numbers of the series of one kind.

    Args:
        session: The database.
        kind: `reading` or `official`.
    """

    def __init__(self, session: Session, kind: str) -> None:
        self._session, self._kind = session, kind
        self._series, self._numbers = Series(kind), np.zeros(0, np.int32)
        self._kept = 0

    def numbers(self, names: Iterable[str]) -> dict[str, int]:
        """Numbers of the names that were ever heard of."""
        self._forget()
        wanted = list(dict.fromkeys(names))
        self._learn(wanted)
        self.keep()
        known = self._series.numbers
        return {name: int(self._numbers[known[name]]) for name in wanted if name in known}

    def table(self) -> pa.Table:
        """Columns number, name, site, quantity, unit of every series, sorted by name."""
        return self._session.table(f"SELECT {_COLUMNS} FROM series WHERE kind = '{self._kind}' ORDER BY name")

    def place(self, labels: Labels) -> npt.NDArray[np.int32]:
        """The number of each label; runs inside a transaction, and new series get theirs in it.

        Raises:
            BrokenInvariantError: A series changed its site, quantity or unit.
        """
        self._forget()
        if missing := self._learn(labels.names):
            self._make(labels, missing)
            self._learn(missing)
        return self._numbers[self._series.place(labels)]

    def keep(self) -> None:
        """Remember what was placed; its transaction is committed."""
        self._kept = len(self._series)

    def _forget(self) -> None:
        """Forget what a transaction that was not committed has placed: its numbers were never given."""
        self._series.forget_after(self._kept)
        self._numbers = self._numbers[: self._kept]

    def _learn(self, names: Iterable[str]) -> list[str]:
        """Read the series that are not in memory; gives the names that are not in the database either."""
        unknown = list(dict.fromkeys(name for name in names if name not in self._series.numbers))
        if not unknown:
            return []
        query = f"SELECT {_COLUMNS} FROM series WHERE kind = '{self._kind}' AND name = ANY(?)"
        found = self._session.table(query, arrays(pa.array(unknown, pa.string())))
        words = [_words(found.column(name)) for name in ("site", "quantity", "unit")]
        self._series.place(Labels(found.column("name").to_pylist(), (words[0], words[1], words[2])))
        self._numbers = np.append(self._numbers, found.column("number").to_numpy().astype(np.int32))
        return [name for name in unknown if name not in self._series.numbers]

    def _make(self, labels: Labels, names: Sequence[str]) -> None:
        """New series, unless another process makes them meanwhile; in one order, so that no two wait in a ring."""
        place = {name: number for number, name in reversed(list(enumerate(labels.names)))}
        ordered = [labels[place[name]] for name in sorted(names)]
        columns = [[getattr(label, word) for label in ordered] for word in ("name", "site", "quantity", "unit")]
        insert = f"""INSERT INTO series (kind, name, site, quantity, unit)
                     SELECT '{self._kind}', * FROM unnest(?::text[], ?::text[], ?::text[], ?::text[])
                     ON CONFLICT (kind, name) DO NOTHING"""
        self._session.run(insert, columns)


def _words(column: pa.ChunkedArray) -> Words:
    encoded = pa.array(column.to_pylist(), pa.string()).dictionary_encode()
    return Words(encoded.indices.to_numpy().astype(np.int32), encoded.dictionary.to_pylist())


def lock_series(session: Session, numbers: Sequence[npt.NDArray[np.int32]]) -> None:
    """Keep other writers off these series until the transaction ends; in one order, for the same reason."""
    wanted = np.unique(np.concatenate(numbers)) if numbers else np.zeros(0, np.int32)
    if len(wanted):
        locked = "SELECT 1 FROM series WHERE number = ANY(?) ORDER BY number FOR NO KEY UPDATE"
        session.table(f"SELECT count(*) FROM ({locked}) locked", arrays(pa.array(wanted)))

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

from gridcore.errors import BrokenInvariantError
from storage.columns import Label
from storage.postgres_session import Session, arrays

_COLUMNS = "number, name, site, quantity, unit"


class SeriesTable:
    """Numbers of the series of one kind.

    Args:
        session: The database.
        kind: `reading` or `official`.
    """

    def __init__(self, session: Session, kind: str) -> None:
        self._session, self._kind = session, kind
        self._known: dict[str, tuple[int, Label]] = {}
        self._placed: dict[str, tuple[int, Label]] = {}

    def numbers(self, names: Iterable[str]) -> dict[str, int]:
        """Numbers of the names that were ever heard of."""
        wanted = list(dict.fromkeys(names))
        unknown = [name for name in wanted if name not in self._known]
        self._known |= self._found(unknown)
        return {name: self._known[name][0] for name in wanted if name in self._known}

    def labels(self) -> dict[int, Label]:
        """Every series by its number."""
        query = f"SELECT {_COLUMNS} FROM series WHERE kind = ? ORDER BY name"
        return {row[0]: Label(*row[1:]) for row in self._session.rows(query, (self._kind,))}

    def place(self, labels: Sequence[Label]) -> npt.NDArray[np.int32]:
        """The number of each label; runs inside a transaction, and new series get theirs in it.

        Raises:
            BrokenInvariantError: A series changed its site, quantity or unit.
        """
        self._placed = {}
        unknown = {label.name: label for label in labels if label.name not in self._known}
        if unknown:
            self._placed = self._found(list(unknown))
            self._placed |= self._made([label for name, label in unknown.items() if name not in self._placed])
        numbers = []
        for label in labels:
            number, known = self._known.get(label.name) or self._placed[label.name]
            if known != label:
                raise BrokenInvariantError("a series changed what it is", asset=label.name, got=label, wanted=known)
            numbers.append(number)
        return np.array(numbers, dtype=np.int32)

    def keep(self) -> None:
        """Remember what was placed; its transaction is committed."""
        self._known |= self._placed
        self._placed = {}

    def _found(self, names: Sequence[str]) -> dict[str, tuple[int, Label]]:
        if not names:
            return {}
        query = f"SELECT {_COLUMNS} FROM series WHERE kind = ? AND name = ANY(?)"
        return {row[1]: (row[0], Label(*row[1:])) for row in self._session.rows(query, (self._kind, list(names)))}

    def _made(self, labels: Sequence[Label]) -> dict[str, tuple[int, Label]]:
        """New series, also those that another process makes meanwhile; in one order, so that no two wait in a ring."""
        if not labels:
            return {}
        ordered = sorted(labels, key=lambda label: label.name)
        columns = [[getattr(label, word) for label in ordered] for word in ("name", "site", "quantity", "unit")]
        insert = f"""INSERT INTO series (kind, name, site, quantity, unit)
                     SELECT '{self._kind}', * FROM unnest(?::text[], ?::text[], ?::text[], ?::text[])
                     ON CONFLICT (kind, name) DO NOTHING"""
        self._session.run(insert, columns)
        return self._found([label.name for label in ordered])


def lock_series(session: Session, numbers: Sequence[npt.NDArray[np.int32]]) -> None:
    """Keep other writers off these series until the transaction ends; in one order, for the same reason."""
    wanted = np.unique(np.concatenate(numbers)) if numbers else np.zeros(0, np.int32)
    if len(wanted):
        locked = "SELECT 1 FROM series WHERE number = ANY(?) ORDER BY number FOR NO KEY UPDATE"
        session.table(f"SELECT count(*) FROM ({locked}) locked", arrays(pa.array(wanted)))

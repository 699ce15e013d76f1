"""The small tables of an embedded store without its history: for who sends its messages beside the process that writes.

A whole store would first read every reading's place into memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storage.database import connect, told_apart, written


class EmbeddedTables:
    """The database of a store's directory, by statements; one thread uses it.

    Args:
        path: The store's directory; made where there is none.

    Raises:
        BadInputError: The store was made by another version.
        StoreDamagedError: The database can't be read.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._connection = path, connect(path)

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with told_apart(self._path):
            return self._connection.execute(query, values).fetchall()

    def execute(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        """Run a statement for each of the values in one transaction."""
        with written(self._connection, self._path):
            self._connection.executemany(statement, values)

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

"""SQL that both databases take: the small tables have the same columns in both, and `?` stands for a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Sql(Protocol):
    """A store's database, for the statements that SQLite and PostgreSQL both take."""

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        ...

    def execute(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        """Run a statement for each of the values in one transaction."""
        ...

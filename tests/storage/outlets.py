"""Fakes of the relay's two sides: a wire that keeps what went over it, and tables whose writer dies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.outgoing import Envelope
from storage.sql import Sql


class Wire:
    """An outlet that keeps what it was given.

    Args:
        takes: Messages it takes before the process is to end; None for all.
    """

    def __init__(self, takes: int | None = None) -> None:
        self.takes, self.messages = takes, list[Envelope]()

    def send(self, messages: Sequence[Envelope]) -> bool:
        """Take what there is room for."""
        room = len(messages) if self.takes is None else max(self.takes - len(self.messages), 0)
        self.messages.extend(messages[:room])
        return room >= len(messages)


class KilledError(Exception):
    """The process is gone."""


class DiesBeforeMarking:
    """Tables whose process is killed before it writes.

    Args:
        tables: The tables.
    """

    def __init__(self, tables: Sql) -> None:
        self._tables = tables

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return self._tables.rows(query, values)

    def execute(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        """Die."""
        raise KilledError

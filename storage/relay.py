"""The relay: what decisions and bad messages left in the store goes out, oldest first, at least once.

A message is marked after every copy of the broker has it. A relay that dies between the two sends it again, with the
same id. Two relays at once do no harm but double messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from storage.database import connect, told_apart, written
from storage.outbox import mark_sent, pending
from storage.outgoing import Outgoing, outgoing, outgoing_letter
from storage.sql import Sql

AT_ONCE = 64
"""Documents sent before they are marked: a tick has about ten."""

LETTERS_AT_ONCE = 1_000
"""Dead letters sent before they are marked."""


class Outlet(Protocol):
    """Where messages go."""

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Return once each message is kept for good on the other side."""
        ...


class EmbeddedOutbox:
    """The small tables of an embedded store, beside the process that writes it; its columns are not loaded.

    Args:
        path: The store's directory.
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
        """Release the connection."""
        with closing(self._connection):
            return


class Relay:
    """Sends what a store has to tell.

    Args:
        store: Its outbox and dead letters.
        outlet: Where it goes.
    """

    def __init__(self, store: Sql, outlet: Outlet) -> None:
        self._store, self._outlet, self._newest_letter = store, outlet, 0

    def step(self) -> int:
        """Send and mark the oldest of what waits; the number of documents and letters, 0 when nothing waits.

        Raises:
            GridError: As the outlet says; nothing was marked.
        """
        return self._send_documents() or self._send_letters()

    def _send_documents(self) -> int:
        waiting = pending(self._store, AT_ONCE)
        if waiting:
            self._outlet.send([message for document in waiting for message in outgoing(document)])
            mark_sent(self._store, [document.message_id for document in waiting])
        return len(waiting)

    def _send_letters(self) -> int:
        newest = int(self._store.rows("SELECT coalesce(max(seq), 0) FROM dead_letter")[0][0])
        if newest == self._newest_letter:
            return 0
        found = self._store.rows(UNSENT_LETTERS, (LETTERS_AT_ONCE,))
        if found:
            self._outlet.send([outgoing_letter(letter) for _, *letter in found])  # type: ignore[arg-type]
            self._store.execute(
                MARK_LETTER, [(f"dead_letter-{seq}", available_at, seq) for seq, available_at, *_ in found]
            )
        if len(found) < LETTERS_AT_ONCE:
            self._newest_letter = newest
        return len(found)


UNSENT_LETTERS = """SELECT seq, available_at, source, source_offset, reason, detail, payload FROM dead_letter
                    WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE message_id = 'dead_letter-' || dead_letter.seq)
                    ORDER BY seq LIMIT ?"""
"""A letter that was sent has a row of its own in the outbox: on a server, numbers may be committed out of order."""

MARK_LETTER = """INSERT INTO outbox (message_id, topic, issue_time, kind, place, is_sent)
                 VALUES (?, 'xiaona.dead_letter.v1', ?, 'dead_letter', ?, 1) ON CONFLICT DO NOTHING"""
"""Marks a letter as sent."""

"""The outbox: messages that a decision wrote in its own transaction, until a relay has sent them.

The relay sends what is `pending` and then calls `mark_sent`. Between the two it may die: the worst case is one message
twice on the wire, with the same id. Messages come in the order of their decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from gridcore.errors import BrokenInvariantError
from storage.checksums import verified
from storage.columns import instant_of
from storage.documents import document_rows
from storage.sql import Sql


@dataclass(frozen=True)
class Message:
    """A vintage, a plan or a decision's setpoints on their way out."""

    message_id: str
    """Deterministic: the plan's id, or the kind and the issue time."""

    topic: str
    """Topic of INTERFACES.md."""

    issue_time: datetime
    """When it was decided."""

    rows: pa.Table
    """`FORECAST_SCHEMA`, `PLAN_SCHEMA` or `SETPOINT_SCHEMA`."""


def pending(store: Sql, limit: int) -> tuple[Message, ...]:
    """The oldest messages that are not marked as sent, at most `limit`."""
    query = """SELECT message_id, topic, o.issue_time, kind, checksum, content
               FROM outbox o JOIN document USING (issue_time, kind, place)
               WHERE is_sent = 0 ORDER BY seq LIMIT ?"""
    found = store.rows(query, (limit,))
    messages = []
    for name, topic, at, kind, checksum, content in found:
        rows = document_rows(kind, verified(f"message {name}", content, checksum))
        messages.append(Message(name, topic, instant_of(at), rows))
    return tuple(messages)


def pending_count(store: Sql) -> int:
    """Number of messages that are not marked as sent."""
    return int(store.rows("SELECT count(*) FROM outbox WHERE is_sent = 0")[0][0])


def mark_sent(store: Sql, message_ids: Sequence[str]) -> None:
    """Mark messages as sent; one that is marked already stays so.

    Raises:
        BrokenInvariantError: The outbox never held a message of that id.
    """
    for message_id in message_ids:
        if not store.rows("SELECT 1 FROM outbox WHERE message_id = ?", (message_id,)):
            raise BrokenInvariantError(
                "no such message in the outbox", got=message_id, wanted="an id that `pending` gave"
            )
    store.execute("UPDATE outbox SET is_sent = 1 WHERE message_id = ?", [(message_id,) for message_id in message_ids])

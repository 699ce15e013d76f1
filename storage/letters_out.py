"""Dead letters on their way out: those of the store that no relay has sent yet.

A letter is no document, so that its outbox row comes into being when it is sent. Its name on the wire is a hash of
what it says: a store that is filled again from the same stream names it again as it did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from gridcore.clock import Clock
from gridcore.topics import DEAD_LETTER
from storage.columns import instant_of
from storage.outgoing import VERSION, Envelope
from storage.sql import Sql

KIND = "dead_letter"
"""Kind of the outbox rows of letters."""

LONGEST_PAYLOAD = 512 << 10
"""Bytes of a payload that travel: base64 of them stays below the 1 MB that a broker takes by default."""

WHOLE_LOOK = timedelta(minutes=1)
"""How often all letters are looked at: one may become visible after others with higher numbers, which are given before
a transaction is committed. Between two whole looks only what is higher is asked for, since a flood may leave millions.
"""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Letter:
    """A dead letter and its number in the store."""

    seq: int
    """Number, ascending."""

    envelope: Envelope
    """Its message."""


class UnsentLetters:
    """Finds and marks letters.

    Args:
        store: The store's tables.
        clock: Tells when a whole look is due.
    """

    def __init__(self, store: Sql, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._looked_to, self._since = 0, clock.now()

    def pending(self, limit: int) -> tuple[Letter, ...]:
        """The oldest letters that are not marked as sent, at most `limit`."""
        if self._clock.now() - self._since >= WHOLE_LOOK:
            self._looked_to, self._since = 0, self._clock.now()
        highest = self._store.rows("SELECT max(seq) FROM dead_letter")[0][0] or 0
        query = """SELECT seq, available_at, source, source_offset, reason, detail, payload FROM dead_letter d
                   WHERE seq > ? AND NOT EXISTS (SELECT 1 FROM outbox WHERE message_id = 'dead_letter/' || d.seq)
                   ORDER BY seq LIMIT ?"""
        found = self._store.rows(query, (self._looked_to, limit))
        if not found:
            self._looked_to = highest
        return tuple(Letter(seq, _envelope(instant_of(at), *words)) for seq, at, *words in found)

    def mark_sent(self, letters: Sequence[Letter]) -> None:
        """Mark letters as sent; one that is marked already stays so."""
        insert = """INSERT INTO outbox (message_id, topic, issue_time, kind, place, is_sent)
                    SELECT 'dead_letter/' || seq, ?, available_at, ?, seq, 1 FROM dead_letter WHERE seq = ?
                    ON CONFLICT DO NOTHING"""
        self._store.execute(insert, [(DEAD_LETTER, KIND, letter.seq) for letter in letters])


def _envelope(at: datetime, source: str, offset: int, reason: str, detail: str, payload: bytes) -> Envelope:
    words = {
        "v": VERSION, "available_at": at, "source": source, "offset": offset, "reason": reason, "detail": detail,
        "payload": payload[:LONGEST_PAYLOAD], "payload_bytes": len(payload),
    }  # fmt: skip
    digest = hashlib.sha256(_encode({**words, "payload": payload})).hexdigest()[:16]
    return Envelope(DEAD_LETTER, source, f"dead_letter-{source}/{offset}-{digest}", _encode(words))

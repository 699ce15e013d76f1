"""The relay: what the store holds for others goes out, and is marked only after the broker has it.

Killed between the two, it sends again what it had sent: under the same ids, with the same bytes, in the same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from gridcore.clock import Clock
from gridcore.topics import DEAD_LETTER
from storage.letters_out import UnsentLetters
from storage.outbox import mark_sent, pending
from storage.outgoing import Envelope, envelopes_of
from storage.sql import Sql

DOCUMENTS, LETTERS = 16, 500
"""Documents, and dead letters, of one round: a tick has about ten documents with 2,000 messages in all."""


class Outlet(Protocol):
    """Where messages go."""

    def send(self, messages: Sequence[Envelope]) -> bool:
        """Send them in order; True when all are acknowledged, False when the process is to end before."""
        ...


class Relay:
    """Sends what is pending.

    Args:
        store: The store's tables, from a connection of the relay's own.
        outlet: Where messages go.
        clock: Dates what was seen of the dead letters.
    """

    def __init__(self, store: Sql, outlet: Outlet, clock: Clock) -> None:
        self._store, self._outlet = store, outlet
        self._letters = UnsentLetters(store, clock)

    def step(self) -> Counter[str]:
        """Send the oldest of what is pending; how many messages of each topic, empty where nothing was pending."""
        sent: Counter[str] = Counter()
        if documents := pending(self._store, DOCUMENTS):
            messages = [envelope for document in documents for envelope in envelopes_of(document)]
            if not self._outlet.send(messages):
                return sent
            mark_sent(self._store, [document.message_id for document in documents])
            sent.update(message.topic for message in messages)
        if letters := self._letters.pending(LETTERS):
            if not self._outlet.send([letter.envelope for letter in letters]):
                return sent
            self._letters.mark_sent(letters)
            sent[DEAD_LETTER] += len(letters)
        return sent

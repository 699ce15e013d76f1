"""The push port: bodies of requests in, from any thread; a feed for the thread that keeps them; answers after commit.

It knows no web library: `pipeline.http` hands it bytes. A request is one batch and one transaction, in which its
receipt is kept too. So the store alone says whether a request was kept: after a lost answer, a restart or a lost
connection the sender asks again by its key and gets the first answer.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from threading import Condition

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.ports import Batch, Origin, Receipt
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA
from gridcore.timeline import to_numpy
from ingest.channels import ChannelTable
from ingest.push_body import messages_of
from ingest.wire import Decoded, decode_messages
from ingest.wire_parts import BATCH_READERS, MOST_FAULTY_ROWS, BatchReader

HTTP = "http"
"""Name of the feed's only source, followed by `/NODE` where the server has a name; an offset counts the messages that
were kept before."""

MOST_REQUESTS = 64
"""Requests that wait at most. A commit takes some milliseconds: the last of them still waits below a second."""

MOST_BYTES = 64 << 20
"""Bytes of the bodies that wait at most."""


class Why(Enum):
    """Why a request was not kept."""

    UNREADABLE = auto()
    """Nothing of its body, or too little, could be decoded."""

    OTHER_BODY = auto()
    """Its key was used for another body."""

    FOREIGN_SITE = auto()
    """It holds a reading of a site that is not its sender's."""

    FULL = auto()
    """Too many requests wait."""

    FAILED = auto()
    """It is not known to be kept: the store failed, or the feed was closed."""


@dataclass(frozen=True)
class Kept:
    """The request is committed."""

    answer: bytes
    """`Counts.to_json` of its first sending."""

    is_repeat: bool = False
    """It had been kept before, and nothing was done now."""


@dataclass(frozen=True)
class Refused:
    """Nothing of the request was kept, or, for `FAILED`, it is not known."""

    why: Why
    """What the sender can do about it hangs on this."""

    detail: str
    """What came and what was wanted."""


Reply = Kept | Refused


@dataclass(frozen=True)
class Request:
    """What a sender pushed."""

    body: bytes
    """All of it."""

    content_type: str
    """One of `ingest.push_body.CONTENT_TYPES`."""

    received_at: datetime
    """When its last byte came: its readings' available_at."""

    sites: frozenset[str] | None = None
    """Sites that its sender may speak for; None for all."""

    key: str = ""
    """The sender's name and its own name of the request, for repeats; empty where it gave none."""


@dataclass
class _Waiting:
    """A request and the promise of its reply."""

    request: Request
    reply: Future[Reply] = field(default_factory=Future)
    receipt_key: str = ""
    sha256: str = ""


class PushFeed:
    """The `Feed` of pushed requests, one batch each.

    `submit` may be called from any thread, all else from the one that keeps the batches. A batch's request is answered
    when the next batch is asked for, by the receipt that the store then has.

    Args:
        channels: The grid's channels.
        receipt_of: The store's receipts.
        node: This server's name among those that fill one store; each has its own offsets.
        most_requests: Requests that wait at most, the one in hand among them.
        most_bytes: Bytes of their bodies at most.
        readers: Readers of batch messages by content type.
    """

    def __init__(
        self,
        channels: ChannelTable,
        receipt_of: Callable[[str], Receipt | None],
        *,
        node: str = "",
        most_requests: int = MOST_REQUESTS,
        most_bytes: int = MOST_BYTES,
        readers: Mapping[str, BatchReader] = BATCH_READERS,
    ) -> None:
        self._channels, self._receipt_of, self._readers = channels, receipt_of, readers
        self.source = f"{HTTP}/{node}" if node else HTTP
        # No other feed's receipt is taken for ours, should two servers fill one store under one name.
        self._own = f"#{self.source}/{os.urandom(8).hex()}"
        self._most_requests, self._most_bytes = most_requests, most_bytes
        self._waiting: deque[_Waiting] = deque()
        self._in_hand: _Waiting | None = None
        self._offset, self._held_bytes, self._is_closed = 0, 0, False
        self._changed = Condition()

    def submit(self, request: Request) -> Future[Reply]:
        """Hand a request over; its reply is there at once where too many wait, else after its commit."""
        waiting = _Waiting(request)
        # From here on nobody can cancel it: a sender that hangs up does not undo what it sent.
        waiting.reply.set_running_or_notify_cancel()
        with self._changed:
            held = len(self._waiting) + (self._in_hand is not None)
            if self._is_closed:
                waiting.reply.set_result(Refused(Why.FAILED, "the feed is closed"))
            elif held >= self._most_requests or self._held_bytes + len(request.body) > self._most_bytes:
                waiting.reply.set_result(Refused(Why.FULL, f"{held} requests wait; wanted fewer"))
            else:
                self._held_bytes += len(request.body)
                self._waiting.append(waiting)
                self._changed.notify_all()
        return waiting.reply

    def wait(self, timeout_s: float) -> bool:
        """Sleep until a request waits, at most so long [s]; tells whether one does."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._waiting) or self._is_closed, timeout_s)

    def next_until(self, due: datetime) -> Batch | None:
        """The next request that came until `due`, as a batch; None when there is none left."""
        self._answer_in_hand()
        while (waiting := self._taken(due)) is not None:
            try:
                opened = self._opened(waiting)
            except BaseException:
                self._answer(waiting, _failed())
                raise
            if isinstance(opened, Batch):
                return opened
            self._answer(waiting, opened)
        return None

    def seek(self, offsets: Mapping[str, int]) -> None:
        """Continue at the store's offset; the request in hand is answered by what the store has of it."""
        self._answer_in_hand()
        self._offset = offsets.get(self.source, 0)

    def close(self) -> None:
        """Refuse what waits and whatever comes."""
        with self._changed:
            self._is_closed = True
            left = [*self._waiting, *([self._in_hand] if self._in_hand else [])]
            self._waiting.clear()
            self._changed.notify_all()
        self._in_hand = None
        for waiting in left:
            self._answer(waiting, _failed())

    def _taken(self, due: datetime) -> _Waiting | None:
        with self._changed:
            if not self._waiting or self._waiting[0].request.received_at > due:
                return None
            self._in_hand = self._waiting.popleft()
            return self._in_hand

    def _answer_in_hand(self) -> None:
        """Reply to the request of the last batch: it was kept if the store has its receipt."""
        if (waiting := self._in_hand) is None:
            return
        try:
            receipt = self._receipt_of(waiting.receipt_key)
        except BaseException:
            self._answer(waiting, _failed())
            raise
        if receipt is None:
            self._answer(waiting, _failed())
        else:
            # Another server may have kept the key meanwhile: with our body, which is then kept, or with another.
            self._answer(waiting, Kept(receipt.answer) if receipt.body_sha256 == waiting.sha256 else _other_body())

    def _answer(self, waiting: _Waiting, reply: Reply) -> None:
        with self._changed:
            self._held_bytes -= len(waiting.request.body)
            self._in_hand = None
        waiting.reply.set_result(reply)

    def _opened(self, waiting: _Waiting) -> Batch | Reply:
        """The batch of a request, or its reply where there is nothing to keep."""
        request = waiting.request
        waiting.sha256 = hashlib.sha256(request.body).hexdigest()
        if request.key and (kept := self._receipt_of(request.key)) is not None:
            return Kept(kept.answer, is_repeat=True) if kept.body_sha256 == waiting.sha256 else _other_body()
        messages = messages_of(request.body, request.content_type)
        if isinstance(messages, str):
            return Refused(Why.UNREADABLE, messages)
        decoded = self._decoded(messages, request)
        if (refused := _refusal(decoded, request)) is not None:
            return refused
        # Without a key of the sender's the receipt is named for its place, which no sender's name can look like.
        waiting.receipt_key = request.key or f"{self._own}/{self._offset}"
        start, self._offset = self._offset, self._offset + len(messages)
        origin = Origin(start + decoded.message_of, decoded.row_of)
        empty = OFFICIAL_SCHEMA.empty_table(), OUTAGE_SCHEMA.empty_table()
        receipt = Receipt(waiting.receipt_key, waiting.sha256, request.received_at)
        return Batch(self.source, start, self._offset, decoded.readings, *empty, decoded.undecodable, origin, receipt)

    def _decoded(self, messages: list[bytes], request: Request) -> Decoded:
        size = len(messages)
        arrived_us = np.full(size, to_numpy(request.received_at).astype("datetime64[us]").astype(np.int64))
        offsets = np.arange(self._offset, self._offset + size)
        kind = request.content_type if request.content_type in self._readers else ""
        return decode_messages(
            messages, [kind] * size, arrived_us, offsets, self.source, self._channels, readers=self._readers
        )


def _refusal(decoded: Decoded, request: Request) -> Refused | None:
    """Why nothing of a request is kept; None where it is."""
    letters = decoded.undecodable
    if letters and (not len(decoded.readings) or len(letters) > MOST_FAULTY_ROWS):
        first = letters[0]
        return Refused(Why.UNREADABLE, f"{len(letters)} can't be decoded, the first: {first.reason}, {first.detail}")
    if request.sites is not None:
        foreign = sorted(set(_texts(decoded.readings.column("site"))) - request.sites)
        if foreign:
            return Refused(Why.FOREIGN_SITE, f"got a reading of site {foreign[0][:80]!a}; wanted the sender's own")
    return None


def _texts(column: pa.ChunkedArray) -> list[str]:
    """The distinct texts that a column's rows have."""
    return [text for text in pc.unique(column).to_pylist() if text is not None]


def _other_body() -> Refused:
    return Refused(Why.OTHER_BODY, "got a key that was used for another body; wanted a new one")


def _failed() -> Refused:
    return Refused(Why.FAILED, "it is not known whether the request was kept; repeat it with the same key")

"""One partition's messages between the broker and the store: raw as they came, then decoded, handed out in order.

What is handed out is always a beginning of what waits, so that offsets stay without a hole. A message that came after
the instant asked for waits, and all behind it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
import pyarrow as pa

from gridcore.ports import Batch, DeadLetter, Origin
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from ingest.channels import ChannelTable
from ingest.cycle_search import no_cycle_search
from ingest.given_wire import DecodedGiven, decode_official, decode_outages
from ingest.instants import Int64s
from ingest.kafka_run import Run
from ingest.reasons import DELETED
from ingest.wire import decode_messages
from ingest.wire_parts import BATCH_READERS, BatchReader

MOST_MESSAGES = 50_000
"""Messages decoded at once, and so in one transaction, at most."""

MOST_BYTES = 16 << 20
"""Bytes of messages decoded at once, after which no more are added."""

NEVER = np.iinfo(np.int64).min
"""Arrival of a message without a row of its own in a recording: it holds nothing back."""

EMPTY = {"readings": READING_SCHEMA, "official": OFFICIAL_SCHEMA, "outages": OUTAGE_SCHEMA}
"""The three tables of a batch."""


class Rows(Protocol):
    """What a decoder gives: `ingest.wire.Decoded`, or `ingest.given_wire.DecodedGiven` under the name `rows`."""

    @property
    def message_of(self) -> Int64s:
        """Place of each row's message, ascending."""
        ...

    @property
    def row_of(self) -> Int64s:
        """Row of each in its message."""
        ...

    @property
    def undecodable(self) -> tuple[DeadLetter, ...]:
        """Messages and rows that could not be decoded."""
        ...


@dataclass(frozen=True)
class Topic:
    """What a topic's messages hold, and how they are decoded."""

    table: str
    """Table of the batch that they fill: readings, official or outages."""

    decode: Callable[[Run, str], tuple[pa.Table, Rows]]
    """Decodes a run of a source; gives the table and where its rows stood."""


def topics_in(
    prefix: str,
    channels: ChannelTable,
    *,
    honours_recorded_arrival: bool,
    readers: Mapping[str, BatchReader] = BATCH_READERS,
) -> dict[str, Topic]:
    """The topics that are read, by name.

    Args:
        prefix: First part of their names, `xiaona` as a rule.
        channels: The grid's channels.
        honours_recorded_arrival: See `KafkaFeed`.
        readers: What reads messages of many readings, by content type.
    """

    def readings(run: Run, source: str) -> tuple[pa.Table, Rows]:
        told = (run.values, run.content_types, run.arrived_us, run.offsets, source)
        found = decode_messages(*told, channels, honours_recorded_arrival=honours_recorded_arrival, readers=readers)
        return found.readings, found

    def given(decode: Callable[..., DecodedGiven]) -> Callable[[Run, str], tuple[pa.Table, Rows]]:
        def rows(run: Run, source: str) -> tuple[pa.Table, Rows]:
            told = (run.values, run.content_types, run.arrived_us, run.offsets, source)
            found = decode(*told, honours_recorded_arrival=honours_recorded_arrival)
            return found.rows, found

        return rows

    return {
        f"{prefix}.telemetry.v1": Topic("readings", readings),
        f"{prefix}.official.v1": Topic("official", given(decode_official)),
        f"{prefix}.outage.v1": Topic("outages", given(decode_outages)),
    }


@dataclass(frozen=True)
class Chunk:
    """Decoded messages that wait."""

    table: pa.Table
    """Their rows."""

    message_of: Int64s
    """Place of each row's message among `offsets`, ascending."""

    row_of: Int64s
    """Row of each in its message."""

    letters: tuple[DeadLetter, ...]
    """What could not be decoded, by offset."""

    offsets: Int64s
    """Offset of each message."""

    available_us: Int64s
    """When each message was first had, its last row counting; shape (messages,) [us since 1970 in UTC]."""

    size_bytes: int
    """Bytes of the messages."""


class Partition:
    """What waits of one partition.

    Args:
        source: `TOPIC/PARTITION`.
        topic: How it is decoded.
        start: The store's offset.
        honours_recorded_arrival: A message was first had when its last row says, not at the broker's stamp.
    """

    def __init__(self, source: str, topic: Topic, start: int, *, honours_recorded_arrival: bool) -> None:
        self.source, self._topic, self._honours = source, topic, honours_recorded_arrival
        self.start, self.read_to, self.is_paused = start, start, False
        # Apart from `read_to`: an end that was told too early must never make messages be passed over.
        self.ended_at = start
        self._runs: deque[Run | Chunk] = deque()
        self._chunk: Chunk | None = None
        self.waiting_messages, self.waiting_bytes = 0, 0

    @property
    def reached(self) -> int:
        """Where reading stands: after the last message, or at the end that was told."""
        return max(self.read_to, self.ended_at)

    def add(self, run: Run) -> None:
        """Messages came; those below the place that was read to already are passed over."""
        first = int(np.searchsorted(run.offsets, self.read_to))
        if first == len(run.offsets):
            return
        if first:
            kept = slice(first, None)
            sizes = sum(len(value or b"") for value in run.values[kept])
            run = Run(run.values[kept], run.content_types[kept], run.arrived_us[kept], run.offsets[kept], sizes)
        self.read_to = int(run.offsets[-1]) + 1
        self._runs.append(run)
        self._weigh(len(run.offsets), run.size_bytes)

    def pass_over(self, first: int, at: datetime) -> None:
        """The broker deleted all from `read_to` up to an offset: what waits, then a dead letter in place of the rest.

        Args:
            first: The broker's first offset, above `read_to`.
            at: When we were told.
        """
        detail = f"offsets {self.read_to} to {first - 1} were deleted before they were read"
        letter = DeadLetter(at, self.source, self.read_to, DELETED, detail, b"")
        none = np.empty(0, np.int64)
        last, known = np.array([first - 1]), np.array([NEVER])
        self._runs.append(Chunk(EMPTY[self._topic.table].empty_table(), none, none, (letter,), last, known, 0))
        self.read_to = first
        self._weigh(1, 0)

    def is_past(self, due_us: int) -> bool:
        """The next message that waits was first had after an instant."""
        if self._chunk is None and self._runs and isinstance(head := self._runs[0], Run) and not self._honours:
            # Not decoded for this alone: what is decoded is handed out, and more may yet come to go with it.
            return int(head.arrived_us[0]) > due_us
        chunk = self._decoded()
        return chunk is not None and int(chunk.available_us[0]) > due_us

    def take(self, due_us: int) -> Batch | None:
        """The messages at the head that were had up to an instant; None where there are none."""
        chunk = self._decoded()
        if chunk is None:
            return None
        late = np.flatnonzero(chunk.available_us > due_us)
        end = int(late[0]) if len(late) else len(chunk.offsets)
        if not end:
            return None
        head, self._chunk = _split(chunk, end)
        self._weigh(-end, -head.size_bytes)
        start, self.start = self.start, int(head.offsets[-1]) + 1
        tables = {name: schema.empty_table() for name, schema in EMPTY.items()} | {self._topic.table: head.table}
        origin = Origin(head.offsets[head.message_of], head.row_of)
        return Batch(self.source, start, self.start, **tables, undecodable=head.letters, origin=origin)

    def _decoded(self) -> Chunk | None:
        """The chunk at the head, decoded of raw runs where there is none."""
        if self._chunk is None and self._runs:
            head = self._runs.popleft()
            self._chunk = head if isinstance(head, Chunk) else self._decode(self._joined_with(head))
        return self._chunk

    def _joined_with(self, head: Run) -> Run:
        """A run with those after it that can be decoded together with it."""
        taken = [head]
        while self._runs and isinstance(run := self._runs[0], Run) and _fits(taken, run):
            self._runs.popleft()
            taken.append(run)
        return _joined(taken)

    def _decode(self, run: Run) -> Chunk:
        with no_cycle_search():
            table, rows = self._topic.decode(run, self.source)
        available = run.arrived_us
        if self._honours:
            available = np.full(len(run.offsets), NEVER)
            came = table.column("available_at").to_numpy().astype("datetime64[us]").astype(np.int64)
            np.maximum.at(available, rows.message_of, came)
        return Chunk(table, rows.message_of, rows.row_of, rows.undecodable, run.offsets, available, run.size_bytes)

    def _weigh(self, messages: int, size_bytes: int) -> None:
        self.waiting_messages += messages
        self.waiting_bytes += size_bytes


def _fits(taken: Sequence[Run], run: Run) -> bool:
    """A run can be decoded together with those taken."""
    messages = sum(len(other.offsets) for other in taken) + len(run.offsets)
    return messages <= MOST_MESSAGES and sum(other.size_bytes for other in taken) + run.size_bytes <= MOST_BYTES


def _joined(runs: Sequence[Run]) -> Run:
    if len(runs) == 1:
        return runs[0]
    values = [value for run in runs for value in run.values]
    content_types = [content_type for run in runs for content_type in run.content_types]
    arrived_us, offsets = (np.concatenate([getattr(run, name) for run in runs]) for name in ("arrived_us", "offsets"))
    return Run(values, content_types, arrived_us, offsets, sum(run.size_bytes for run in runs))


def _split(chunk: Chunk, end: int) -> tuple[Chunk, Chunk | None]:
    """The first `end` messages of a chunk, and the rest."""
    if end == len(chunk.offsets):
        return chunk, None
    row = int(np.searchsorted(chunk.message_of, end))
    edge = int(chunk.offsets[end])
    size_bytes = chunk.size_bytes * end // len(chunk.offsets)
    head = Chunk(
        chunk.table.slice(0, row), chunk.message_of[:row], chunk.row_of[:row],
        tuple(letter for letter in chunk.letters if letter.offset < edge),
        chunk.offsets[:end], chunk.available_us[:end], size_bytes,
    )  # fmt: skip
    rest = Chunk(
        chunk.table.slice(row), chunk.message_of[row:] - end, chunk.row_of[row:],
        tuple(letter for letter in chunk.letters if letter.offset >= edge),
        chunk.offsets[end:], chunk.available_us[end:], chunk.size_bytes - size_bytes,
    )  # fmt: skip
    return head, rest

"""A recording into Kafka: what arrived is sent in the order in which it arrived, each row with its own arrival.

A message never holds rows from both sides of a tick, since it is taken as a whole. Sent again it is known again: rows
carry their identity, and the store passes over what it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from gridcore.errors import BadInputError
from gridcore.timeline import PERIOD
from ingest.encode import encode_batch, encode_rows
from ingest.forms import OFFICIAL, OUTAGES, READINGS, Form
from ingest.kafka_client import Client, Complaints, meaning
from ingest.kafka_run import Headers
from ingest.wire_parts import JSON

LONGEST_WAIT_S = 60.0
"""The broker acknowledges nothing for so long: it is away [s]."""

MOST_ROWS = 10_000
"""Rows of an Arrow message: 0.5 MB, below the 1 MB that a broker takes by default."""


@dataclass(frozen=True)
class Told:
    """The topic of one of a recording's tables."""

    topic: str
    """Its name without the prefix."""

    key: str
    """Column that the partition is chosen by."""

    form: Form
    """What a message holds."""


READINGS_TOLD = Told("telemetry.v1", "site", READINGS)
OFFICIAL_TOLD = Told("official.v1", "asset", OFFICIAL)
OUTAGES_TOLD = Told("outage.v1", "asset", OUTAGES)


class Player:
    """Sends tables of a recording.

    Args:
        client: Where and as whom to connect.
        prefix: First part of the topics' names.
        content_type: `JSON`, a message a row, or `ARROW`, a message for the rows of one key that arrived together.
        together: Period of arrivals that an Arrow message may hold; one longer than the loop's makes a replay from
            these topics know rows later than the recording did.
    """

    def __init__(self, client: Client, prefix: str, content_type: str, together: timedelta = PERIOD) -> None:
        self._together = together
        self._brokers, self._prefix, self._content_type = str(client["bootstrap.servers"]), prefix, content_type
        self._complaints, self._failure, self.sent = Complaints(self._brokers), None, 0
        settings: dict[str, object] = {
            # Kept once and in order, whatever is sent again meanwhile; all copies have it before it counts.
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "lz4",
            "linger.ms": 50,
            "batch.size": 1 << 20,
            "queue.buffering.max.kbytes": 64 << 10,
            "delivery.timeout.ms": int(1000 * LONGEST_WAIT_S),
            "error_cb": self._complaints,
        }
        self._producer = Producer(settings | dict(client))

    _failure: KafkaError | None

    def play(self, told: Told, table: pa.Table) -> int:
        """Send a table in the order of its rows' arrival; the number of its messages.

        Raises:
            BadInputError: The broker refuses us or the topic, or acknowledges nothing for `LONGEST_WAIT_S`.
        """
        topic, before = f"{self._prefix}.{told.topic}", self.sent
        # JSON is what a message without a header is taken for, and a header costs its reader a third of a microsecond.
        headers: Headers = None if self._content_type == JSON else [("content-type", self._content_type.encode())]
        for key, value in self._messages(told, table):
            self._send(topic, key, value, headers)
        left = self._producer.flush(LONGEST_WAIT_S)
        self._demand_good(topic)
        if left:
            got = self._complaints.last or f"{left} messages without an answer"
            raise BadInputError("the broker does not answer", file=topic, got=got, wanted="an acknowledgement of each")
        return self.sent - before

    def _messages(self, told: Told, table: pa.Table) -> Iterator[tuple[bytes, bytes]]:
        if self._content_type == JSON:
            keys = (key.encode() for key in table.column(told.key).to_pylist())
            yield from zip(keys, encode_rows(table, told.form, is_recorded=True), strict=True)
            return
        for key, rows in batches_of(table, told.key, self._together):
            yield key.encode(), encode_batch(rows, told.form, is_recorded=True)

    def _send(self, topic: str, key: bytes, value: bytes, headers: Headers) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, headers=headers, on_delivery=self._delivered)
            except BufferError:
                # Its queue is full: deliveries make room.
                self._producer.poll(0.1)
                self._demand_good(topic)
                continue
            except KafkaException as cause:
                raise meaning(cause.args[0], topic) from cause
            break
        self.sent += 1
        if self.sent % 1000 == 0:
            self._producer.poll(0)
            self._demand_good(topic)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        self._failure = self._failure or error

    def _demand_good(self, topic: str) -> None:
        self._complaints.demand_none()
        if self._failure is not None:
            raise meaning(self._failure, topic)


def batches_of(table: pa.Table, key: str, together: timedelta = PERIOD) -> Iterator[tuple[str, pa.Table]]:
    """The rows of one key that arrived within the same period (start, end], by period, key and arrival.

    Args:
        table: A table with `available_at`, ascending.
        key: Column of the key.
        together: Length of the period, which must divide the loop's.
    """
    if not len(table):
        return
    step = together // timedelta(microseconds=1)
    came = table.column("available_at").to_numpy().astype("datetime64[us]").astype(np.int64)
    # An arrival at a tick belongs to what that tick knows, so that periods are closed at their end.
    period = -(-came // step)
    column = table.column(key).combine_chunks()
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    order = np.lexsort((came, codes, period))
    ordered = table.take(pa.array(order))
    starts = np.flatnonzero(np.diff(period[order], prepend=-1) | np.diff(codes[order], prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
        name = names[codes[order[start]]]
        for first in range(int(start), int(end), MOST_ROWS):
            yield name, ordered.slice(first, min(MOST_ROWS, int(end) - first))

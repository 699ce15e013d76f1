"""Messages of Kafka's client as columns: the only place that touches each of them in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME
from confluent_kafka import Message as KafkaMessage

from gridcore.errors import BadInputError
from ingest.instants import Int64s
from ingest.wire_parts import Message

Headers = dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]] | None
"""What Kafka's client gives as headers."""


@dataclass(frozen=True)
class Run:
    """Messages of one partition as they came, in order; nothing is decoded yet."""

    values: Sequence[Message]
    """The messages."""

    content_types: Sequence[str]
    """Header `content-type` of each, empty where there is none."""

    arrived_us: Int64s
    """The broker's stamp of each [us since 1970 in UTC], shape (messages,)."""

    offsets: Int64s
    """Offset of each, ascending, shape (messages,)."""

    size_bytes: int
    """Bytes of all messages."""


def run_of(messages: Sequence[KafkaMessage], source: str, *, honours_recorded_arrival: bool) -> Run:
    """Messages of one partition as a run.

    Raises:
        BadInputError: Their senders' clocks stamped them, and no recording tells when they were first had.
    """
    stamps = [message.timestamp() for message in messages]
    sorts, stamps_ms = zip(*stamps, strict=True)
    if not honours_recorded_arrival and sorts.count(TIMESTAMP_LOG_APPEND_TIME) < len(sorts):
        wanted = "message.timestamp.type=LogAppendTime on the topic: the broker's clock tells when we had it"
        raise BadInputError("a topic stamped by its senders", file=source, got="CreateTime", wanted=wanted)
    values: list[Message] = [message.value() for message in messages]
    content_types = _content_types([message.headers() for message in messages])
    offsets = np.array([message.offset() for message in messages], np.int64)
    arrived_us = np.array(stamps_ms, np.int64) * 1000
    return Run(values, content_types, arrived_us, offsets, sum(map(len, filter(None, values))))


def _content_types(headers: Sequence[Headers]) -> list[str]:
    """The header `content-type` of each message; empty where there is none."""
    if headers.count(None) == len(headers):
        return [""] * len(headers)
    return ["" if told is None else _content_type(told) for told in headers]


def _content_type(headers: Headers) -> str:
    for name, value in headers.items() if isinstance(headers, dict) else headers or ():
        if name == "content-type" and value is not None:
            return value if isinstance(value, str) else value.decode("ascii", "replace")
    return ""

"""Messages of Kafka's client as columns: the only place that touches each of them in Python."""

from __future__ import annotations

from collections import defaultdict
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


def by_partition(messages: Sequence[KafkaMessage]) -> dict[tuple[str, int], Sequence[KafkaMessage]]:
    """Messages by topic and partition, each partition's in their order."""
    topics, numbers = list(map(KafkaMessage.topic, messages)), list(map(KafkaMessage.partition, messages))
    if topics.count(topics[0]) == numbers.count(numbers[0]) == len(messages):
        # A fetch is of one partition, and so are most polls under load.
        return {(topics[0], numbers[0]): messages}  # type: ignore[dict-item]
    found: defaultdict[tuple[str, int], list[KafkaMessage]] = defaultdict(list)
    for topic, number, message in zip(topics, numbers, messages, strict=True):
        found[topic, number].append(message)  # type: ignore[index]
    return dict(found)


def run_of(messages: Sequence[KafkaMessage], source: str, *, honours_recorded_arrival: bool) -> Run:
    """Messages of one partition as a run.

    Raises:
        BadInputError: Their senders' clocks stamped them, and no recording tells when they were first had.
    """
    stamps = list(map(KafkaMessage.timestamp, messages))
    sorts, stamps_ms = zip(*stamps, strict=True)
    if not honours_recorded_arrival and sorts.count(TIMESTAMP_LOG_APPEND_TIME) < len(sorts):
        wanted = "message.timestamp.type=LogAppendTime on the topic: the broker's clock tells when we had it"
        raise BadInputError("a topic stamped by its senders", file=source, got="CreateTime", wanted=wanted)
    values: list[Message] = list(map(KafkaMessage.value, messages))
    content_types = _content_types(list(map(KafkaMessage.headers, messages)))
    offsets = np.fromiter(map(KafkaMessage.offset, messages), np.int64, len(messages))
    arrived_us = np.fromiter(stamps_ms, np.int64, len(messages)) * 1000
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

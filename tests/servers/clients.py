"""Small clients for the tests of servers: send and wait for the acknowledgement, read to the end."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable
from datetime import datetime
from threading import Event
from time import perf_counter
from typing import Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, Producer, TopicPartition

from ingest.channels import Channel

PATIENCE_S = 30.0
"""How long a message may be on its way [s]."""

LONGEST_S = 120.0
"""How long a program may take over anything: a lost database is waited for 30 s before it is told [s]."""


def send(client: dict[str, Any], topic: str, values: Iterable[bytes], **settings: Any) -> list[Any]:
    """Send, wait for every acknowledgement, and give the error of each message."""
    errors: list[Any] = []
    producer = Producer(client | {"acks": "all", "enable.idempotence": True, "linger.ms": 5} | settings)
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: errors.append(error))
        producer.poll(0)
    if left := producer.flush(PATIENCE_S):
        raise TimeoutError(f"{left} messages without an answer")
    return errors


def read_all(client: dict[str, Any], topic: str, partitions: int = 4, **settings: Any) -> list[Any]:
    """Every message of a topic, committed ones alone, partition by partition."""
    words = {"group.id": "reader", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer(client | words | {"enable.partition.eof": True} | settings)
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        found: list[Any] = []
        ended: set[int] = set()
        until = perf_counter() + PATIENCE_S
        while len(ended) < partitions:
            if perf_counter() > until:
                raise TimeoutError(f"{topic} was not read to its end")
            messages: list[Any] = consumer.consume(1000, 0.2)
            for message in messages:
                if message.error() is None:
                    found.append(message)
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                else:
                    raise RuntimeError(message.error().str())
        return sorted(found, key=lambda m: (m.partition(), m.offset()))
    finally:
        consumer.close()


def is_log_append_time(message: Any) -> bool:
    """The broker stamped the message."""
    return bool(message.timestamp()[0] == TIMESTAMP_LOG_APPEND_TIME)


def reading_of(channel: Channel, valid_time: datetime) -> bytes:
    """A plausible reading of a channel, as JSON."""
    value = (max(channel.low, 0.0) + channel.high) / 2
    words = {"v": 1, "site": channel.site, "channel": channel.name, "value": value, "unit": channel.unit}
    return json.dumps({**words, "valid_time": valid_time.isoformat()}).encode()


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    until_s = perf_counter() + LONGEST_S
    while not holds():
        if perf_counter() > until_s:
            raise TimeoutError(f"it did not hold within {LONGEST_S} s")
        Event().wait(0.2)


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])

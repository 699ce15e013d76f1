"""The sender: readings of a grid as a gateway sends them, and a ledger of what the broker acknowledged."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, Message, Producer

from gridcore.timeline import to_numpy
from tests.faults.ledger import Ledger

TOPIC = "xiaona.telemetry.v1"


@dataclass(frozen=True)
class Reading:
    """One reading on its way."""

    site: str
    channel: str
    unit: str
    valid_time: datetime
    value: float
    revision: int = 0

    @property
    def identity(self) -> tuple[str, int, int, float]:
        """As the ledger names it."""
        return self.channel, int(to_numpy(self.valid_time).astype(np.int64)), self.revision, self.value

    def encode(self) -> bytes:
        """As INTERFACES.md writes it."""
        words = {
            "v": 1,
            "site": self.site,
            "channel": self.channel,
            "valid_time": self.valid_time.isoformat(),
            "value": self.value if math.isfinite(self.value) else None,
            "unit": self.unit,
            "revision": self.revision,
        }
        return json.dumps(words).encode()


def readings_of(channels: Iterable[Any], begins: datetime, periods: int, seed: int = 0) -> Iterator[Reading]:
    """A plausible value for each channel and 15 min, period by period.

    Args:
        channels: Channels with name, site, unit, low and high.
        begins: First period's start.
        periods: How many.
        seed: Of the values.
    """
    draw, known = np.random.default_rng(seed), list(channels)
    for period in range(periods):
        shares = draw.uniform(0.1, 0.9, len(known))
        for channel, share in zip(known, shares, strict=True):
            low, high = max(channel.low, 0.0), channel.high
            value = round(float(low + share * (high - low)), 6)
            yield Reading(channel.site, channel.name, channel.unit, begins + period * timedelta(minutes=15), value)


def corrected(reading: Reading, revision: int) -> Reading:
    """A correction of a reading: another value under a higher revision."""
    return replace(reading, revision=revision, value=round(reading.value * (1.0 - 0.01 * revision), 6))


class Sender:
    """Sends readings, at full speed or by a rate, and notes each acknowledgement.

    Args:
        client: Settings of the client.
        ledger: Where it is noted.
        settings: Settings of the producer besides.
    """

    def __init__(self, client: dict[str, Any], ledger: Ledger, **settings: Any) -> None:
        words = {"acks": "all", "enable.idempotence": True, "linger.ms": 5, "delivery.timeout.ms": 120_000}
        self._producer, self._ledger = Producer(client | words | settings), ledger
        self._stop = Event()
        self._thread: Thread | None = None

    def send(self, readings: Iterable[Reading], topic: str = TOPIC) -> None:
        """Send, and wait for every answer."""
        for reading in readings:
            self._produce(reading, topic)
        self.flush()

    def send_poison(self, payloads: Iterable[bytes], key: bytes = b"poison", topic: str = TOPIC) -> None:
        """Send what no decoder can take, and wait for every answer."""
        for payload in payloads:

            def noted(error: KafkaError | None, _message: Message, payload: bytes = payload) -> None:
                if error is None:
                    self._ledger.note_poison(payload)

            self._ledger.note_sent()
            self._producer.produce(topic, payload, key, on_delivery=noted)
        self.flush()

    def send_words(self, message: bytes, reading: Reading, topic: str = TOPIC) -> None:
        """Send a reading in words of the caller's own; not waited for."""
        self._hand_over(message, reading, topic)

    def start(self, readings: Iterator[Reading], a_second: float, topic: str = TOPIC) -> None:
        """Send in a thread, so many a second, until `stop`."""

        def run() -> None:
            for count, reading in enumerate(readings):
                if self._stop.is_set():
                    return
                self._produce(reading, topic)
                if count % 50 == 49:
                    self._stop.wait(50 / a_second)

        self._thread = Thread(target=run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for every answer."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def flush(self) -> None:
        """Wait for every answer; a message without one in the end is not acknowledged."""
        self._producer.flush(150)

    def _produce(self, reading: Reading, topic: str) -> None:
        self._hand_over(reading.encode(), reading, topic)

    def _hand_over(self, message: bytes, reading: Reading, topic: str) -> None:
        def noted(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                self._ledger.note_reading(reading.identity)

        self._ledger.note_sent()
        while True:
            try:
                self._producer.produce(topic, message, reading.site.encode(), on_delivery=noted)
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)

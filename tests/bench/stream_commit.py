"""Latency of the taking in: from a reading to its commit, live through Kafka, JSON one reading a message."""

from __future__ import annotations

import multiprocessing
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from confluent_kafka import Producer

from gridcore.clock import SystemClock
from gridcore.ports import Batch, Counts, Receipt
from infra.kafka.cluster import Cluster
from ingest.kafka_feed import KafkaFeed
from ingest.kafka_settings import KafkaFeedSettings
from ingest.trip_switch import TripSwitch
from pipeline.ingest_command import Intake
from storage.columns import micros
from storage.embedded import EmbeddedStore
from tests.bench.result import Figure
from tests.bench.stream_fill import CHANNELS, PARTITIONS

RATE = 5_000
"""Readings sent a second."""

SECONDS = 60
"""How long they are sent [s]."""

STEP_S = 0.005
"""The sender sends what is due, and sleeps for so long [s]."""


def commit_figures(cluster: Cluster, home: Path) -> list[Figure]:
    """From a reading to its commit in the embedded store: what the stream adds before any tick."""
    cluster.create_topics(["soon.telemetry.v1"], PARTITIONS)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    keeper = context.Process(target=keep, args=(cluster.bootstrap, "soon", home / "soon", there))
    keeper.start()
    here.recv()
    sent = _send(Producer(cluster.client() | {"linger.ms": 5}))
    waits_ms: npt.NDArray[np.float64] = here.recv()
    keeper.join()
    if len(waits_ms) != sent:
        raise AssertionError(f"{len(waits_ms)} of {sent} readings stored")
    half, nearly, worst = np.percentile(waits_ms, (50, 99, 100))
    name = f"from a reading to its commit at {RATE:,}/s"
    return [
        Figure(f"{name}, p50", float(half), "ms", f"{sent:,} readings, the slowest {worst:.0f} ms"),
        Figure(f"{name}, p99", float(nearly), "ms"),
    ]


def _send(producer: Producer) -> int:
    """Send readings whose period begins when they are sent; gives their number."""
    clock, pause, sent, began = SystemClock(), Event(), 0, time.monotonic()
    while sent < RATE * SECONDS:
        due = min(int((time.monotonic() - began) * RATE), RATE * SECONDS)
        for number in range(sent, due):
            channel = CHANNELS.channels[number % len(CHANNELS)]
            told = {"v": 1, "site": channel.site, "channel": channel.name, "value": float(number % 100), "unit": "MW"}
            message = msgspec.json.encode({**told, "valid_time": clock.now()})
            producer.produce("soon.telemetry.v1", message, channel.site.encode())
        sent = due
        producer.poll(0)
        pause.wait(STEP_S)
    producer.flush(30)
    return sent


@dataclass
class Clocked:
    """A store that notes how long after it was sent each reading is committed."""

    store: EmbeddedStore
    waits_ms: list[npt.NDArray[np.float64]] = field(default_factory=list)

    def accept(self, batch: Batch, dead_letters: Any, receipt: Receipt | None = None) -> Counts:
        """Keep a batch."""
        counts = self.store.accept(batch, dead_letters, receipt)
        sent_us = batch.readings.column("valid_time").to_numpy().astype("datetime64[us]").astype(np.int64)
        self.waits_ms.append(micros(SystemClock().now()) / 1e3 - sent_us / 1e3)
        return counts

    def offsets(self) -> dict[str, int]:
        """Next offset of each source."""
        return self.store.offsets()


def keep(bootstrap: str, prefix: str, store_at: Path, told: Connection) -> None:
    """Keep what comes until nothing does, in a process of its own, and tell the waits [ms]."""
    clock = SystemClock()
    with closing(EmbeddedStore(store_at)) as store:
        clocked = Clocked(store)
        settings = KafkaFeedSettings({"bootstrap.servers": bootstrap}, prefix)
        with closing(KafkaFeed(settings, CHANNELS, clock, store.offsets)) as feed:
            told.send(None)
            Intake(feed, clocked, CHANNELS, clock, timedelta(seconds=5), TripSwitch(1.0)).run()  # type: ignore[arg-type]
    told.send(np.concatenate(clocked.waits_ms))

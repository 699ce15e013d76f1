"""Memory over a long run: 50,000 readings a second for ten minutes into the embedded store, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
from confluent_kafka import Producer

from infra.kafka.cluster import Cluster
from ingest.encode import encode_batch
from ingest.forms import READINGS
from ingest.wire_parts import ARROW
from tests.bench.result import Figure
from tests.bench.stream_fill import PARTITIONS, keyed

RATE = 50_000
"""Readings sent a second."""

SETTLED = 0.3
"""Share of the run after which memory must stand still: buffers, caches and the first sealing are there by then."""


def long_figures(cluster: Cluster, home: Path, minutes: float) -> list[Figure]:
    """Memory of the ingest process: the slope from the first third to the end, and its peak.

    Readings go as Arrow batches of 10,000, so that the sender leaves the cores to what is measured.
    """
    if minutes <= 0:
        return []
    cluster.create_topics(["long.telemetry.v1"], PARTITIONS)
    words = [sys.executable, "-m", "tests.bench.stream_keep", cluster.bootstrap, "long", str(home / "long")]
    keeper = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    process, samples = psutil.Process(keeper.pid), []
    producer = Producer(cluster.client() | {"linger.ms": 5, "compression.type": "lz4"})
    began = perf_counter()
    for number, (partition, table) in enumerate(keyed(int(minutes * 60 * RATE / 1000))):
        headers = {"content-type": ARROW}
        producer.produce("long.telemetry.v1", encode_batch(table, READINGS), partition=partition, headers=headers)
        producer.poll(0)
        threading.Event().wait(max(0.0, (number + 1) * len(table) / RATE - (perf_counter() - began)))
        samples.append((perf_counter() - began, process.memory_info().rss / 1e6))
    producer.flush(60)
    took_s = perf_counter() - began
    keeper.terminate()
    told, _ = keeper.communicate(timeout=120)
    sent = 10_000 * len(samples)
    instants, memory = np.array(samples).T
    late = instants > SETTLED * instants[-1]
    slope = float(np.polyfit(instants[late] / 60, memory[late], 1)[0])
    beside = f"{memory[late][0]:.0f} MB at {SETTLED:.0%} of the run, {memory[-1]:.0f} MB at its end"
    return [
        Figure("readings sent a second, long run", sent / took_s, "readings/s", f"aim {RATE:,}", sent / took_s / RATE),
        Figure("of them stored", float(told.split()[-1]), "1", f"{sent:,} sent", float(told.split()[-1]) / sent),
        Figure("memory's slope after the first third", slope, "MB/min", beside),
        Figure("peak memory, long run", float(memory.max()), "MB"),
    ]

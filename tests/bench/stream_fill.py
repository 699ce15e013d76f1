"""Topics filled beforehand: readings of 1,000 devices, one a JSON message, and Arrow batches of 10,000."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from confluent_kafka import Producer

from gridcore.reading import READING_SCHEMA
from gridcore.timeline import PLANT_PERIOD, TIMESTAMP, to_numpy
from infra.kafka.cluster import Cluster
from ingest.channels import Channel, ChannelTable
from ingest.encode import encode_batch, encode_rows
from ingest.forms import READINGS
from ingest.wire_parts import ARROW

DEVICES = 1000
"""Devices, a channel each; a site has ten."""

BEGINS = datetime(2025, 1, 1, tzinfo=UTC)
"""First period."""

PARTITIONS = 4
"""Of each topic."""

CHANNELS = ChannelTable(
    tuple(
        Channel(f"device-{n:04d}/power", f"device-{n:04d}", "power", "MW", f"site-{n // 10:03d}", -5.0, 110.0)
        for n in range(DEVICES)
    ),
    PLANT_PERIOD,
)
"""What the grid of the benchmark can be told."""


def tables(periods: int, first: int = 0) -> Iterator[pa.Table]:
    """`READING_SCHEMA` of all devices, ten periods at a time: 10,000 rows."""
    draw = np.random.default_rng(first)
    names, sites = ([getattr(c, word) for c in CHANNELS.channels] for word in ("name", "site"))
    for begin in range(first, first + periods, 10):
        instants = [to_numpy(BEGINS + (begin + n) * PLANT_PERIOD) for n in range(10)]
        valid = np.repeat(np.array(instants), DEVICES)
        rows = len(valid)
        columns = [
            pa.array(valid).cast(TIMESTAMP),
            pa.array(valid).cast(TIMESTAMP),
            pa.array(sites * 10),
            pa.array(names * 10),
            pa.array(["power"] * rows),
            pa.array(np.round(draw.uniform(0.0, 100.0, rows), 3)),
            pa.array(["MW"] * rows),
            pa.array(np.zeros(rows, np.int32)),
            pa.array(np.zeros(rows, np.int32)),
        ]
        yield pa.Table.from_arrays(columns, schema=READING_SCHEMA)


def fill_json(cluster: Cluster, prefix: str, periods: int) -> int:
    """One message for each reading, key the site; gives their number."""
    topic = f"{prefix}.telemetry.v1"
    cluster.create_topics([topic], PARTITIONS)
    producer, count = _producer(cluster), 0
    for table in tables(periods):
        keys = [site.encode() for site in table.column("site").to_pylist()]
        for key, message in zip(keys, encode_rows(table, READINGS), strict=True):
            _hand_over(producer, topic, message, key)
            count += 1
    producer.flush(120)
    return count


def keyed(periods: int) -> Iterator[tuple[int, pa.Table]]:
    """Partition and 10,000 readings of its own sites: 40 periods of a quarter of the devices, as the key says."""
    whole: list[pa.Table] = []
    for table in tables(periods):
        whole.append(table)
        if len(whole) == PARTITIONS:
            block = pa.concat_tables(whole).combine_chunks()
            owner = np.arange(len(block)) % DEVICES // 10 % PARTITIONS
            yield from ((number, block.filter(pa.array(owner == number))) for number in range(PARTITIONS))
            whole = []


def fill_arrow(cluster: Cluster, prefix: str, periods: int) -> int:
    """Messages of 10,000 readings, each with the sites of its partition; gives the number of readings."""
    topic = f"{prefix}.telemetry.v1"
    cluster.create_topics([topic], PARTITIONS)
    producer, count = _producer(cluster), 0
    for number, table in keyed(periods):
        message = encode_batch(table, READINGS)
        while True:
            try:
                producer.produce(topic, message, partition=number, headers={"content-type": ARROW})
                break
            except BufferError:
                producer.poll(0.1)
        count += len(table)
    producer.flush(120)
    return count


def _producer(cluster: Cluster) -> Producer:
    words = {"linger.ms": 50, "batch.size": 1 << 20, "compression.type": "lz4", "queue.buffering.max.messages": 500_000}
    return Producer(cluster.client() | words)


def _hand_over(producer: Producer, topic: str, message: bytes, key: bytes) -> None:
    while True:
        try:
            producer.produce(topic, message, key)
            return
        except BufferError:
            producer.poll(0.1)

"""`make bench-stream`: from a real broker into a store, exactly once, beside what bounds it and beside peers.

Usage: python -m tests.bench.stream [--short] [--peers] [--minutes N]

All in one run on one machine, so that the ratios hold. Topics are filled beforehand. Each rate is of one process, the
best of `ROUNDS`, since others may use the machine; the broker shares the cores with it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated, Any

import numpy as np
import typer
from confluent_kafka import Consumer, TopicPartition

from gridcore.clock import SystemClock
from gridcore.ports import Store
from gridcore.timeline import PLANT_PERIOD
from infra.kafka.cluster import Cluster
from infra.postgres.server import Server
from ingest.cycle_search import no_cycle_search
from ingest.kafka_feed import KafkaFeed
from ingest.kafka_settings import KafkaFeedSettings
from ingest.trip_switch import TripSwitch
from ingest.wire import decode_messages
from pipeline.ingest_command import Intake
from pipeline.metrics import Metrics
from storage.embedded import EmbeddedStore
from storage.postgres import PostgresStore
from tests.bench.result import Figure, write_figures
from tests.bench.store_fill import FULL, SHORT
from tests.bench.stream_commit import commit_figures
from tests.bench.stream_fill import CHANNELS, PARTITIONS, fill_arrow, fill_json
from tests.bench.stream_long import long_figures
from tests.bench.stream_peers import peer_figures
from tests.bench.stream_setpoints import SETTLED, setpoint_figures
from tests.bench.stream_store import store_figures

ROUNDS = 3
"""Times that each rate is measured."""

SIZES = (5_000, 10_000, 20_000, 50_000)
"""Messages that the bare consumer asks for at once."""

PREFETCH = {
    "queued.min.messages": 1_000_000,
    "queued.max.messages.kbytes": 65_536,
    "fetch.message.max.bytes": 8 << 20,
    "fetch.max.bytes": 52_428_800,
}
"""Of the bare consumer: with librdkafka's defaults it is a third as fast."""

_numbers = count()


def main(
    short: Annotated[bool, typer.Option(help="A tenth of the rows.")] = False,
    peers: Annotated[bool, typer.Option(help="faststream and quixstreams in environments of their own.")] = True,
    minutes: Annotated[float, typer.Option(help="Length of the memory's run at 50,000 readings a second.")] = 10.0,
) -> None:
    """Measure, write build/bench/stream.json and print it."""
    periods = 200 if short else 2000
    with tempfile.TemporaryDirectory(prefix="xiaona-stream-") as home:
        Path(home).chmod(0o755)
        cluster = Cluster(Path(home) / "kafka", cache=Path("build/kafka"))
        try:
            cluster.start()
            figures = [*_json_figures(cluster, Path(home), periods), *_arrow_figures(cluster, Path(home), 5 * periods)]
            if peers:
                figures += peer_figures(cluster, Path(home), periods // 4)
            figures += commit_figures(cluster, Path(home))
            figures += setpoint_figures(cluster, Path(home), SETTLED + (8 if short else 192))
            figures += long_figures(cluster, Path(home), minutes)
        finally:
            cluster.stop()
    write_figures("stream", [*figures, *store_figures(SHORT if short else FULL)])


def _json_figures(cluster: Cluster, home: Path, periods: int) -> list[Figure]:
    """JSON, one reading a message: consumed, decoded, stored."""
    rows = fill_json(cluster, "json", periods)
    topic = "json.telemetry.v1"
    raw = max(_consume(cluster, topic, rows, size, decodes=False) for size in SIZES)
    decoded = max(_consume(cluster, topic, rows, size, decodes=True) for size in SIZES * ROUNDS)
    embedded = max(_stored(cluster, "json", rows, _embedded(home)) for _ in range(ROUNDS))
    server = Server(home / "postgres")
    server.start()
    try:
        on_server = max(_stored(cluster, "json", rows, _postgres(server)) for _ in range(ROUNDS))
    finally:
        server.stop()
    bound = f"consume + decode: {decoded:,.0f} readings/s"
    return [
        Figure("JSON consumed, nothing more", raw, "messages/s"),
        Figure("JSON consumed and decoded", decoded, "readings/s", f"consumed: {raw:,.0f}/s", decoded / raw),
        Figure("JSON into the embedded store, exactly once", embedded, "readings/s", bound, embedded / decoded),
        Figure("JSON into PostgreSQL, exactly once", on_server, "readings/s", "aim 120,000", on_server / 120e3),
    ]


def _arrow_figures(cluster: Cluster, home: Path, periods: int) -> list[Figure]:
    """Arrow batches of 10,000 readings: decoded, stored."""
    rows = fill_arrow(cluster, "arrow", periods)
    topic = "arrow.telemetry.v1"
    decoded = max(_consume(cluster, topic, rows, 100, decodes=True) for _ in range(ROUNDS))
    embedded = max(_stored(cluster, "arrow", rows, _embedded(home)) for _ in range(ROUNDS))
    return [
        Figure("Arrow batches consumed and decoded", decoded, "readings/s"),
        Figure("Arrow batches into the embedded store", embedded, "readings/s", "aim 1,000,000", embedded / 1e6),
    ]


def _consume(cluster: Cluster, topic: str, rows: int, size: int, *, decodes: bool) -> float:
    """Readings a second that a bare consumer takes, decoded by our decoder or left as bytes."""
    words: dict[str, Any] = {"group.id": "bare", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer(cluster.client() | words | PREFETCH)
    ends = sum(consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=20)[1] for n in range(PARTITIONS))
    # From the assignment on, as our feed is measured: it has connected by then, and fetched nothing.
    taken, found, began = 0, 0, perf_counter()
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    # As our feed does: with the search for cycles the bound would be a third lower, and our share of it larger.
    with no_cycle_search():
        while taken < ends:
            messages: list[Any] = consumer.consume(size, 1.0)
            taken += len(messages)
            found += _decoded(messages) if decodes and messages else len(messages)
    seconds = perf_counter() - began
    consumer.close()
    if decodes and found != rows:
        raise AssertionError(f"{found} of {rows} readings decoded")
    return found / seconds


def _decoded(messages: list[Any]) -> int:
    values = [message.value() for message in messages]
    headers = [message.headers() for message in messages]
    forms = [head[0][1].decode() if head else "" for head in headers]
    arrived = np.array([message.timestamp()[1] for message in messages], np.int64) * 1000
    offsets = np.array([message.offset() for message in messages], np.int64)
    return len(decode_messages(values, forms, arrived, offsets, "bench/0", CHANNELS).readings)


def _stored(cluster: Cluster, prefix: str, rows: int, opened: Callable[[], Store]) -> float:
    """Readings a second through the feed, the checks and a new store: what `xiaona ingest` does."""
    clock = SystemClock()
    with closing(opened()) as store:
        settings = KafkaFeedSettings(cluster.client(), prefix)
        with closing(KafkaFeed(settings, CHANNELS, clock, store.offsets)) as feed:
            intake = Intake(feed, store, CHANNELS, clock, PLANT_PERIOD * 0, TripSwitch(1.0), Metrics(CHANNELS))
            began, cpu = perf_counter(), process_time()
            intake.run()
            typer.echo(f"{rows / intake.seconds:,.0f}/s, {process_time() - cpu:.1f} CPU s", err=True)
        counts = intake.counts
        if counts.stored != rows or not counts.is_conserved or perf_counter() < began:
            raise AssertionError(f"{counts} of {rows} readings")
    return rows / intake.seconds


def _embedded(home: Path) -> Callable[[], Store]:
    return lambda: EmbeddedStore(home / f"store-{next(_numbers)}")


def _postgres(server: Server) -> Callable[[], Store]:
    return lambda: PostgresStore(server.create_database(f"bench_{next(_numbers)}"))


if __name__ == "__main__":
    typer.run(main)

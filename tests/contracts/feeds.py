"""Every adapter of the feed's port, each opened on the same day of readings, to be held to the same laws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gridcore.clock import SystemClock
from gridcore.ports import Feed, Store
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA
from ingest.catalogue import open_grid
from ingest.channels import channels_of
from ingest.encode import encode_batch, encode_rows
from ingest.files import open_feed
from ingest.forms import READINGS
from ingest.kafka_feed import KafkaFeed
from ingest.kafka_play import OFFICIAL_TOLD, READINGS_TOLD, Player
from ingest.kafka_settings import KafkaFeedSettings
from ingest.push import PushFeed, Request
from ingest.push_body import NDJSON
from ingest.recording_feed import RecordingFeed
from ingest.wire_parts import ARROW, JSON

GRID = "example-9"
FIRST = datetime(2025, 3, 20, tzinfo=UTC)
LAST = FIRST + timedelta(hours=12)
SOURCE = open_grid(GRID)
CHANNELS = channels_of(SOURCE.network, SOURCE.reading_period)

OpenFeed = Callable[[Store], Any]
"""Gives a context with a feed for a store; opened again it is the same stream."""


def readings() -> pa.Table:
    """What each feed delivers."""
    return SOURCE.readings(FIRST, LAST)


def of_a_recording(store: Store) -> Any:
    empty = OFFICIAL_SCHEMA.empty_table(), OUTAGE_SCHEMA.empty_table()
    return _opened(RecordingFeed(readings(), *empty), lambda: None)


def of_a_file(folder: Path) -> OpenFeed:
    file = folder / "readings.parquet"
    pq.write_table(readings(), file)
    return lambda store: _opened(open_feed(f"file://{file}", GRID, SystemClock())[0], lambda: None)


def of_kafka(client: dict[str, Any], prefix: str, content_type: str) -> OpenFeed:
    """The readings played into fresh topics."""
    player = Player(client, prefix, content_type)
    player.play(READINGS_TOLD, readings())
    player.play(OFFICIAL_TOLD, SOURCE.official(FIRST, LAST).slice(0, 50))
    settings = KafkaFeedSettings(client, prefix, honours_recorded_arrival=True, max_buffered_mb=1)

    def opened(store: Store) -> Any:
        feed = KafkaFeed(settings, CHANNELS, SystemClock(), store.offsets)
        return _opened(feed, feed.close)

    return opened


def of_push(content_type: str) -> OpenFeed:
    """The readings pushed, those that came together in one request; a sender repeats its requests to a new server."""
    encode = {
        JSON: lambda rows: b"\n".join(encode_rows(rows, READINGS)),
        ARROW: lambda rows: encode_batch(rows, READINGS),
    }
    sent, came = readings(), readings().column("available_at")

    def opened(store: Store) -> Any:
        feed = PushFeed(CHANNELS, store.receipt, most_requests=len(sent))
        for at in came.unique().to_pylist():
            body = encode[content_type](sent.filter(pc.equal(came, pa.scalar(at, came.type))))
            kind = NDJSON if content_type == JSON else content_type
            feed.submit(Request(body, kind, at, None, f"gateway/{at}"))
        return _opened(feed, feed.close)

    return opened


@contextmanager
def _opened(feed: Feed, close: Callable[[], None]) -> Iterator[Feed]:
    try:
        yield feed
    finally:
        close()

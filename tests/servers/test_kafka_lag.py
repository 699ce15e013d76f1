"""Consumer lag as the metrics tell it: what a partition holds and we have not handed on."""

from __future__ import annotations

import json

import pytest

from gridcore.clock import SystemClock
from ingest.accept import accept
from ingest.channels import channels_of
from pipeline.ingest_command import END_OF_TIME
from pipeline.stream_settings import StreamSettings
from pipeline.streams import kafka_feed
from storage.memory import MemoryStore
from tests.ingest.builders import small_network
from tests.pipeline.push_server import wire
from tests.servers.clients import send

pytestmark = pytest.mark.kafka


def test_lag_is_all_that_waits_and_falls_to_nothing_when_it_is_read(kafka, topic_prefix):
    topic = f"{topic_prefix}.telemetry.v1"
    kafka.create_topics([topic], 1)
    assert send(kafka.client(), topic, [json.dumps(wire(5 * n)).encode() for n in range(5)]) == [None] * 5
    channels, store = channels_of(small_network()), MemoryStore()
    settings = StreamSettings(bootstrap_servers=kafka.client()["bootstrap.servers"], prefix=topic_prefix)
    feed = kafka_feed(settings, channels, store, SystemClock(), honours_recorded_arrival=False)
    try:
        feed.seek(store.offsets())
        batch = feed.next_until(END_OF_TIME)
        assert batch is not None
        assert feed.lags() == {f"{topic}/0": 5 - batch.next_offset}
        while batch is not None:
            accept(batch, store, channels)
            batch = feed.next_until(END_OF_TIME)
        assert feed.lags() == {f"{topic}/0": 0}
    finally:
        feed.close()
    assert store.offsets() == {f"{topic}/0": 5}

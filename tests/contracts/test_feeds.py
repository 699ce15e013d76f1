"""Laws that every feed keeps: a recording, a file, pushed requests, a stream."""

from __future__ import annotations

from datetime import timedelta

import pyarrow.compute as pc
import pytest

from ingest.accept import accept
from ingest.wire_parts import ARROW, JSON
from storage.memory import MemoryStore
from tests.contracts import feeds
from tests.contracts.feeds import CHANNELS, FIRST, LAST, OpenFeed
from tests.servers.conftest import kafka

__all__ = ["kafka"]

MIDDLE = FIRST + timedelta(hours=5, minutes=20)
END = LAST + timedelta(days=1)

STREAMS = [pytest.param(form, marks=pytest.mark.kafka) for form in (JSON, ARROW)]

PUSHES = {f"pushed as {form}": form for form in (JSON, ARROW)}


@pytest.fixture(scope="module", params=["recording", "file", *PUSHES, *STREAMS])
def open_feed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OpenFeed:
    """Opens one of the feeds."""
    if request.param == "recording":
        return feeds.of_a_recording
    if request.param == "file":
        return feeds.of_a_file(tmp_path_factory.mktemp("feed"))
    if request.param in PUSHES:
        return feeds.of_push(PUSHES[request.param])
    cluster = request.getfixturevalue("kafka")
    prefix = f"feeds-{'json' if request.param == JSON else 'arrow'}"
    cluster.create_topics([f"{prefix}.{name}.v1" for name in ("telemetry", "official", "outage")])
    return feeds.of_kafka(cluster.client(), prefix, request.param)


def test_all_that_was_sent_is_kept_once_as_it_was(open_feed):
    store = MemoryStore()
    counts = take(open_feed, store, END)
    sent = feeds.readings()
    assert counts == (len(sent), len(sent), 0)
    kept = store.known_at(END).readings([channel.name for channel in CHANNELS.channels], FIRST, LAST)
    wanted = sent.sort_by([("channel", "ascending"), ("valid_time", "ascending")])
    for name in ("channel", "valid_time", "value", "revision", "available_at"):
        assert kept.column(name).to_pylist() == wanted.column(name).to_pylist()


def test_nothing_later_than_the_instant_asked_for_is_given_and_nothing_earlier_is_held_back(open_feed):
    store = MemoryStore()
    early = pc.sum(pc.less_equal(feeds.readings().column("available_at"), MIDDLE)).as_py()
    with open_feed(store) as feed:
        feed.seek(store.offsets())
        batches = []
        while (batch := feed.next_until(MIDDLE)) is not None:
            batches.append(batch)
    assert all(pc.max(b.readings.column("available_at")).as_py() <= MIDDLE for b in batches if len(b.readings))
    # A message of many rows arrives as a whole; here none stands across an instant that is asked for.
    assert sum(len(batch.readings) for batch in batches) == pytest.approx(early, abs=len(CHANNELS))


def test_a_reader_that_died_goes_on_at_the_store_s_offsets(open_feed):
    store = MemoryStore()
    with open_feed(store) as feed:
        feed.seek(store.offsets())
        accept(feed.next_until(MIDDLE), store, CHANNELS)
        # Read, and never stored: this reader dies here.
        feed.next_until(MIDDLE)
    first = store.known_at(END).readings([channel.name for channel in CHANNELS.channels], FIRST, LAST)
    received, stored, duplicate = take(open_feed, store, END)
    assert (stored + len(first), duplicate) == (len(feeds.readings()), 0)
    assert received == stored


def test_each_batch_begins_where_its_source_stood(open_feed):
    store, stands = MemoryStore(), {}
    with open_feed(store) as feed:
        feed.seek({})
        for due in (MIDDLE, END):
            while (batch := feed.next_until(due)) is not None:
                assert batch.start_offset == stands.get(batch.source, 0)
                assert batch.next_offset > batch.start_offset
                stands[batch.source] = batch.next_offset


def take(open_feed, store, due):
    """Take all into a store: readings received, stored and found there already."""
    received = stored = duplicate = 0
    with open_feed(store) as feed:
        feed.seek(store.offsets())
        while (batch := feed.next_until(due)) is not None:
            counts = accept(batch, store, CHANNELS)
            assert counts.is_conserved
            received, stored = received + counts.received, stored + counts.stored
            duplicate += counts.duplicate
    return received, stored, duplicate

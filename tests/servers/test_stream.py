"""The stream through a real broker: whoever dies or comes back late, each reading is kept once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from gridcore.clock import SystemClock
from gridcore.errors import BadInputError, StoreConflictError, StreamGapError, StreamTrippedError
from ingest.accept import accept
from ingest.encode import encode_rows
from ingest.forms import READINGS
from ingest.kafka_feed import KafkaFeed
from ingest.kafka_play import READINGS_TOLD, Player
from ingest.kafka_settings import KafkaFeedSettings
from ingest.trip_switch import TripSwitch
from ingest.wire_parts import JSON
from pipeline.ingest_command import END_OF_TIME, Intake
from storage.memory import MemoryStore
from tests.contracts.feeds import CHANNELS, readings
from tests.servers.clients import send

pytestmark = pytest.mark.kafka

Open = Callable[..., KafkaFeed]


@pytest.fixture
def topic(kafka, topic_prefix) -> str:
    """A telemetry topic of four partitions."""
    name = f"{topic_prefix}.telemetry.v1"
    kafka.create_topics([name])
    return name


@pytest.fixture
def open_feed(kafka, topic_prefix) -> Any:
    """Opens feeds on that topic, and closes them at the end."""
    opened: list[KafkaFeed] = []

    def one(store, **words):
        settings = KafkaFeedSettings(kafka.client(), topic_prefix, **words)
        opened.append(KafkaFeed(settings, CHANNELS, SystemClock(), store.offsets))
        return opened[-1]

    yield one
    for feed in opened:
        feed.close()


def sent(kafka, topic_prefix, rows):
    Player(kafka.client(), topic_prefix, JSON).play(READINGS_TOLD, rows)


def drain(feed, store, due=END_OF_TIME):
    received = 0
    while (batch := feed.next_until(due)) is not None:
        received += accept(batch, store, CHANNELS).received
    return received


def patiently():
    """Again and again while a group may still be moving its partitions: members hear of it every five seconds."""
    clock = SystemClock()
    until = clock.now() + timedelta(seconds=60)
    while clock.now() < until:
        yield
        clock.wait_until(clock.now() + timedelta(seconds=0.1))


def test_a_zombie_s_commit_is_refused_and_it_goes_on_where_the_store_stands(kafka, topic, topic_prefix, open_feed):
    rows, store = readings(), MemoryStore()
    sent(kafka, topic_prefix, rows)
    zombie, heir = open_feed(store), open_feed(store)
    for feed in (zombie, heir):
        feed.seek(store.offsets())
    stale = zombie.next_until(END_OF_TIME)
    assert drain(heir, store) == len(rows)
    with pytest.raises(StoreConflictError):
        accept(stale, store, CHANNELS)
    zombie.seek(store.offsets())
    assert drain(zombie, store) == 0


def test_members_of_a_group_share_the_work_and_what_one_leaves_the_other_takes(kafka, topic, topic_prefix, open_feed):
    rows, store = readings(), MemoryStore()
    half = len(rows) // 2
    sent(kafka, topic_prefix, rows.slice(0, half))
    first, second = (open_feed(store, group=topic_prefix, grace_s=1.0) for _ in range(2))
    received = 0
    for _ in patiently():
        received += drain(first, store) + drain(second, store)
        if received == half and first.readiness() and second.readiness():
            break
    held = [set(feed.readiness()) for feed in (first, second)]
    assert all(held)
    assert not held[0] & held[1]
    first.close()
    sent(kafka, topic_prefix, rows.slice(half))
    for _ in patiently():
        received += drain(second, store)
        if received == len(rows):
            break
    assert received == len(rows)
    assert sum(store.offsets().values()) == len(rows)


@pytest.mark.parametrize("is_classic", [False, True], ids=["KIP-848", "cooperative-sticky"])
def test_a_member_reads_all_that_was_there_before_it_came(kafka, topic, topic_prefix, open_feed, is_classic):
    sent(kafka, topic_prefix, readings())
    # Messages, and the end behind them, may come with the assignment itself: many come, that one of them meets it.
    for number in range(6):
        store = MemoryStore()
        feed = open_feed(store, group=f"{topic_prefix}-{number}", grace_s=20.0, is_classic=is_classic)
        assert drain(feed, store) == len(readings())
        assert sum(store.offsets().values()) == len(readings())


@pytest.mark.parametrize("is_classic", [False, True], ids=["KIP-848", "cooperative-sticky"])
def test_a_member_too_many_waits_for_nothing_and_takes_over_what_is_left(kafka, topic_prefix, open_feed, is_classic):
    kafka.create_topics([f"{topic_prefix}.telemetry.v1"], partitions=1)
    rows, store, clock = readings(), MemoryStore(), SystemClock()
    half = len(rows) // 2
    sent(kafka, topic_prefix, rows.slice(0, half))
    words = {"group": topic_prefix, "grace_s": 60.0, "is_classic": is_classic}
    owner = open_feed(store, **words)
    assert drain(owner, store) == half
    spare, began = open_feed(store, **words), clock.now()
    assert drain(spare, store) == 0
    assert spare.is_ready
    assert clock.now() - began < timedelta(seconds=words["grace_s"] / 2)
    owner.close()
    sent(kafka, topic_prefix, rows.slice(half))
    received = 0
    for _ in patiently():
        received += drain(spare, store)
        if received == len(rows) - half:
            break
    assert sum(store.offsets().values()) == len(rows)


def test_a_reader_alone_reads_topics_and_partitions_that_are_added(kafka, topic, topic_prefix, open_feed, monkeypatch):
    monkeypatch.setattr("ingest.kafka_feed.LOOK_ANEW", timedelta(0))
    rows, store = readings(), MemoryStore()
    feed = open_feed(store)
    feed.seek(store.offsets())
    assert drain(feed, store) == 0
    kafka.create_topics([f"{topic_prefix}.outage.v1"], partitions=1)
    admin = AdminClient(kafka.client())
    (widened,) = admin.create_partitions([NewPartitions(topic, 12)]).values()
    widened.result(30)
    sent(kafka, topic_prefix, rows)
    for _ in patiently():
        if drain(feed, store) and sum(store.offsets().values()) == len(rows):
            break
    assert sum(store.offsets().values()) == len(rows)
    assert any(int(source.rpartition("/")[2]) >= 4 for source in store.offsets())
    for _ in patiently():
        drain(feed, store)
        if f"{topic_prefix}.outage.v1/0" in feed.readiness():
            break
    assert f"{topic_prefix}.outage.v1/0" in feed.readiness()


def test_messages_that_were_deleted_before_they_were_read_stop_the_run_by_name(kafka, topic, topic_prefix, open_feed):
    rows, store = readings(), MemoryStore()
    sent(kafka, topic_prefix, rows)
    feed = open_feed(store)
    feed.seek(store.offsets())
    batch = feed.next_until(END_OF_TIME)
    accept(replace(batch, next_offset=batch.start_offset + 1), store, CHANNELS)
    number = int(batch.source.rpartition("/")[2])
    admin = AdminClient(kafka.client())
    for done in admin.delete_records([TopicPartition(topic, number, batch.next_offset)]).values():
        done.result(30)
    late = open_feed(store)
    late.seek(store.offsets())
    with pytest.raises(StreamGapError, match=rf"{batch.source}; got the log begins at {batch.next_offset}.*offset 1"):
        drain(late, store)
    late.close()

    # The user lets them go: what is left is read, and a letter tells what is not there.
    last = open_feed(store, accepts_loss=True)
    last.seek(store.offsets())
    sent(kafka, topic_prefix, rows.slice(0, 40))
    drain(last, store)
    (letter,) = store.dead_letters
    deleted = f"offsets 1 to {batch.next_offset - 1} were deleted before they were read"
    assert (letter.source, letter.offset, letter.reason) == (batch.source, 1, "deleted_before_read")
    assert (letter.detail, letter.payload) == (deleted, b"")
    assert sum(store.offsets().values()) == len(rows) + 40


def test_a_store_ahead_of_the_topic_tells_that_the_topic_was_made_anew(kafka, topic, open_feed):
    store = MemoryStore()
    feed = open_feed(store)
    feed.seek({f"{topic}/0": 7})
    with pytest.raises(StreamGapError, match="the log ends at 0"):
        feed.next_until(END_OF_TIME)


def test_senders_clocks_are_no_arrival(kafka, topic_prefix, open_feed):
    name = f"{topic_prefix}.telemetry.v1"
    kafka.create_topics([name], settings={"message.timestamp.type": "CreateTime"})
    sent(kafka, topic_prefix, readings().slice(0, 3))
    feed = open_feed(MemoryStore())
    feed.seek({})
    with pytest.raises(BadInputError, match="LogAppendTime"):
        feed.next_until(END_OF_TIME)


def test_what_a_transaction_took_back_is_passed_over_and_offsets_chain_across_the_hole(
    kafka, topic, topic_prefix, open_feed
):
    rows, store = readings().slice(0, 2), MemoryStore()
    producer = Producer(kafka.client() | {"transactional.id": topic_prefix})
    producer.init_transactions(30)
    for value, keeps in zip(encode_rows(rows, READINGS), (False, True), strict=True):
        producer.begin_transaction()
        producer.produce(topic, value, partition=0)
        producer.flush(30)
        producer.commit_transaction(30) if keeps else producer.abort_transaction(30)
    feed = open_feed(store)
    feed.seek(store.offsets())
    assert drain(feed, store) == 1
    assert feed.is_ready
    assert store.offsets() == {f"{topic}/0": 3}


def test_a_backlog_that_takes_longer_than_the_grace_time_is_taken_to_its_end(
    kafka, topic, topic_prefix, open_feed, monkeypatch
):
    rows, store, clock = readings(), MemoryStore(), SystemClock()
    for most in ("MOST_MESSAGES", "FULL_MESSAGES"):
        monkeypatch.setattr(f"ingest.kafka_feed.{most}", len(rows) // 20)
    sent(kafka, topic_prefix, rows)
    feed, was_at_end = open_feed(store, grace_s=1.0), []

    def is_at_end():
        was_at_end.append(feed.is_ready)
        return feed.is_ready

    class Slow:
        """Takes its time over each batch."""

        def kept(self, *_):
            clock.wait_until(clock.now() + timedelta(seconds=0.2))

        def turned(self):
            """Nothing."""

    intake = Intake(feed, store, CHANNELS, clock, timedelta(0), TripSwitch(1.0), Slow(), is_at_end=is_at_end)
    intake.run()
    assert intake.counts.received == len(rows)
    # The grace time did pass meanwhile, or this would show nothing.
    assert was_at_end[-1]
    assert not all(was_at_end)


def test_poison_is_kept_with_its_place_and_too_much_of_it_stops_the_stream(kafka, topic, topic_prefix, open_feed):
    store = MemoryStore()
    good = list(encode_rows(readings(), READINGS))
    send(kafka.client(), topic, [*good[:500], b"\xff\x00", b"[1]", *good[500:]])
    intake = Intake(open_feed(store), store, CHANNELS, SystemClock(), timedelta(0), TripSwitch(0.5))
    intake.run()
    assert intake.counts.received == 578
    assert sum(intake.counts.dead_letters.values()) == 2
    assert intake.counts.is_conserved
    send(kafka.client(), topic, [b"garbage"] * 1500)
    intake = Intake(open_feed(store), store, CHANNELS, SystemClock(), timedelta(0), TripSwitch(0.5))
    with pytest.raises(StreamTrippedError, match="too much of the stream"):
        intake.run()
    # What tripped it is kept, so that the next run need not see it again.
    assert 1578 <= sum(store.offsets().values()) <= 2078


def test_a_tick_waits_for_the_end_that_the_stream_has_after_it(kafka, topic, topic_prefix, open_feed):
    rows, store = readings().slice(0, 100), MemoryStore()
    feed = open_feed(store)
    feed.seek(store.offsets())
    now = SystemClock().now()
    assert feed.next_until(now) is None
    assert set(feed.readiness().values()) == {"at_end"}
    sent(kafka, topic_prefix, rows)
    # They came after the instant, so that they wait.
    assert feed.next_until(now - timedelta(minutes=1)) is None
    assert "read_past" in feed.readiness().values()
    assert drain(feed, store, datetime(9000, 1, 1, tzinfo=UTC)) == 100


def test_a_wrong_password_or_an_open_line_ends_the_run_at_once(kafka_secured):
    good = kafka_secured.client("gateway")
    for wrong in ({"sasl.password": "guess"}, {"ssl.ca.location": str(kafka_secured.keys / "stranger-ca.pem")}):
        with pytest.raises(BadInputError, match="the broker refused us"):
            KafkaFeed(KafkaFeedSettings(good | wrong), CHANNELS, SystemClock(), dict)

"""The relay and a real broker: nothing is lost or changed by kills, restarts and refusals; at worst it comes twice."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from gridcore.clock import SystemClock
from gridcore.errors import BadInputError
from gridcore.ports import DeadLetter
from gridcore.topics import OUTGOING
from pipeline.relaying import RelayThread
from pipeline.stream_settings import StreamSettings
from storage.embedded import EmbeddedStore
from storage.embedded_tables import EmbeddedTables
from storage.kafka_outlet import KafkaOutlet
from storage.outbox import pending_count
from storage.relay import Relay
from tests.contracts.store_content import SOURCE, batch, decision, minutes
from tests.servers.clients import read_all
from tests.servers.postgres_stores import in_postgres

pytestmark = pytest.mark.kafka

TICKS = (0, 15, 30)
"""Minutes of the decisions; each has 7 messages, and there are two dead letters."""


def fill(store):
    for issued in TICKS:
        store.publish(decision(issued))
    letters = [DeadLetter(minutes(n), SOURCE, n, "not_json", "no brace", b"%d" % n) for n in range(2)]
    store.accept(replace(batch(0), next_offset=2), letters)


@pytest.fixture
def store(tmp_path):
    with closing(EmbeddedStore(tmp_path / "store")) as opened:
        fill(opened)
        yield opened


@pytest.fixture
def topics(kafka, topic_prefix):
    return make_topics(kafka, topic_prefix)


def make_topics(cluster, prefix):
    names = [f"{prefix}.{name.partition('.')[2]}" for name in OUTGOING]
    cluster.create_topics(names, 2)
    return names


def on_the_wire(client, topics):
    """Id and bytes of every message, in the order of their partitions."""
    found = [message for topic in topics for message in read_all(client, topic, 2)]
    assert all(dict(message.headers())["content-type"] == b"application/json" for message in found)
    return [(dict(message.headers())["id"].decode(), message.value(), message.key().decode()) for message in found]


def issue_times(wire):
    """Issue times of each key of each topic, in the order in which they first came."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, value, key in dict.fromkeys(wire):
        if "issue_time" in (words := json.loads(value)):
            found.setdefault((name.partition("-")[0], key), []).append(words["issue_time"])
    return found


def settings(cluster, prefix):
    return StreamSettings(bootstrap_servers=cluster.bootstrap, prefix=prefix)


def wait_until_idle(relay, within=timedelta(seconds=60)):
    """Until nothing is pending; a relay that fails, or takes too long, is an error."""
    clock = SystemClock()
    until = clock.now() + within
    while relay.idle_for is None:
        relay.demand_good()
        assert clock.now() < until, relay.complaint
        clock.wait_until(clock.now() + timedelta(seconds=0.1))


def run_relay(*words):
    command = [sys.executable, "-m", "pipeline.cli", "relay", "--json", "--until-idle", "0", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_relay_killed_between_the_acknowledgement_and_the_mark_sends_each_once_more(
    kafka, topic_prefix, topics, store
):
    words = [sys.executable, "-m", "tests.servers.relay_program", store.path, kafka.bootstrap, topic_prefix]
    killed = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert killed.returncode == -9, killed.stderr
    assert pending_count(store) == 15
    first = on_the_wire(kafka.client(), topics)
    assert len(first) == len(set(first)) == 21
    with closing(KafkaOutlet(kafka.client(), topic_prefix)) as outlet, closing(EmbeddedTables(store.path)) as tables:
        assert sum(Relay(tables, outlet, SystemClock()).step().values()) == 23
        assert not Relay(tables, outlet, SystemClock()).step()
    wire = on_the_wire(kafka.client(), topics)
    assert len(wire) == 21 * 2 + 2
    assert len(set(wire)) == len({name for name, _, _ in wire}) == 23
    assert pending_count(store) == 0
    for came in issue_times(wire).values():
        assert came == sorted(came)


def test_the_command_sends_what_is_pending_and_tells_how_much(kafka, topic_prefix, topics, store):
    config = store.path / "live.toml"
    config.write_text(f'[stream]\nbootstrap_servers = "elsewhere"\nprefix = "{topic_prefix}"\n')
    words = ("--store", store.path, "--to", f"kafka://{kafka.bootstrap}", "--config", config)
    told = run_relay(*words)
    assert told.returncode == 0, told.stderr
    counts = {name.partition(".")[2]: count for name, count in json.loads(told.stdout)["sent"].items()}
    assert counts == {"forecast.v1": 12, "plan.v1": 6, "setpoint.v1": 3, "dead_letter.v1": 2}
    assert json.loads(run_relay(*words).stdout) == {"sent": {}}
    assert len(on_the_wire(kafka.client(), topics)) == 23


def test_a_thread_beside_the_writer_sends_what_is_published_and_empties_the_outbox_at_its_end(
    kafka, topic_prefix, topics, store
):
    with closing(RelayThread(store.path, settings(kafka, topic_prefix), SystemClock())) as relay:
        for issued in range(45, 300, 15):
            store.publish(decision(issued))
            relay.wake()
            relay.demand_good()
    relay.demand_good()
    assert pending_count(store) == 0
    wire = on_the_wire(kafka.client(), topics)
    assert len(wire) == len(set(wire)) == 20 * 7 + 2
    for came in issue_times(wire).values():
        assert came == sorted(came)


def test_a_broker_that_is_killed_meanwhile_gets_each_message_once(kafka_three, topic_prefix, store):
    topics = make_topics(kafka_three, topic_prefix)
    relay = RelayThread(store.path, settings(kafka_three, topic_prefix), SystemClock())
    try:
        for killed in kafka_three.numbers:
            kafka_three.kill_broker(killed)
            for issued in range(60 * killed, 60 * killed + 60, 15):
                store.publish(decision(issued))
                relay.wake()
            kafka_three.start_broker(killed)
            kafka_three.wait_until_ready()
        wait_until_idle(relay)
    finally:
        relay.close()
    relay.demand_good()
    assert pending_count(store) == 0
    wire = on_the_wire(kafka_three.client(), topics)
    assert len(wire) == len(set(wire)) == (len(TICKS) + 12) * 7 + 2


@pytest.mark.postgres
def test_a_store_on_a_server_is_relayed_by_the_same_command(kafka, topic_prefix, topics, postgres):
    with in_postgres(postgres) as store:
        fill(store)
        with closing(KafkaOutlet(kafka.client(), topic_prefix)) as outlet:
            relay = Relay(store, outlet, SystemClock())
            assert sum(relay.step().values()) == 23
            assert not relay.step()
        assert pending_count(store) == 0
    wire = on_the_wire(kafka.client(), topics)
    assert len(wire) == len(set(wire)) == 23


def test_a_missing_topic_is_named_at_the_start(kafka, topic_prefix, store):
    kafka.create_topics([f"{topic_prefix}.forecast.v1"], 1)
    with pytest.raises(BadInputError, match=rf"{topic_prefix}\.plan\.v1, .*dead_letter\.v1"):
        RelayThread(store.path, settings(kafka, topic_prefix), SystemClock())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"sasl.password": "guess"}, "refused"),
        ({"ssl.ca.location": "stranger-ca.pem"}, "refused"),
        ({"security.protocol": "PLAINTEXT"}, "no broker answers"),
        ({"bootstrap.servers": "127.0.0.1:1"}, "no broker answers"),
    ],
    ids=["wrong password", "unknown authority", "plaintext", "nobody there"],
)
def test_a_relay_that_may_not_in_ends_at_once_and_sends_nothing(kafka_secured, topic_prefix, store, wrong, told):
    topics = make_topics(kafka_secured, topic_prefix)
    if "ssl.ca.location" in wrong:
        wrong = {"ssl.ca.location": str(kafka_secured.keys / wrong["ssl.ca.location"])}
    began = SystemClock().now()
    with pytest.raises(BadInputError, match=told):
        KafkaOutlet(kafka_secured.client("gateway") | {"log_level": 0} | wrong, topic_prefix)
    assert SystemClock().now() - began < timedelta(seconds=20)
    assert on_the_wire(kafka_secured.client(), topics) == []


def test_a_relay_without_the_right_to_write_ends_and_marks_nothing(kafka_secured, topic_prefix, store):
    topics = make_topics(kafka_secured, topic_prefix)
    allow_to_see(kafka_secured, topic_prefix)
    with (
        closing(KafkaOutlet(kafka_secured.client("gateway"), topic_prefix)) as outlet,
        closing(EmbeddedTables(store.path)) as tables,
        pytest.raises(BadInputError, match="refused"),
    ):
        Relay(tables, outlet, SystemClock()).step()
    assert pending_count(store) == 15
    assert on_the_wire(kafka_secured.client(), topics) == []


def allow_to_see(cluster, prefix):
    """The user `gateway` sees the topics and may not write to them."""
    allowed = AclBinding(
        ResourceType.TOPIC, prefix, ResourcePatternType.PREFIXED, "User:gateway", "*", AclOperation.DESCRIBE,
        AclPermissionType.ALLOW,
    )  # fmt: skip
    admin = AdminClient(cluster.client())
    for done in admin.create_acls([allowed]).values():
        done.result(30)

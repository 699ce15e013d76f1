"""What we rest on in Apache Kafka itself, and that the clusters of `infra.kafka` have it."""

from __future__ import annotations

from functools import partial

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AclOperation, AdminClient, ResourceType

from infra.kafka.acls import allow
from tests.servers.clients import is_log_append_time, read_all, send

pytestmark = pytest.mark.kafka


def test_a_message_comes_back_with_the_broker_s_own_time(kafka, topic_prefix):
    kafka.create_topics([topic_prefix])
    assert send(kafka.client(), topic_prefix, [b"a", b"b"]) == [None, None]
    found = read_all(kafka.client(), topic_prefix)
    assert sorted(message.value() for message in found) == [b"a", b"b"]
    assert all(is_log_append_time(message) for message in found)


def test_what_a_transaction_took_back_is_not_read_and_leaves_a_gap_in_the_offsets(kafka, topic_prefix):
    kafka.create_topics([topic_prefix], 1)
    producer = Producer(kafka.client() | {"transactional.id": topic_prefix})
    producer.init_transactions(30)
    for value, keeps in ((b"kept", True), (b"taken back", False), (b"kept too", True)):
        producer.begin_transaction()
        producer.produce(topic_prefix, value)
        producer.commit_transaction(30) if keeps else producer.abort_transaction(30)
    found = read_all(kafka.client(), topic_prefix, 1)
    assert [message.value() for message in found] == [b"kept", b"kept too"]
    assert found[1].offset() > found[0].offset() + 1


@pytest.mark.parametrize(
    "protocol",
    [{"group.protocol": "consumer"}, {"partition.assignment.strategy": "cooperative-sticky"}],
    ids=["KIP-848", "cooperative-sticky"],
)
def test_two_members_of_a_group_share_the_partitions(kafka, topic_prefix, protocol):
    kafka.create_topics([topic_prefix])
    words = kafka.client() | {"group.id": topic_prefix, "enable.auto.commit": False} | protocol
    members = [Consumer(words) for _ in range(2)]
    held: list[set[int]] = [set(), set()]
    for member, mine in zip(members, held, strict=True):
        gained, lost = partial(_change, mine.update), partial(_change, mine.difference_update)
        member.subscribe([topic_prefix], on_assign=gained, on_revoke=lost)
    for _ in range(300):
        for member in members:
            member.poll(0.1)
        if all(held) and held[0] | held[1] == set(range(4)) and not held[0] & held[1]:
            break
    assert sorted(map(len, held)) == [2, 2]
    assert held[0] | held[1] == set(range(4))
    for member in members:
        member.close()


def _change(change, consumer, parts):
    change(part.partition for part in parts)


def test_a_broker_of_three_that_is_killed_loses_nothing_that_was_acknowledged(kafka_three, topic_prefix):
    kafka_three.create_topics([topic_prefix])
    values = [b"%d" % number for number in range(2000)]
    assert not any(send(kafka_three.client(), topic_prefix, values[:1000]))
    kafka_three.kill_broker(2)
    try:
        assert not any(send(kafka_three.client(), topic_prefix, values[1000:]))
        found = {message.value() for message in read_all(kafka_three.client(), topic_prefix)}
    finally:
        kafka_three.start_broker(2)
        kafka_three.wait_until_ready()
    assert found == set(values)


def test_a_user_reads_and_writes_what_acls_allow_and_nothing_else(kafka_secured, topic_prefix):
    allowed, other = f"{topic_prefix}-allowed", f"{topic_prefix}-other"
    kafka_secured.create_topics([allowed, other])
    allow(kafka_secured, "gateway", allowed, {ResourceType.TOPIC: (AclOperation.WRITE, AclOperation.DESCRIBE)})
    gateway = kafka_secured.client("gateway")
    assert send(gateway, allowed, [b"x"]) == [None]
    assert [m.value() for m in read_all(kafka_secured.client(), allowed)] == [b"x"]
    (refused,) = send(gateway, other, [b"x"])
    assert refused is not None
    assert refused.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"sasl.password": "guess"}, KafkaError._AUTHENTICATION),
        ({"ssl.ca.location": "stranger-ca.pem"}, KafkaError._SSL),
        ({"security.protocol": "PLAINTEXT"}, KafkaError._ALL_BROKERS_DOWN),
    ],
    ids=["wrong password", "unknown authority", "plaintext"],
)
def test_a_client_that_may_not_in_is_told_so_and_sends_nothing(kafka_secured, wrong, code):
    words = kafka_secured.client("gateway") | wrong
    if "ssl.ca.location" in wrong:
        words["ssl.ca.location"] = str(kafka_secured.keys / wrong["ssl.ca.location"])
    seen: list[int] = []
    admin = AdminClient(words | {"error_cb": lambda error: seen.append(error.code()), "log_level": 0})
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=5)
    admin.poll(0)
    assert code in seen

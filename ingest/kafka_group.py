"""A member's place in its consumer group, asked where the client does not tell it."""

from __future__ import annotations

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from ingest.kafka_client import Client

ANSWER_S = 2.0
"""How long the group's coordinator is waited for [s]."""


def is_spare(client: Client, group: str, member: str) -> bool:
    """The group has settled, and has no partition for this member: there are more members than partitions.

    The protocol of KIP-848 calls back a member that gains partitions, and never one that gains none.

    Args:
        client: Where and as whom to connect.
        group: Name of the group.
        member: The member's id.
    """
    admin = AdminClient(dict(client))
    try:
        found = admin.describe_consumer_groups([group], request_timeout=ANSWER_S)[group].result()
    except KafkaException:
        return False
    if found.state != ConsumerGroupState.STABLE:
        return False
    own = [one for one in found.members if one.member_id == member]
    return bool(own) and not any(
        told.topic_partitions for one in own for told in (one.assignment, one.target_assignment) if told is not None
    )

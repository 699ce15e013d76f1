"""How Kafka is read, and what a feed tells of a tick's wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ingest.kafka_client import Client
from ingest.wire_parts import BATCH_READERS, BatchReader


class Readiness(StrEnum):
    """Why a tick need not wait longer for a partition."""

    PAST = "read_past"
    """It was read past the instant."""

    END = "at_end"
    """It was read to the end that it had after the instant."""

    GRACE = "grace_over"
    """The grace time has passed before either."""


@dataclass(frozen=True)
class KafkaFeedSettings:
    """How a feed reads."""

    client: Client
    """Where and as whom to connect, in librdkafka's names."""

    prefix: str = "xiaona"
    """First part of the topics' names."""

    group: str = ""
    """Consumer group whose members share the partitions; empty for a reader of all of them, which no rebalance, and
    no dead member's session that has yet to run out, keeps waiting."""

    is_classic: bool = False
    """Members share by cooperative-sticky from the start; else it is what they fall back to on older brokers."""

    grace_s: float = 30.0
    """How long a partition that is not read to its end holds a tick back [s]."""

    max_buffered_mb: int = 64
    """What waits in this process in all; a partition beyond its share is paused [MB]."""

    accepts_loss: bool = False
    """What the broker deleted before it was read is let go, with a dead letter that says so; else it stops the feed."""

    readers: Mapping[str, BatchReader] = field(default_factory=lambda: BATCH_READERS)
    """What reads messages of many readings, by content type."""

    honours_recorded_arrival: bool = False
    """A reading was first had when it says, not when it came to the broker: for replays of a recording."""

"""The broker as a consumer sees it: how it is asked, which topics it has, and what its errors mean to a caller.

Where and as whom to connect comes from outside (`client`: librdkafka's own names); nothing here weakens it, so that a
refused certificate or password ends the run and never falls back to plaintext.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

from confluent_kafka import Consumer, KafkaError, KafkaException

from gridcore.errors import BadInputError, GridError, StreamGapError

Client = Mapping[str, str | int | bool]
"""Settings of librdkafka that say where the brokers are and who we are."""

FIRST_ANSWER_S = 10.0
"""A broker that has not answered the first question by then is not there [s]."""

REFUSED = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
"""The broker does not let us in: waiting changes nothing."""

NEW_PROTOCOL = "ConsumerGroupHeartbeat"
"""Request of the group protocol of KIP-848; a broker that lacks it, being older than Kafka 4.0 or told so, is known by
nothing but this word in a fatal error."""


def consumer_settings(client: Client, group: str, *, is_classic: bool = False) -> dict[str, str | int | bool]:
    """Settings of a consumer whose place is kept by the store alone.

    Args:
        client: Where and as whom to connect.
        group: Name of the consumer group; without members it only names the reader in the broker's log.
        is_classic: The cooperative-sticky assignment of brokers before Kafka 4.0 in place of KIP-848.
    """
    settings: dict[str, str | int | bool] = {
        "group.id": group,
        # The store's offset, written with the rows, is the only one that counts; a group's own could run ahead of it.
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # An offset that the broker no longer has is lost data, to be told and not jumped over.
        "auto.offset.reset": "error",
        # Tells that a partition is read to its end, which lets a tick begin.
        "enable.partition.eof": True,
        # Prefetching decides the speed: 138 k/s with the default that stops at 1 MB a fetch and starves between
        # batches, 480 k/s with a queue that holds several batches. 64 MB bounds what waits in librdkafka.
        "queued.min.messages": 500_000,
        "queued.max.messages.kbytes": 65_536,
        "fetch.message.max.bytes": 4 << 20,
        "fetch.max.bytes": 64 << 20,
        # A fetch waits for 64 kB, but 20 ms at most: full fetches under load, and a lone reading is not kept waiting.
        "fetch.min.bytes": 65_536,
        "fetch.wait.max.ms": 20,
        # After a full queue the default waits a second before it fetches again.
        "fetch.queue.backoff.ms": 10,
        # A process that is stopped for longer loses its partitions; what it then commits, the store refuses.
        "max.poll.interval.ms": 300_000,
        "check.crcs": True,
    }
    # The broker's side of KIP-848 sets the session's timeouts; the old protocol has them in the client.
    settings |= (
        {"group.protocol": "classic", "partition.assignment.strategy": "cooperative-sticky"}
        if is_classic
        else {"group.protocol": "consumer"}
    )
    return settings | dict(client)


class Complaints:
    """Errors that librdkafka tells of beside the messages, through `error_cb`; the first refusal is kept."""

    def __init__(self, brokers: str) -> None:
        self._brokers, self._refusal, self.last = brokers, None, ""

    def __call__(self, error: KafkaError) -> None:
        """Keep an error."""
        self.last = str(error.str())
        if error.code() in REFUSED:
            self._refusal = self._refusal or error

    _refusal: KafkaError | None

    def demand_none(self) -> None:
        """Raise `BadInputError` where the broker has refused us."""
        if self._refusal is not None:
            raise meaning(self._refusal, self._brokers)


def meaning(error: KafkaError, where: str) -> GridError:
    """An error of Kafka as an error of ours.

    Args:
        error: What librdkafka says.
        where: Brokers, topic or partition that it is about.
    """
    if error.code() in REFUSED:
        wanted = "the broker's certificate, user, password and rights as the settings have them"
        return BadInputError("the broker refused us", file=where, got=error.str(), wanted=wanted)
    return BadInputError("Kafka can't go on", file=where, got=error.str(), wanted="a broker that answers")


def topics_of(consumer: Consumer, complaints: Complaints, brokers: str) -> dict[str, list[int]]:
    """Partitions of every topic; the first question to a broker, so that a wrong address or password is told at once.

    Raises:
        BadInputError: No broker answers within `FIRST_ANSWER_S`, or it refuses us.
    """
    began = perf_counter()
    while True:
        # Polling serves `error_cb`, which alone tells of a refusal.
        consumer.poll(0)
        complaints.demand_none()
        try:
            listed = consumer.list_topics(timeout=1.0).topics
        except KafkaException as cause:
            error = cause.args[0]
            consumer.poll(0)
            complaints.demand_none()
            if error.code() in REFUSED:
                raise meaning(error, brokers) from cause
            if perf_counter() - began < FIRST_ANSWER_S:
                continue
            told = complaints.last or error.str()
            raise BadInputError("no broker answers", file=brokers, got=told, wanted="a running Kafka") from cause
        return {name: sorted(topic.partitions) for name, topic in listed.items()}


def lacks_new_protocol(error: KafkaError) -> bool:
    """The broker does not speak the group protocol of KIP-848."""
    unsupported = {KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION}
    return error.code() in unsupported or (error.code() == KafkaError._FATAL and NEW_PROTOCOL in error.str())


def gap(source: str, offset: int, first: int, end: int) -> StreamGapError:
    """The broker no longer has, or never had, the offset that comes next."""
    if offset < first:
        got = f"the log begins at {first}: {first - offset} messages were deleted before they were read"
        wanted = f"offset {offset}, or accepts_loss = true in [stream] to go on with what is left"
    else:
        got = f"the log ends at {end}: it is another topic, or it was made anew"
        wanted = f"offset {offset}"
    return StreamGapError("the stream does not hold the store's offset", file=source, got=got, wanted=wanted)

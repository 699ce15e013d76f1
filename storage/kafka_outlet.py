"""Kafka as the relay's outlet: an idempotent producer, and nothing counts as sent before all copies of it are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from time import perf_counter

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage

from gridcore.errors import BadInputError, GridError
from gridcore.topics import OUTGOING
from storage.outgoing import Envelope

FIRST_ANSWER_S = 10.0
"""A broker that has not answered the first question by then is not there [s]."""

POLL_S = 0.5
"""How long an acknowledgement is waited for before it is asked whether the process is to end [s]."""

PARTING_S = 5.0
"""A process that is to end waits for so long for an acknowledgement more: a change of leaders takes seconds [s]."""

LARGEST_MESSAGE = 16 << 20
"""What the client would send; the topic's own limit, 1 MB by default, is the one that decides [bytes]."""

REFUSED = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
"""The broker does not let us in, or not write: waiting changes nothing."""

WANTED = {
    KafkaError.MSG_SIZE_TOO_LARGE: "a topic with a larger max.message.bytes",
    KafkaError._UNKNOWN_TOPIC: "a topic that was made",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "a topic that was made",
    **dict.fromkeys(REFUSED, "the broker's certificate, user, password and rights as the settings have them"),
}
"""What is wanted in place of an error."""


class KafkaOutlet:
    """Sends to the outgoing topics.

    A broker that is away is waited for as long as it takes: the producer sends again under the same numbers, and the
    broker keeps one of each. Only a process that ends meanwhile leaves messages that its successor sends anew.

    Args:
        client: Where and as whom to connect, in librdkafka's names.
        prefix: First part of the topics' names.
        is_ending: Asked while the broker does not answer: True ends the wait.

    Raises:
        BadInputError: No broker answers, it refuses us, or a topic is missing.
    """

    def __init__(
        self,
        client: Mapping[str, str | int | bool],
        prefix: str = "xiaona",
        *,
        is_ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self._brokers, self._prefix, self._is_ending = str(client["bootstrap.servers"]), prefix, is_ending
        self._unanswered, self._answered_at = 0, perf_counter()
        self._failure: tuple[KafkaError, str] | None = None
        self.complaint = ""
        settings: dict[str, object] = {
            "enable.idempotence": True,
            "acks": "all",
            # Never given up by the client: giving up would leave it unknown whether the broker has a message.
            "message.timeout.ms": 0,
            "message.max.bytes": LARGEST_MESSAGE,
            "queue.buffering.max.kbytes": 64 << 10,
            "compression.type": "lz4",
            "linger.ms": 2,
            "error_cb": self._complain,
        }
        try:
            self._producer = Producer(settings | dict(client))
        except (KafkaException, ValueError) as cause:
            raise BadInputError("settings that Kafka's client refuses", file=self._brokers, got=cause) from cause
        try:
            self._demand_topics()
        except BaseException:
            self.close()
            raise

    def send(self, messages: Sequence[Envelope]) -> bool:
        """Send in order; True when the broker has all of them, False when the process is to end before.

        Raises:
            BadInputError: The broker refuses us, or will not take a message.
        """
        for message in messages:
            if not self._produce(message):
                return False
        while self._unanswered:
            if not self._progress():
                return False
        self._demand_good()
        return True

    def close(self) -> None:
        """Close the connections; what was not acknowledged is let go of, since it is still pending in the store."""
        # A refusal that ended the producer is told again by each of its calls.
        with suppress(KafkaException):
            self._producer.purge()
            self._producer.flush(0)

    def _produce(self, message: Envelope) -> bool:
        topic = self._named(message.topic)
        told: dict[str, str | bytes | None] = {"id": message.message_id, "content-type": "application/json"}
        key, answered = message.key.encode(), partial(self._answered, topic)
        while True:
            try:
                self._producer.produce(topic, message.value, key, headers=told, on_delivery=answered)
            except BufferError:
                # Its queue is full: acknowledgements make room.
                if not self._progress():
                    return False
                continue
            except KafkaException as cause:
                # After a fatal error nothing is taken any more; what made it fatal waits to be polled, and says why.
                self._poll(POLL_S)
                raise _meaning(cause.args[0], topic) from cause
            self._unanswered += 1
            return True

    def _progress(self) -> bool:
        """Wait for acknowledgements; False when none came for a while and the process is to end."""
        unanswered, now = self._unanswered, perf_counter()
        self._poll(POLL_S)
        if self._unanswered < unanswered or not self._is_ending():
            self._answered_at = now
        return now - self._answered_at < PARTING_S

    def _poll(self, seconds: float) -> None:
        """Let acknowledgements and complaints come in; raise the first that ends it."""
        try:
            self._producer.poll(seconds)
        except KafkaException as cause:
            raise _meaning(cause.args[0], self._brokers) from cause
        self._demand_good()

    def _answered(self, topic: str, error: KafkaError | None, _message: KafkaMessage) -> None:
        self._unanswered -= 1
        if error is not None:
            self._failure = self._failure or (error, topic)

    def _complain(self, error: KafkaError) -> None:
        self.complaint = str(error.str())
        if error.code() in REFUSED:
            self._failure = self._failure or (error, self._brokers)

    def _demand_good(self) -> None:
        if self._failure is not None:
            raise _meaning(*self._failure)

    def _demand_topics(self) -> None:
        began = perf_counter()
        while True:
            self._poll(0)
            try:
                found = self._producer.list_topics(timeout=1.0).topics
            except KafkaException as cause:
                error = cause.args[0]
                self._poll(0)
                if error.code() in REFUSED:
                    raise _meaning(error, self._brokers) from cause
                if perf_counter() - began < FIRST_ANSWER_S:
                    continue
                got, wanted = self.complaint or error.str(), "a running Kafka"
                raise BadInputError("no broker answers", file=self._brokers, got=got, wanted=wanted) from cause
            break
        if missing := [topic for topic in map(self._named, OUTGOING) if topic not in found]:
            wanted = "topics that were made, and the right to see them"
            raise BadInputError("no such topic", file=self._brokers, got=", ".join(missing), wanted=wanted)

    def _named(self, topic: str) -> str:
        """A topic's name with the prefix of this outlet."""
        return f"{self._prefix}.{topic.partition('.')[2]}"


def _meaning(error: KafkaError, where: str) -> GridError:
    """An error of Kafka as an error of ours."""
    what = "the broker refused us" if error.code() in REFUSED else "the broker did not take a message"
    return BadInputError(what, file=where, got=error.str(), wanted=WANTED.get(error.code(), "an acknowledgement"))

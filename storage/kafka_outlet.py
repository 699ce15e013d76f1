"""Kafka as an outlet: messages are sent in order, and are sent only once every copy of the broker has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from gridcore.errors import BadInputError
from storage.outgoing import Outgoing

PATIENCE_S = 60.0
"""How long the broker may take to acknowledge what was sent [s]."""

REFUSED = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
"""The broker does not let us in: waiting changes nothing."""


class KafkaOutlet:
    """Sends outgoing messages.

    Args:
        client: Where and as whom to connect, in librdkafka's names.
        prefix: First part of the topics' names, in place of `xiaona`.
    """

    def __init__(self, client: Mapping[str, str | int | bool], prefix: str = "xiaona") -> None:
        self._brokers, self._prefix = str(client["bootstrap.servers"]), prefix
        self._failure: KafkaError | None = None
        self._last = ""
        settings: dict[str, object] = {
            # Idempotence keeps the order of a key, and drops what the client itself sends again.
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "lz4",
            "linger.ms": 5,
            "delivery.timeout.ms": int(1000 * PATIENCE_S),
            "error_cb": self._complain,
        }
        try:
            self._producer = Producer(settings | dict(client))
        except (KafkaException, ValueError) as cause:
            raise BadInputError("settings that Kafka's client refuses", file=self._brokers, got=cause) from cause

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Send messages and wait until each is acknowledged.

        Raises:
            BadInputError: The broker refuses us, or did not acknowledge all of them; each may yet be on the wire.
        """
        self._failure = None
        for message in messages:
            self._produce(message)
        left = self._producer.flush(PATIENCE_S)
        if self._failure is not None:
            raise self._refused(self._failure)
        if left:
            got = self._last or f"{left} messages without an answer"
            raise BadInputError("the broker does not answer", file=self._brokers, got=got)

    def _produce(self, message: Outgoing) -> None:
        topic = f"{self._prefix}.{message.topic.partition('.')[2]}"
        headers: list[tuple[str, str | bytes | None]] = [
            ("id", message.message_id.encode()),
            ("content-type", b"application/json"),
        ]
        while True:
            try:
                self._producer.produce(topic, message.value, message.key, headers=headers, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.1)
                if self._failure is not None:
                    raise self._refused(self._failure) from None
                continue
            except KafkaException as cause:
                raise self._refused(cause.args[0]) from cause
            return

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        self._failure = self._failure or error

    def _complain(self, error: KafkaError) -> None:
        self._last = error.str()
        if error.code() in REFUSED:
            # What waits would wait in vain.
            self._failure = self._failure or error
            self._producer.purge()

    def _refused(self, error: KafkaError) -> BadInputError:
        what = "the broker refused us" if error.code() in REFUSED else "a message was not taken"
        return BadInputError(what, file=self._brokers, got=error.str(), wanted="an acknowledgement")

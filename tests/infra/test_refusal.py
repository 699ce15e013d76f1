"""A client that is to speak TLS never falls back: an open port hears the beginning of TLS and no word of ours."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import KafkaError, Producer

SECRETS = (b"gateway", b"gateway-secret", b"xiaona.telemetry.v1", b"a reading")
"""User, password, topic and message."""


def _heard(listener: socket.socket, count: int) -> list[bytes]:
    """What so many connections say first; each is answered as an open broker would not, and closed."""
    said = []
    for _ in range(count):
        connection, _address = listener.accept()
        with connection:
            said.append(connection.recv(65536))
    return said


@pytest.mark.parametrize(
    "security",
    [
        {"security.protocol": "SSL"},
        {
            "security.protocol": "SASL_SSL",
            "sasl.mechanisms": "SCRAM-SHA-512",
            "sasl.username": "gateway",
            "sasl.password": "gateway-secret",
        },
    ],
    ids=["TLS", "TLS and SCRAM"],
)
def test_an_open_port_hears_tls_and_nothing_of_ours(security):
    seen: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        heard = pool.submit(_heard, listener, 3)
        words = {
            "bootstrap.servers": f"127.0.0.1:{listener.getsockname()[1]}",
            "reconnect.backoff.ms": 10,
            "reconnect.backoff.max.ms": 50,
            "log_level": 0,
            "error_cb": lambda error: seen.append(error.code()),
        }
        producer = Producer(words | security)
        producer.produce("xiaona.telemetry.v1", b"a reading")
        while not heard.done():
            producer.poll(0.1)
        said = heard.result()
        producer.purge()
        producer.flush(10)
    tls_handshake = b"\x16\x03"
    assert all(words.startswith(tls_handshake) for words in said)
    assert not [secret for secret in SECRETS for words in said if secret in words]
    assert set(seen) & {KafkaError._SSL, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}

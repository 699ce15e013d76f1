"""Real servers, each started once for all tests that ask for it, and emptied for none: every test has its own names."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from infra.kafka.cluster import Cluster
from infra.postgres.server import Server

_numbers = count()

USERS = {"gateway": "gateway-secret", "nobody": "nobody-secret"}
"""SCRAM users of the secured cluster: `gateway` has what a test allows it, `nobody` nothing."""


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One plain broker."""
    yield from _running(Cluster(tmp_path_factory.mktemp("kafka")))


@pytest.fixture(scope="session")
def kafka_three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three plain brokers; a test that kills one starts it again."""
    yield from _running(Cluster(tmp_path_factory.mktemp("kafka-three"), brokers=3))


@pytest.fixture(scope="session")
def kafka_secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker with TLS, SCRAM and ACLs."""
    yield from _running(Cluster(tmp_path_factory.mktemp("kafka-secured"), is_secured=True, users=dict(USERS)))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL server; a test that kills it starts it again."""
    # pytest's folders are root's alone, and made so again by each pytest that starts; the server is another user's.
    with TemporaryDirectory(prefix="xiaona-postgres-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def postgres(postgres_server: Server) -> str:
    """URL of an empty database."""
    return postgres_server.create_database(f"test_{next(_numbers)}")


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics that no other test uses."""
    return f"test-{next(_numbers)}"


def _running(cluster: Cluster) -> Iterator[Cluster]:
    cluster.cache = Path("build/kafka")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()

"""Real servers, each started once for all tests that ask for it, and emptied for none: every test has its own names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    with _open_folder() as folder:
        server = Server(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture
def postgres_folder() -> Iterator[Path]:
    """A folder for a server of the test's own."""
    with _open_folder() as folder:
        yield folder


@pytest.fixture
def postgres(postgres_server: Server) -> str:
    """URL of an empty database."""
    return postgres_server.create_database(f"test_{next(_numbers)}")


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics that no other test uses."""
    return f"test-{next(_numbers)}"


@contextmanager
def _open_folder() -> Iterator[Path]:
    """A folder that another user may enter, as whom the server runs when we are root.

    Not one of pytest's: each pytest that starts closes their root to others again, under the running server.
    """
    with TemporaryDirectory(prefix="xiaona-postgres-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name) / "server"


def _running(cluster: Cluster) -> Iterator[Cluster]:
    cluster.cache = Path("build/kafka")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()

"""`python -m infra.kafka` as a person uses it: its folder goes on, its brokers obey, and it leaves none behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.kafka.cluster import Cluster
from tests.servers.clients import read_all, send
from tests.servers.programs import Program

pytestmark = pytest.mark.kafka

TOPIC = "xiaona.telemetry.v1"


def _free_ports(count: int) -> list[int]:
    """First ports of as many programs; each takes three."""
    return [ports.client for ports in Cluster(Path("unused"), count).ports]


@contextmanager
def _running(folder: Path, port: int, *words: str) -> Iterator[tuple[Program, dict[str, str]]]:
    with Program("infra.kafka", "--folder", str(folder), "--port", str(port), *words) as program:
        said = program.wait_for("Ctrl-C ends it")
        yield program, dict(line.split("=", 1) for line in said)


def _pid(folder: Path, number: int = 1) -> int:
    return int((folder / f"broker-{number}" / "pid").read_text(encoding="utf-8"))


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/exe").exists()


def test_it_obeys_takes_its_broker_with_it_and_goes_on_with_the_folder_under_another_port(tmp_path):
    first, second = _free_ports(2)
    with _running(tmp_path, first) as (program, client):
        assert send(client, TOPIC, [b"kept"]) == [None]
        program.tell("kill 1")
        with pytest.raises(KafkaException):
            AdminClient(client | {"log_level": 0}).list_topics(timeout=1)
        program.tell("start 1")
        assert [message.value() for message in read_all(client, TOPIC)] == [b"kept"]
        assert _is_alive(broker := _pid(tmp_path))
        assert program.end(signal.SIGTERM) == 0
    assert not _is_alive(broker)
    with _running(tmp_path, second) as (program, client):
        assert client["bootstrap.servers"] == f"127.0.0.1:{second}"
        assert [message.value() for message in read_all(client, TOPIC)] == [b"kept"]
        assert _is_alive(broker := _pid(tmp_path))
        assert program.end(signal.SIGINT) == 0
    assert not _is_alive(broker)


def test_a_password_of_today_counts_and_a_user_reads_and_writes_what_is_xiaonas(tmp_path):
    (port,) = _free_ports(1)
    with _running(tmp_path, port, "--secured", "--user", "gateway=old-secret") as (_, admin):
        assert send(admin | {"sasl.username": "gateway", "sasl.password": "old-secret"}, TOPIC, [b"a"]) == [None]
    words = ["--secured", "--user", "gateway=new-secret", "--user", "late=late-secret"]
    with _running(tmp_path, port, *words) as (_, admin):
        users = {"gateway": "new-secret", "late": "late-secret"}
        clients = [admin | {"sasl.username": name, "sasl.password": secret} for name, secret in users.items()]
        assert [send(client, TOPIC, [b"b"]) for client in clients] == [[None], [None]]
        found = read_all(clients[1], TOPIC, **{"group.id": "xiaona-reader"})
        assert sorted(message.value() for message in found) == [b"a", b"b", b"b"]
        stale = clients[0] | {"sasl.password": "old-secret", "log_level": 0}
        with pytest.raises(KafkaException):
            AdminClient(stale).list_topics(timeout=2)

"""A cluster on loopback: brokers as processes that can be started, stopped, killed and frozen one by one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from infra.kafka.jars import HERE, fetch_jars
from infra.kafka.keys import make_keys
from infra.kafka.properties import ADMIN, Ports, properties

CACHE = Path("build/kafka")
"""Where the jars are kept."""

CLUSTER_ID = "eGlhb25hLXRlc3QtY2x1cw"
"""Any 16 bytes in base 64: `xiaona-test-clus`."""

READY_S = 90.0
"""How long a broker may take to answer; it takes 4 s on two idle cores [s]."""

JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""A small heap and a quick start: three brokers share two cores with the tests."""

LOG_APPEND = {"message.timestamp.type": "LogAppendTime"}
"""A reading's `available_at` is when the broker had it."""


@dataclass
class Cluster:
    """One broker or three; a folder keeps its data, so that it can be started again."""

    folder: Path
    """Data, keys, settings and logs."""

    brokers: int = 1
    """How many."""

    is_secured: bool = False
    """TLS, SCRAM users and ACLs."""

    users: dict[str, str] = field(default_factory=dict)
    """Passwords of SCRAM users by name; `admin` may do everything, the others what ACLs say."""

    ports: tuple[Ports, ...] = ()
    """Ports of each broker; free ones where not given."""

    cache: Path = CACHE
    """Where the jars are kept."""

    _processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Choose ports."""
        self.folder = self.folder.resolve()
        if not self.ports:
            free = _free_ports(3 * self.brokers)
            self.ports = tuple(Ports(*free[3 * n : 3 * n + 3]) for n in range(self.brokers))

    @property
    def bootstrap(self) -> str:
        """`bootstrap.servers` of a client."""
        return ",".join(f"127.0.0.1:{ports.client}" for ports in self.ports)

    @property
    def numbers(self) -> range:
        """Broker numbers, from 1."""
        return range(1, self.brokers + 1)

    @property
    def keys(self) -> Path:
        """Folder of the certificates of a secured cluster."""
        return self.folder / "keys"

    def client(self, user: str = ADMIN) -> dict[str, Any]:
        """Settings of a client; of a secured cluster as one of its users."""
        words: dict[str, Any] = {"bootstrap.servers": self.bootstrap}
        if self.is_secured:
            words |= {
                "security.protocol": "SASL_SSL",
                "sasl.mechanisms": "SCRAM-SHA-512",
                "sasl.username": user,
                "sasl.password": self.users[user],
                "ssl.ca.location": str(self.keys / "ca.pem"),
            }
        return words

    def start(self) -> None:
        """Format what is new, start every broker, and wait until the cluster answers."""
        if self.is_secured:
            self.users.setdefault(ADMIN, "admin-secret")
            make_keys(self.keys)
        for number in self.numbers:
            self.start_broker(number)
        self.wait_until_ready()

    def start_broker(self, number: int) -> None:
        """Start one broker, for the first time or again; it may not answer yet."""
        home = self.folder / f"broker-{number}"
        settings = home / "server.properties"
        if not settings.is_file():
            home.mkdir(parents=True, exist_ok=True)
            words = properties(number, self.ports, home / "data", self.keys if self.is_secured else None)
            settings.write_text("".join(f"{key}={value}\n" for key, value in words.items()), encoding="utf-8")
            self._format(settings)
        with (home / "broker.log").open("ab") as log:
            self._processes[number] = subprocess.Popen(
                self._java("kafka.Kafka", str(settings)), stdout=log, stderr=log, start_new_session=True
            )
        (home / "pid").write_text(str(self._processes[number].pid), encoding="utf-8")

    def stop_broker(self, number: int) -> None:
        """End a broker in order."""
        self.signal_broker(number, signal.SIGTERM)
        self._processes.pop(number).wait(30)

    def kill_broker(self, number: int) -> None:
        """Kill a broker (kill -9)."""
        self.signal_broker(number, signal.SIGKILL)
        self._processes.pop(number).wait(30)

    def signal_broker(self, number: int, what: signal.Signals) -> None:
        """Send a signal to a broker, e.g. SIGSTOP and SIGCONT."""
        self._processes[number].send_signal(what)

    def stop(self) -> None:
        """End every broker; one that does not end is killed."""
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)
        self._processes.clear()

    def wait_until_ready(self, brokers: int | None = None) -> None:
        """Wait until so many brokers (all of them by default) are in the cluster, and topics can be asked for.

        Raises:
            SystemExit: They are not within `READY_S`; the end of the brokers' logs is told.
        """
        wanted, until = brokers or self.brokers, perf_counter() + READY_S
        admin = AdminClient(self.client() | {"log_level": "0"})
        while perf_counter() < until:
            try:
                if len(admin.list_topics(timeout=2).brokers) >= wanted:
                    return
            except KafkaException:
                pass
            if any(process.poll() is not None for process in self._processes.values()):
                break
            threading.Event().wait(0.2)
        told = [(self.folder / f"broker-{n}" / "broker.log").read_text(errors="replace")[-2000:] for n in self.numbers]
        raise SystemExit("Kafka does not answer:\n" + "\n".join(told))

    def create_topics(self, names: Sequence[str], partitions: int = 4, settings: dict[str, str] | None = None) -> None:
        """Create topics that stamp each message with the time it was appended; those that are there stay.

        Args:
            names: Their names.
            partitions: Partitions of each.
            settings: Settings of the topics besides.
        """
        admin = AdminClient(self.client())
        there = admin.list_topics(timeout=30).topics
        config = LOG_APPEND | (settings or {})
        topics = [NewTopic(name, partitions, self.brokers, config=config) for name in names if name not in there]
        if not topics:
            return
        for done in admin.create_topics(topics, operation_timeout=30).values():
            done.result(40)

    def _format(self, settings: Path) -> None:
        words = self._java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(settings))
        for user, password in self.users.items() if self.is_secured else ():
            words += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")

    def _java(self, *words: str) -> list[str]:
        jars = fetch_jars(self.cache)
        logging = f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"
        return ["java", *JVM, logging, "-cp", f"{jars.resolve()}{os.sep}*", *words]


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; bound all at once, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()

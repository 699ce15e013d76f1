"""A cluster on loopback: brokers as processes that can be started, stopped, killed and frozen one by one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    ClusterMetadata,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from infra.kafka.jars import HERE, fetch_jars
from infra.kafka.keys import make_keys
from infra.kafka.properties import ADMIN, Ports, properties

CACHE = Path("build/kafka")
"""Where the jars are kept."""

CLUSTER_ID = "eGlhb25hLXRlc3QtY2x1cw"
"""Any 16 bytes in base 64: `xiaona-test-clus`."""

READY_S = 180.0
"""How long a broker may take to answer; 4 s on two idle cores, but 62 s secured and beside a load of 17 [s]."""

STOP_S = 20.0
"""How long a broker may take to end; it takes 1 to 2 s [s]."""

JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""A small heap and a quick start: three brokers share two cores with the tests."""

ITERATIONS = 4096
"""Of SCRAM: Kafka's own least number."""

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
        if self.is_secured:
            self._set_passwords()

    def is_running(self, number: int) -> bool:
        """The broker was started and has not ended; a frozen one runs."""
        return number in self._processes and self._processes[number].poll() is None

    def start_broker(self, number: int) -> None:
        """Start one broker, for the first time or again; it may not answer yet."""
        home = self.folder / f"broker-{number}"
        settings = home / "server.properties"
        home.mkdir(parents=True, exist_ok=True)
        # Written at every start: a folder of an earlier run goes on under today's ports.
        words = properties(number, self.ports, home / "data", self.keys if self.is_secured else None)
        settings.write_text("".join(f"{key}={value}\n" for key, value in words.items()), encoding="utf-8")
        self._format(settings)
        with (home / "broker.log").open("ab") as log:
            self._processes[number] = subprocess.Popen(
                self._java("kafka.Kafka", str(settings)), stdout=log, stderr=log, start_new_session=True
            )
        (home / "pid").write_text(str(self._processes[number].pid), encoding="utf-8")

    def stop_broker(self, number: int) -> None:
        """End a broker in order, a frozen one too; one that does not end in time is killed."""
        self._end({number: self._processes.pop(number)})

    def kill_broker(self, number: int) -> None:
        """Kill a broker (kill -9)."""
        self.signal_broker(number, signal.SIGKILL)
        self._processes.pop(number).wait(30)

    def signal_broker(self, number: int, what: signal.Signals) -> None:
        """Send a signal to a broker, e.g. SIGSTOP and SIGCONT."""
        self._processes[number].send_signal(what)

    def stop(self) -> None:
        """End every broker in order, all at once; one that does not end in time is killed."""
        self._end(self._processes)
        self._processes.clear()

    @staticmethod
    def _end(processes: dict[int, subprocess.Popen[bytes]]) -> None:
        for process in processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in processes.values():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_S)

    def wait_until_ready(self, brokers: int | None = None) -> None:
        """Wait until each started broker, itself asked, sees so many brokers (all by default) and whole partitions.

        A partition is whole with as many in-sync replicas as brokers are wanted, or as it has. So a test that had one
        broker killed and started again may kill another and lose nothing.

        Raises:
            SystemExit: They are not within `READY_S`; the end of the brokers' logs is told.
        """
        wanted, until = brokers or self.brokers, perf_counter() + READY_S
        waiting = set(self._processes)
        while perf_counter() < until and all(map(self.is_running, self._processes)):
            waiting -= {number for number in waiting if self._is_ready(number, wanted)}
            if not waiting:
                return
            threading.Event().wait(0.2)
        told = [(self.folder / f"broker-{n}" / "broker.log").read_text(errors="replace")[-2000:] for n in self.numbers]
        raise SystemExit(f"Kafka does not answer, broker {', '.join(map(str, sorted(waiting)))}:\n" + "\n".join(told))

    def _is_ready(self, number: int, wanted: int) -> bool:
        # A client of its own, that knows this broker alone: the others go on listing one that was killed for seconds.
        itself = {"bootstrap.servers": f"127.0.0.1:{self.ports[number - 1].client}", "log_level": 0}
        try:
            seen: ClusterMetadata = AdminClient(self.client() | itself).list_topics(timeout=2)
        except KafkaException:
            return False
        partitions = [p for topic in seen.topics.values() for p in topic.partitions.values()]
        return len(seen.brokers) >= wanted and all(len(p.isrs) >= min(wanted, len(p.replicas)) for p in partitions)

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

    def _set_passwords(self) -> None:
        """Give every user the password asked for now; a folder of an earlier run knows the users of its first start."""
        admin = AdminClient(self.client())
        changes: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(
                user, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS), password.encode()
            )
            for user, password in self.users.items()
            if user != ADMIN
        ]
        for done in admin.alter_user_scram_credentials(changes).values() if changes else ():
            done.result(30)
        # The controller has answered; a broker learns of it a moment later.
        wait_until(lambda: all(map(self._may_in, self.users)), "every user may in")

    def _may_in(self, user: str) -> bool:
        try:
            AdminClient(self.client(user) | {"log_level": 0}).list_topics(timeout=2)
        except KafkaException:
            return False
        return True

    def _format(self, settings: Path) -> None:
        """Make the storage where there is none; a format that was killed is done again, for it writes its mark last."""
        if (settings.parent / "data" / "meta.properties").is_file():
            return
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


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds.

    Raises:
        SystemExit: It does not within `READY_S`.
    """
    until = perf_counter() + READY_S
    while not holds():
        if perf_counter() > until:
            raise SystemExit(f"Kafka: not within {READY_S:.0f} s: {what}")
        threading.Event().wait(0.05)


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

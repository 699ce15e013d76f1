"""The rig: a real broker, a store, and `xiaona ingest` as a process that can be killed, frozen and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from gridcore.errors import BadInputError
from infra.kafka.cluster import Cluster
from infra.kafka.topics import TOPICS
from ingest.catalogue import open_grid
from ingest.channels import ChannelTable, channels_of
from pipeline.stores import care_of
from storage.address import is_server
from storage.embedded import EmbeddedStore
from storage.postgres import PostgresStore
from tests.faults.ledger import Ledger, Outcome, outcome_of
from tests.faults.sender import TOPIC

GRID = "example-9"
"""Whose channels are sent."""

PARTITIONS = 4
"""Of the telemetry topic."""

FOR_EVER_S = 1e6
"""Longer than any fault takes [s]."""

CATCH_UP_S = 120.0
"""How long catching up may take before it counts as not come [s]."""


@dataclass
class Rig:
    """One fault's own topics on a shared cluster, and its own store."""

    cluster: Cluster
    """The broker, running."""

    folder: Path
    """Store, exports and what the processes said."""

    store: str = ""
    """Directory or address of the store; a new directory by default."""

    user: str = "admin"
    """User of a secured cluster."""

    ledger: Ledger = field(default_factory=Ledger)
    """What was sent."""

    options: tuple[str, ...] = ()
    """Further words of every `xiaona ingest`."""

    environment: dict[str, str] = field(default_factory=dict)
    """Of every `xiaona ingest`, besides ours."""

    def __post_init__(self) -> None:
        """Make the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = self.store or str(self.folder / "store")
        self._runs = 0

    @property
    def channels(self) -> ChannelTable:
        """The grid's channels."""
        source = open_grid(GRID)
        return channels_of(source.network, source.reading_period)

    def ingest(self, *words: str, until_idle_s: float | None = None) -> subprocess.Popen[str]:
        """Start `xiaona ingest`; it runs until it is ended, or until nothing came for so long."""
        self._runs += 1
        told = (self.folder / f"run-{self._runs}.log").open("w", encoding="utf-8")
        idle = ["--until-idle", str(FOR_EVER_S if until_idle_s is None else until_idle_s)]
        command = [sys.executable, "-m", "pipeline.cli", "ingest", "--from", f"kafka://{self.cluster.bootstrap}"]
        command += ["--grid", GRID, "--store", self.store, "--json", *idle, *self.options, *words]
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), **self.environment}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True, env=environment)

    def start_command(self, *words: str) -> subprocess.Popen[str]:
        """Start `xiaona WORDS`; what it tells goes to files, since a pipe that nobody reads would stop it."""
        self._runs += 1
        told = (self.folder / f"run-{self._runs}.log").open("w", encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), **self.environment}
        command = [sys.executable, "-m", "pipeline.cli", *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True, env=environment)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `xiaona WORDS` to its end."""
        process = self.start_command(*words)
        out, _ = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, self.said())

    def said(self) -> str:
        """What the last process wrote to standard error."""
        return (self.folder / f"run-{self._runs}.log").read_text(encoding="utf-8", errors="replace")

    def drain(self, until_idle_s: float = 2.0) -> dict[str, Any]:
        """Run `xiaona ingest` until nothing is left, and give its closing JSON; it must end well."""
        process = self.ingest(until_idle_s=until_idle_s)
        out, _ = process.communicate(timeout=600)
        if process.returncode:
            raise AssertionError(f"ingest ended with {process.returncode}: {self.said()[-2000:]}")
        facts: dict[str, Any] = json.loads(out)
        kept = sum(facts[name] for name in ("stored", "duplicate", "revised", "conflict"))
        if facts["received"] != kept + sum(facts["dead_letters"].values()):
            raise AssertionError(f"the conservation law is broken: {facts}")
        return facts

    def wait_until_caught_up(self, within_s: float = CATCH_UP_S) -> float:
        """Wait until the store's offsets are at the topic's ends; gives the seconds it took.

        The ends are read once: what is sent meanwhile is not waited for.
        """
        began, ends = perf_counter(), self.ends()
        while perf_counter() - began < within_s:
            offsets = self.offsets()
            if all(offsets.get(source, 0) >= end for source, end in ends.items() if end):
                return perf_counter() - began
            threading.Event().wait(0.1)
        raise AssertionError(f"not caught up within {within_s} s: {self.offsets()} of {ends}; {self.said()[-1500:]}")

    def ends(self) -> dict[str, int]:
        """End of each partition, by source name."""
        words = {"group.id": "faults-ends", "enable.auto.commit": False}
        consumer = Consumer(self.cluster.client() | words)
        try:
            return {f"{TOPIC}/{number}": _end_of(consumer, number) for number in range(PARTITIONS)}
        finally:
            consumer.close()

    def offsets(self) -> dict[str, int]:
        """The store's offsets, read beside the process that writes."""
        if is_server(self.store):
            store: PostgresStore | EmbeddedStore = PostgresStore(self.store)
        else:
            try:
                store = EmbeddedStore(Path(self.store), is_read_only=True)
            except BadInputError:  # not made yet
                return {}
        try:
            return store.offsets()
        finally:
            store.close()

    def outcome(self, name: str, recovery_s: float, note: str = "", *, holds: bool = True) -> Outcome:
        """Check and export the store, and hold it against the ledger."""
        care = care_of(self.store)
        findings = care.check()
        if findings:
            holds, note = False, f"{note}; store check: {findings[0]}"
        out = self.folder / "export"
        care.export(out)
        return outcome_of(name, self.ledger, out, recovery_s, note, holds=holds)


def _end_of(consumer: Consumer, number: int) -> int:
    """End of a partition; a topic that was just made, or a broker just back, has no leader for a moment."""
    began = perf_counter()
    while True:
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(TOPIC, number), timeout=20)[1])
        except KafkaException:
            if perf_counter() - began > CATCH_UP_S:
                raise
            threading.Event().wait(0.5)


def end(process: subprocess.Popen[str], what: signal.Signals = signal.SIGINT) -> int:
    """Send a signal and wait for the end; gives the exit code."""
    process.send_signal(what)
    process.communicate(timeout=60)
    return int(process.returncode)


@contextmanager
def cluster(folder: Path, brokers: int = 1, *, is_secured: bool = False, **settings: Any) -> Iterator[Cluster]:
    """A running cluster with Xiaona's topics."""
    users = settings.pop("users", {})
    made = Cluster(folder, brokers, is_secured, users, cache=Path("build/kafka"))
    try:
        made.start()
        made.create_topics(TOPICS, PARTITIONS, settings.pop("topic_settings", None))
        yield made
    finally:
        made.stop()

"""Faults of what goes out: the relay killed between the broker's acknowledgement and its own mark, again and again."""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from gridcore.topics import OUTGOING
from storage.embedded import EmbeddedStore
from storage.outbox import pending_count
from tests.contracts.store_content import decision
from tests.faults.ledger import Outcome
from tests.faults.rig import PARTITIONS, Rig, end
from tests.faults.setting import pause

DECISIONS = 400
"""Decisions in the outbox, of seven messages each."""

KILLS = 8
"""Times that the relay is killed while it sends."""


def relay_killed(rig: Rig) -> Outcome:
    """`kill -9` at random points of the relay; each message is on the wire in the end, again at worst, bytes equal."""
    with closing(EmbeddedStore(Path(rig.store))) as store:
        for number in range(DECISIONS):
            store.publish(decision(15 * number))
    words = ("relay", "--store", rig.store, "--to", f"kafka://{rig.cluster.bootstrap}", "--json")
    draw, killed = np.random.default_rng(5), 0
    for _ in range(KILLS):
        process = rig.start_command(*words)
        pause(float(draw.uniform(1.0, 3.0)))
        if process.poll() is None:
            killed += 1
            end(process, signal.SIGKILL)
    began = perf_counter()
    done = rig.command(*words, "--until-idle", "0")
    recovery_s = perf_counter() - began
    wire = _messages(rig.cluster.client())
    bodies: dict[bytes, set[bytes]] = {}
    for name, body in wire:
        bodies.setdefault(name, set()).add(body)
    with closing(EmbeddedStore(Path(rig.store))) as store:
        left = pending_count(store)
    # 2 forecast, 4 plan and 1 setpoint messages a decision: one for each target or asset.
    expected = 7 * DECISIONS
    again = len(wire) - len(bodies)
    changed = sum(len(different) - 1 for different in bodies.values())
    note = f"{killed} kills; {again} messages came again under their own id; exit code {done.returncode}"
    lost = expected - len(bodies)
    holds = done.returncode == 0 and left == 0
    return Outcome("relay kill -9", expected, len(bodies), len(bodies), lost, changed, 0, recovery_s, note, holds)


def _messages(client: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """Id and bytes of every message of the outgoing topics."""
    words = {"group.id": "faults-wire", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer(client | words)
    places = [TopicPartition(topic, n, OFFSET_BEGINNING) for topic in OUTGOING for n in range(PARTITIONS)]
    consumer.assign(places)
    found, ended = [], 0
    while ended < len(places):
        messages: list[Any] = consumer.consume(5000, 1.0)
        for message in messages:
            if message.error() is None:
                found.append((dict(message.headers())["id"], message.value()))
            else:
                ended += message.error().code() == KafkaError._PARTITION_EOF
    consumer.close()
    return found

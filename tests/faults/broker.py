"""Faults of the broker and the way to it: killed, alone and one of three; a sender that is told no; a slow network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from tests.faults.ledger import Outcome
from tests.faults.rig import Rig, end
from tests.faults.sender import Sender, readings_of
from tests.faults.setting import BEGINS, pause

SLOW = "tc qdisc add dev lo root tbf rate 2mbit burst 128kb latency 25ms"
"""A token bucket, since it is in every kernel; netem, with its delays and losses by chance, is not."""

SPACE = "xiaona-faults"
"""Network namespace of the slow network."""


def killed(rig: Rig) -> Outcome:
    """The only broker is killed and started again while readings come."""
    return _killed(rig, 1, "broker kill -9 and restart")


def one_of_three_killed(rig: Rig) -> Outcome:
    """One broker of three is killed and started again; the others go on meanwhile."""
    return _killed(rig, 2, "one of three brokers kill -9 and restart")


def _killed(rig: Rig, number: int, name: str) -> Outcome:
    sender = Sender(rig.cluster.client(), rig.ledger)
    sender.start(readings_of(rig.channels.channels, BEGINS, 10**6), 2000)
    process = rig.ingest()
    rig.wait_until_caught_up()
    rig.cluster.kill_broker(number)
    pause(5.0)
    rig.cluster.start_broker(number)
    began = perf_counter()
    rig.cluster.wait_until_ready()
    pause(3.0)
    sender.stop()
    rig.wait_until_caught_up()
    recovery_s = perf_counter() - began
    code = end(process)
    rig.drain()
    return rig.outcome(name, recovery_s, f"exit code {code}", holds=code in {0, 130})


def produce_errors(rig: Rig) -> Outcome:
    """The broker is away for longer than a sender waits: what it reports as failed is sent again by the gateway."""
    impatient = Sender(rig.cluster.client(), rig.ledger, **{"delivery.timeout.ms": 1500, "socket.timeout.ms": 1000})
    readings = list(readings_of(rig.channels.channels, BEGINS, 60))
    process = rig.ingest()
    impatient.send(readings[: len(readings) // 2])
    rig.cluster.kill_broker(1)
    impatient.send(readings[len(readings) // 2 :])
    failed = rig.ledger.sent - rig.ledger.acknowledged
    rig.cluster.start_broker(1)
    began = perf_counter()
    rig.cluster.wait_until_ready()
    impatient.send(r for r in readings if r.identity not in rig.ledger.readings)
    rig.wait_until_caught_up()
    recovery_s = perf_counter() - began
    end(process)
    rig.drain()
    return rig.outcome("produce errors", recovery_s, f"{failed} messages failed at first", holds=failed > 0)


def slow_network(rig: Rig) -> Outcome:
    """2 Mbit/s for everybody together, and packets dropped when they queue: in a network namespace of its own.

    A queue of 25 ms on loopback makes senders and readers lose packets all the time, and connections stall.
    """
    sender = Sender(rig.cluster.client(), rig.ledger)
    process = rig.ingest()
    began = perf_counter()
    sender.send(readings_of(rig.channels.channels, BEGINS, 400))
    sent_s = perf_counter() - began
    rig.wait_until_caught_up()
    recovery_s = perf_counter() - began - sent_s
    end(process)
    rig.drain()
    return rig.outcome("slow network", recovery_s, f"sending took {sent_s:.1f} s")


def in_slow_namespace(name: str, result: Path, inside: str) -> Outcome:
    """Run a fault by this program within a namespace whose loopback is slow. Wants root, ip and tc.

    Args:
        name: The fault.
        result: File for its outcome.
        inside: Variable of the environment that tells the program where it is, and the file.
    """
    enter = ["ip", "netns", "exec", SPACE]
    subprocess.run(["ip", "netns", "delete", SPACE], check=False, capture_output=True)
    subprocess.run(["ip", "netns", "add", SPACE], check=True)
    try:
        for command in ("ip link set lo up", SLOW):
            subprocess.run([*enter, *command.split()], check=True)
        words = {**os.environ, "PYTHONPATH": str(Path.cwd()), inside: str(result)}
        subprocess.run(
            [*enter, sys.executable, "-m", "tests.faults", name], check=False, env=words, capture_output=True
        )
        return Outcome(**json.loads(result.read_text(encoding="utf-8"))[0])
    finally:
        subprocess.run(["ip", "netns", "delete", SPACE], check=False)

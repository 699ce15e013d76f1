"""Faults of the consumer: killed, frozen past its group's patience, thrown about by rebalances."""

from __future__ import annotations

import signal
from itertools import islice

import numpy as np

from gridcore.timeline import PERIOD
from tests.faults.ledger import Outcome
from tests.faults.rig import Rig, end
from tests.faults.sender import Sender, readings_of
from tests.faults.setting import BEGINS, pause

KILLS = 20
"""Times that the consumer is killed."""


def killed(rig: Rig) -> Outcome:
    """`kill -9` at random points, 20 times, while readings come; the next process goes on from the store."""
    draw = np.random.default_rng(0)
    sender = Sender(rig.cluster.client(), rig.ledger)
    sender.start(readings_of(rig.channels.channels, BEGINS, 10**6), 2000)
    for _ in range(KILLS):
        process = rig.ingest()
        # Between the start of Python and the middle of a stream of commits.
        pause(float(draw.uniform(1.0, 4.0)))
        end(process, signal.SIGKILL)
    sender.stop()
    process = rig.ingest()
    recovery_s = rig.wait_until_caught_up()
    end(process)
    rig.drain()
    return rig.outcome("consumer kill -9, 20 times", recovery_s)


def frozen(rig: Rig) -> Outcome:
    """A member frozen until its group has given its partitions away; when it wakes, the store refuses what it holds."""
    sender = Sender(rig.cluster.client(), rig.ledger)
    sender.start(readings_of(rig.channels.channels, BEGINS, 10**6), 2000)
    zombie = rig.ingest("--group", "frozen")
    rig.wait_until_caught_up()
    zombie.send_signal(signal.SIGSTOP)
    heir = rig.ingest("--group", "frozen")
    # The heir has all partitions once the session of the frozen one is over (6 s), and catches up.
    recovery_s = rig.wait_until_caught_up()
    zombie.send_signal(signal.SIGCONT)
    pause(5.0)
    sender.stop()
    rig.wait_until_caught_up()
    codes = [end(zombie), end(heir)]
    rig.drain()
    return rig.outcome("consumer frozen past its session", recovery_s, f"exit codes {codes}")


def storm(rig: Rig) -> Outcome:
    """Members of one group come and go all the time, some in order and some by kill -9."""
    draw = np.random.default_rng(1)
    sender = Sender(rig.cluster.client(), rig.ledger)
    sender.start(readings_of(rig.channels.channels, BEGINS, 10**6), 2000)
    members = [rig.ingest("--group", "storm") for _ in range(2)]
    for _ in range(8):
        pause(float(draw.uniform(2.0, 4.0)))
        end(members.pop(0), signal.SIGKILL if draw.random() < 0.5 else signal.SIGINT)
        members.append(rig.ingest("--group", "storm"))
    sender.stop()
    recovery_s = rig.wait_until_caught_up()
    for member in members:
        end(member)
    rig.drain()
    return rig.outcome("rebalance storm", recovery_s)


def silent_and_skewed(rig: Rig) -> Outcome:
    """One site falls silent and one has its clock a year ahead: the others' readings are current all the same."""
    channels = rig.channels.channels
    sites = sorted({channel.site for channel in channels})
    silent, skewed = sites[0], sites[1]
    sender = Sender(rig.cluster.client(), rig.ledger)
    sender.send(
        reading
        for reading in readings_of(channels, BEGINS, 48)
        if reading.site not in {silent, skewed} or (reading.site == silent and reading.valid_time < BEGINS + 4 * PERIOD)
    )
    ahead = [channel for channel in channels if channel.site == skewed]
    sender.send(islice(readings_of(ahead, BEGINS.replace(year=BEGINS.year + 40), 8), None))
    facts = rig.drain()
    flagged = facts["flags"]
    told = {name: count for name, count in flagged.items() if "future" in name.lower()}
    return rig.outcome("silent site, clock ahead", 0.0, f"flags {flagged}", holds=sum(told.values()) == 8 * len(ahead))

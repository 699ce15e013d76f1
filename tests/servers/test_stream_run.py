"""The loop through Kafka decides what the replay from tables decides, also when it is killed again and again."""

from __future__ import annotations

import multiprocessing
import random
import secrets
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from multiprocessing.connection import Connection
from threading import Event

import pytest

from gridcore.clock import VirtualClock
from gridcore.timeline import PERIOD
from ingest.kafka_play import OFFICIAL_TOLD, OUTAGES_TOLD, READINGS_TOLD, Player
from ingest.wire_parts import JSON
from pipeline.checkpoint import readiness_of
from pipeline.phase import Phase, store_of, wire
from pipeline.schedule import ticks
from pipeline.stream_settings import StreamSettings
from tests.replay import small

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

START = small.START_OF_DAY + timedelta(hours=6)
END = START + timedelta(hours=4)
KILLS = 5
"""Lives that end before the phase does."""

LONGEST_DELAY_S = 0.3
"""A kill comes up to so long after a tick: a tick takes as long [s]."""


def live(phase: Phase, told: Connection) -> None:
    """Run a phase to its end in a process of its own, and tell of each tick."""
    store = store_of(phase)
    loop, done = wire(phase, store, None, VirtualClock(phase.origin - PERIOD))
    loop.on_tick = lambda tick: told.send(tick.due)
    every = ticks(phase.start, phase.end, phase.network.zone, phase.origin)
    loop.run(tick for tick in every if done is None or tick.due > done)
    loop.close()
    store.close()
    told.send(None)


def a_life(phase: Phase, most_ticks: int, delay_s: float = 0.0) -> bool:
    """Start the process and kill it (-9) so long after so many ticks; False where it came to its end before."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=live, args=(phase, there))
    process.start()
    there.close()
    try:
        has_more = all(here.recv() is not None for _ in range(most_ticks))
        Event().wait(delay_s)
        return has_more
    finally:
        process.kill()
        process.join()
        process.close()
        here.close()


@pytest.mark.parametrize("kind", ["embedded", "postgres"])
def test_a_loop_that_is_killed_five_times_decides_as_the_replay_does(kafka, postgres, topic_prefix, tmp_path, kind):
    seed = secrets.randbits(32)
    # Shown where the test fails.
    print(f"seed {seed}")
    draw = random.Random(seed)
    recorded = small.whole(START, END)
    base, history = small.phase_of(recorded, START, END, tmp_path / "replay")
    base = replace(base, row="persistence")
    small.run_until(base, history, END)

    kafka.create_topics([f"{topic_prefix}.{name}.v1" for name in ("telemetry", "official", "outage")])
    player = Player(kafka.client(), topic_prefix, JSON)
    for told, table in zip(
        (READINGS_TOLD, OFFICIAL_TOLD, OUTAGES_TOLD),
        (recorded.readings, recorded.official, recorded.outages),
        strict=True,
    ):
        player.play(told, table)
    stream = StreamSettings(bootstrap_servers=kafka.bootstrap, prefix=topic_prefix)
    phase = replace(base, directory=tmp_path / "live", stream=stream, store=postgres if kind == "postgres" else "")
    ends = [(draw.randint(1, 2), draw.uniform(0.0, LONGEST_DELAY_S)) for _ in range(KILLS)]
    assert all(a_life(phase, *end) for end in ends)
    assert not a_life(phase, 100)

    wanted = small.decisions(base.directory, END)
    with closing(store_of(phase)) as store:
        found, last = small.decided(store, END), store.last_decision()
    assert len(wanted["setpoints"])
    assert small.same_bits(wanted, found, tmp_path / "compared")
    assert last is not None
    told_with = readiness_of(last[1])
    # Three topics of four partitions; the recording goes on after the last tick.
    assert len(told_with) == 12
    assert "read_past" in told_with.values()
    assert "grace_over" not in told_with.values()

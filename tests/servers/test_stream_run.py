"""The loop through Kafka decides what the replay from tables decides, also when it is killed again and again."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from datetime import timedelta
from multiprocessing.connection import Connection

import pytest

from gridcore.clock import VirtualClock
from gridcore.timeline import PERIOD
from ingest.kafka_play import OFFICIAL_TOLD, OUTAGES_TOLD, READINGS_TOLD, Player
from ingest.wire_parts import JSON
from pipeline.checkpoint import readiness_of
from pipeline.phase import Phase, store_path, wire
from pipeline.schedule import ticks
from pipeline.stream_settings import StreamSettings
from storage.embedded import EmbeddedStore
from tests.replay import small

pytestmark = pytest.mark.kafka

START = small.START_OF_DAY + timedelta(hours=6)
END = START + timedelta(hours=4)
KILLED_AFTER = (1, 2, 1, 2, 1)
"""Ticks after which each life ends, somewhere in the next tick."""


def live(phase: Phase, told: Connection) -> None:
    """Run a phase to its end in a process of its own, and tell of each tick."""
    store = EmbeddedStore(store_path(phase.directory))
    loop, done = wire(phase, store, None, VirtualClock(phase.origin - PERIOD))
    loop.on_tick = lambda tick: told.send(tick.due)
    every = ticks(phase.start, phase.end, phase.network.zone, phase.origin)
    loop.run(tick for tick in every if done is None or tick.due > done)
    loop.close()
    store.close()
    told.send(None)


def a_life(phase: Phase, most_ticks: int) -> bool:
    """Start the process and kill it (-9) after so many ticks; False where it came to its end before."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=live, args=(phase, there))
    process.start()
    there.close()
    try:
        return all(here.recv() is not None for _ in range(most_ticks))
    finally:
        process.kill()
        process.join()
        process.close()
        here.close()


def test_a_loop_that_is_killed_five_times_decides_as_the_replay_does(kafka, topic_prefix, tmp_path):
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
    phase = replace(base, directory=tmp_path / "live", stream=stream)
    assert all(a_life(phase, most_ticks) for most_ticks in KILLED_AFTER)
    assert not a_life(phase, 100)

    wanted, found = (small.decisions(each.directory, END) for each in (base, phase))
    assert len(wanted["setpoints"])
    assert small.same_bits(wanted, found, tmp_path / "compared")
    store = EmbeddedStore(store_path(phase.directory))
    last = store.last_decision()
    store.close()
    assert last is not None
    told_with = readiness_of(last[1])
    # Three topics of four partitions; the recording goes on after the last tick.
    assert len(told_with) == 12
    assert "read_past" in told_with.values()
    assert "grace_over" not in told_with.values()

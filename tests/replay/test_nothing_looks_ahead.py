"""What arrives after t leaves every decision at or before t as it was, bit for bit; and a leak would be seen."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridcore.ports import Batch
from gridcore.timeline import PERIOD
from ingest.recording_feed import RecordingFeed
from pipeline.loop import Loop
from pipeline.phase import Phase, Recorded
from storage.embedded import EmbeddedStore, fork
from tests.replay.perturb import arriving_after, later_models, perturbed
from tests.replay.small import decisions, phase_of, run_until, same_bits, whole

START = datetime(2025, 3, 30, 4, 30, tzinfo=UTC)
"""06:30 in the grid's zone on the morning of the clock change, so that the gate at 08:00 lies in the window."""

END = START + timedelta(hours=5)
LEAK = timedelta(hours=2)
"""How far a store without its lock looks ahead."""

INSTANTS = 20


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return whole(START, END)


@pytest.fixture(scope="module")
def warm(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> tuple[Phase, Recorded]:
    """The phase after its first tick: models fitted, first commitment made."""
    phase, history = phase_of(recorded, START, END, tmp_path_factory.mktemp("warm"))
    run_until(phase, history, START - PERIOD)
    return phase, history


@pytest.fixture(scope="module")
def base(warm: tuple[Phase, Recorded], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The undisturbed run."""
    return continued(warm, tmp_path_factory.mktemp("base") / "run", END)


def continued(warm: tuple[Phase, Recorded], directory: Path, until: datetime, **changes) -> Path:
    phase, history = warm
    directory.mkdir(parents=True)
    fork(phase.directory / "store", directory / "store")
    if (phase.directory / "realised").exists():
        shutil.copytree(phase.directory / "realised", directory / "realised")
    change = changes.pop("change", None)
    store = EmbeddedStore(directory / "store")
    for model in changes.pop("models", ()):
        store.register(model)
    store.close()
    run_until(replace(phase, directory=directory, **changes), history, until, change)
    return directory


@pytest.mark.parametrize("number", range(INSTANTS))
def test_later_arrivals_leave_earlier_decisions_alone(number, recorded, warm, base, tmp_path):
    draw = np.random.default_rng(number)
    instant = START + timedelta(seconds=int(draw.integers(0, int((END - START).total_seconds()) - 900)))
    other = perturbed(recorded, warm[0].network, instant, number)
    world = arriving_after(other, START - PERIOD)
    models = later_models(instant)
    run = continued(warm, tmp_path / "run", instant, world=world, truth=other.readings, models=models)
    assert same_bits(decisions(base, instant), decisions(run, instant), tmp_path)


class Leaky:
    """A feed that delivers what is still to come, a store that shows it, or what such a store shows."""

    def __init__(self, inner: object, instant: datetime | None = None) -> None:
        self._inner, self._instant = inner, instant

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    @property
    def instant(self) -> datetime | None:
        return self._instant

    def next_until(self, due: datetime) -> Batch | None:
        return self._inner.next_until(due + LEAK)  # type: ignore[attr-defined,no-any-return]

    def known_at(self, instant: datetime) -> object:
        return Leaky(self._inner.known_at(instant + LEAK), instant)  # type: ignore[attr-defined]


def deliver_early(loop: Loop, world: Recorded) -> None:
    """Official series and outages come two hours too early; readings can't, as the plant has not flowed yet."""
    none = Recorded(world.readings.slice(0, 0), world.official.slice(0, 0), world.outages.slice(0, 0))
    readings = RecordingFeed(world.readings, none.official, none.outages, source="readings")
    given = RecordingFeed(none.readings, world.official, world.outages, source="given")
    loop.feed._recorded = [readings, Leaky(given)]  # type: ignore[attr-defined]


def take_the_lock_off(loop: Loop, world: Recorded) -> None:
    deliver_early(loop, world)
    loop.store = Leaky(loop.store)  # type: ignore[assignment]


def test_the_store_alone_keeps_the_future_out(warm, base, tmp_path):
    """A feed that delivers two hours too early changes nothing: `known_at` is the lock."""
    instant = START + timedelta(hours=2)
    world = warm[0].world
    run = continued(warm, tmp_path / "run", instant, change=lambda loop: deliver_early(loop, world))
    assert same_bits(decisions(base, instant), decisions(run, instant), tmp_path)


def test_the_leak_test_fails_when_the_lock_is_taken_off(recorded, warm, tmp_path):
    instant = START + timedelta(hours=2)
    other = perturbed(recorded, warm[0].network, instant, 7)
    world = arriving_after(other, START - PERIOD)
    before, after = warm[0].world, world
    unlocked = continued(warm, tmp_path / "a", instant, change=lambda loop: take_the_lock_off(loop, before))
    leaked = continued(
        warm, tmp_path / "b", instant, change=lambda loop: take_the_lock_off(loop, after), world=after,
        truth=other.readings,
    )  # fmt: skip
    assert not same_bits(decisions(unlocked, instant), decisions(leaked, instant), tmp_path)

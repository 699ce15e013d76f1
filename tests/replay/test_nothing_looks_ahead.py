"""What arrives after t leaves every decision at or before t as it was, bit for bit; and a leak would be seen."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from gridcore.timeline import PERIOD
from pipeline.loop import Loop
from pipeline.phase import Phase, Recorded
from storage.embedded import EmbeddedStore
from storage.fork import fork
from tests.replay.leaky import EarlyFeed, deliver_early, take_the_lock_off
from tests.replay.perturb import Knowledge, arriving_after, later_models, perturbed
from tests.replay.small import decisions, phase_of, run_until, same_bits, whole

START = datetime(2025, 3, 30, 4, 30, tzinfo=UTC)
"""06:30 in the grid's zone on the morning of the clock change, so that the gate at 08:00 lies in the window."""

END = START + timedelta(hours=5)
SEEN = START + timedelta(hours=1)
"""Instant after which one kind of knowledge is changed and comes early: five ticks could see it."""

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
    directory = tmp_path_factory.mktemp("base") / "run"
    continued(forked(warm, directory), warm[1], END)
    return directory


def forked(warm: tuple[Phase, Recorded], directory: Path, **changes) -> Phase:
    """The phase after its first tick on a store of its own, with some fields changed."""
    phase = replace(warm[0], directory=directory, **changes)
    directory.mkdir(parents=True)
    fork(warm[0].directory / "store", directory / "store")
    if (warm[0].directory / "realised").exists():
        shutil.copytree(warm[0].directory / "realised", directory / "realised")
    return phase


def after_the_instant(
    recorded: Recorded,
    warm: tuple[Phase, Recorded],
    directory: Path,
    instant: datetime,
    seed: int,
    what=tuple(Knowledge),
) -> Phase:
    """A fork in whose world all or one kind of what arrives after the instant is another."""
    other = perturbed(recorded, warm[0].network, instant, seed, what)
    phase = forked(warm, directory, world=arriving_after(other, START - PERIOD), truth=other.readings)
    if Knowledge.MODELS in what:
        store = EmbeddedStore(directory / "store")
        models = later_models(store, instant)
        assert models
        for model in models:
            store.register(model)
        store.close()
    return phase


def continued(phase: Phase, history: Recorded, until: datetime, *, early=False, locked=True) -> EarlyFeed | None:
    """Run on to an instant; gives the feed where it delivers early."""
    feeds: list[EarlyFeed] = []

    def change(loop: Loop) -> None:
        if early:
            feeds.append(deliver_early(loop, phase.world))
        if not locked:
            take_the_lock_off(loop)

    run_until(phase, history, until, change)
    return feeds[0] if feeds else None


@pytest.mark.parametrize("number", range(INSTANTS))
def test_later_arrivals_leave_earlier_decisions_alone(number, recorded, warm, base, tmp_path):
    draw = np.random.default_rng(number)
    instant = START + timedelta(seconds=int(draw.integers(0, int((END - START).total_seconds()) - 900)))
    phase = after_the_instant(recorded, warm, tmp_path / "run", instant, number)
    continued(phase, warm[1], instant)
    assert same_bits(decisions(base, instant), decisions(phase.directory, instant), tmp_path)


@pytest.fixture(scope="module")
def unchanged(
    warm: tuple[Phase, Recorded], tmp_path_factory: pytest.TempPathFactory
) -> dict[bool, dict[str, pa.Table]]:
    """Decisions on the unchanged world, delivered early, of a store with its lock and of one without.

    With the lock they are not those of `base` either: a farm's early reading can't tell yet how much of it is going to
    be curtailed.
    """
    found = {}
    for locked in (True, False):
        phase = forked(warm, tmp_path_factory.mktemp("unchanged") / "run")
        continued(phase, warm[1], SEEN, early=True, locked=locked)
        found[locked] = decisions(phase.directory, SEEN)
    return found


@pytest.mark.parametrize("kind", list(Knowledge))
def test_the_store_alone_keeps_each_kind_of_knowledge_back(kind, recorded, warm, unchanged, tmp_path):
    """What a feed delivers two hours too early has no effect before its time: `known_at` is the lock."""
    phase = after_the_instant(recorded, warm, tmp_path / "run", SEEN, 7, (kind,))
    feed = continued(phase, warm[1], SEEN, early=True)
    assert feed is not None
    assert kind is Knowledge.MODELS or feed.early[kind] > 0
    assert same_bits(unchanged[True], decisions(phase.directory, SEEN), tmp_path)


@pytest.mark.parametrize("kind", list(Knowledge))
def test_each_kind_of_knowledge_is_seen_when_the_lock_is_taken_off(kind, recorded, warm, unchanged, tmp_path):
    phase = after_the_instant(recorded, warm, tmp_path / "run", SEEN, 7, (kind,))
    continued(phase, warm[1], SEEN, early=True, locked=False)
    assert not same_bits(unchanged[False], decisions(phase.directory, SEEN), tmp_path)

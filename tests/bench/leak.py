"""`make bench-leak`: the leak test on the RTS-GMLC grid, at random instants of a day, on models really fitted.

Usage: python -m tests.bench.leak [--grid G] [--start D] [--hours N] [--instants N] [--processes N]
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer

from gridcore.timeline import PERIOD
from pipeline.loop import Loop
from pipeline.phase import Phase, Recorded, run_phase, store_path
from pipeline.replay import open_source, replay_window, warm_up_phase
from pipeline.rows import prepare
from pipeline.settings import ReplaySettings
from storage.embedded import EmbeddedStore
from tests.bench.result import Figure, write_figures
from tests.replay.leaky import deliver_early, take_the_lock_off
from tests.replay.perturb import Knowledge, arriving_after, later_models, perturbed
from tests.replay.small import decisions, run_until, same_bits


def main(
    grid: str = "rts-gmlc",
    start: str = "2020-04-18",
    hours: Annotated[int, typer.Option(help="Hours after the start that instants are drawn from.")] = 12,
    instants: int = 20,
    processes: int = 2,
) -> None:
    """Run it; exit code 1 where a decision changed, or where one did not although the lock was off."""
    with tempfile.TemporaryDirectory(prefix="xiaona-leak-") as home:
        phase, whole = _warm(grid, start, hours, Path(home))
        draw = np.random.default_rng(0)
        drawn = [phase.start + timedelta(seconds=int(draw.integers(0, hours * 3600 - 900))) for _ in range(instants)]
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            jobs = [pool.submit(_is_same, phase, whole, Path(home), n, instant) for n, instant in enumerate(drawn)]
            same = [job.result() for job in jobs]
            unlocked = pool.submit(_unlocked, phase, whole, Path(home), ())
            leaks = [pool.submit(_unlocked, phase, whole, Path(home), (kind,)) for kind in Knowledge]
            unseen = [
                kind.value
                for kind, leak in zip(Knowledge, leaks, strict=True)
                if same_bits(unlocked.result(), leak.result(), Path(home) / f"compared-{kind}")
            ]
    for instant, is_same in zip(drawn, same, strict=True):
        sys.stdout.write(f"{instant.isoformat()} {'equal' if is_same else 'CHANGED'}\n")
    for kind in Knowledge:
        sys.stdout.write(f"without the lock, {kind}: {'NOT SEEN' if kind.value in unseen else 'seen'}\n")
    changed, missed = float(len(same) - sum(same)), float(len(unseen))
    figures = [Figure("instants", float(len(same)), "1"), Figure("changed decisions", changed, "1", "0")]
    write_figures("leak", [*figures, Figure("kinds of knowledge not seen without the lock", missed, "1", "0")])
    raise typer.Exit(1 if changed or unseen else 0)


def _warm(grid: str, start: str, hours: int, home: Path) -> tuple[Phase, Recorded]:
    """The undisturbed run in home/base, home/rows/base; and all that is recorded."""
    settings = ReplaySettings(grid=grid, start=date.fromisoformat(start), days=1)
    source = open_source(grid, None)
    begins, _ = replay_window(source, settings)
    base, history = warm_up_phase(source, settings, begins, home)
    run_phase(base, history)
    end = begins + timedelta(hours=hours)
    phase = replace(base, row="ours", start=begins, end=end, is_last=True, directory=home / "undisturbed")
    prepare(base.directory, phase)
    run_phase(phase)
    last = begins + timedelta(days=3)
    first = base.origin - timedelta(days=1)
    return phase, Recorded(source.readings(first, last), source.official(first, last), source.outages(first, last))


def _is_same(phase: Phase, whole: Recorded, home: Path, number: int, instant: datetime) -> bool:
    """Decisions up to the instant are the undisturbed ones although everything later is another."""
    run = _changed(phase, whole, home, f"run-{number}", instant, number, tuple(Knowledge))
    run_until(run, None, instant)
    undisturbed = decisions(home / "undisturbed", instant)
    return same_bits(undisturbed, decisions(run.directory, instant), run.directory / "compared")


def _unlocked(phase: Phase, whole: Recorded, home: Path, what: tuple[Knowledge, ...]) -> dict[str, pa.Table]:
    """Decisions of the first hour of a loop without its lock, where some kinds of what arrives later are others."""
    instant = phase.start + timedelta(hours=1)
    run = _changed(phase, whole, home, "-".join(["unlocked", *what]), instant, 0, what)

    def change(loop: Loop) -> None:
        deliver_early(loop, run.world)
        take_the_lock_off(loop)

    run_until(run, None, instant, change)
    return decisions(run.directory, instant)


def _changed(
    phase: Phase, whole: Recorded, home: Path, name: str, instant: datetime, seed: int, what: tuple[Knowledge, ...]
) -> Phase:
    """The phase on a store of its own, where some kinds of what arrives after an instant are others."""
    other = perturbed(whole, phase.network, instant, seed, what)
    world = arriving_after(other, phase.origin - PERIOD)
    run = replace(phase, directory=home / name, world=world, truth=other.readings)
    prepare(home / "base", run)
    store = EmbeddedStore(store_path(run.directory))
    for model in later_models(store, instant) if Knowledge.MODELS in what else ():
        store.register(model)
    store.close()
    return run


if __name__ == "__main__":
    typer.run(main)

"""The rows of a replay, run side by side: each in a process of its own, on a fork of the warmed-up store."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty

from gridcore.errors import ProcessKilledError
from pipeline.phase import Phase, PhaseResult, log_of, run_phase, store_path
from pipeline.row_export import RowFigures, export_row
from pipeline.scale import without_storage
from storage.fork import fork

Progress = Callable[[str], None]
"""Called with a row's name each time one of its ticks is done."""

_ticks: Queue[str] | None = None
"""Set once in each worker process, before its first row."""


def row_phase(base: Phase, row: str, directory: Path) -> Phase:
    """The phase of one row: the base's, with the row's own grid and directory."""
    network = without_storage(base.network) if row == "no_storage" else base.network
    return replace(base, row=row, network=network, directory=directory / row)


def prepare(base_directory: Path, phase: Phase) -> None:
    """Fork the warmed-up store and log into the row's directory, whole or not at all."""
    if phase.directory.exists():
        return
    draft = phase.directory.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    fork(store_path(base_directory), store_path(draft))
    source, target = log_of(base_directory).directory, log_of(draft).directory
    if source.exists():
        shutil.copytree(source, target, copy_function=os.link)
    draft.rename(phase.directory)


def run_rows(
    phases: Sequence[Phase], out: Path, processes: int, progress: Progress
) -> list[tuple[PhaseResult, RowFigures]]:
    """Run every row and export it; results come in the order of `phases`.

    Args:
        phases: The rows, each with a prepared directory.
        out: Directory of the export.
        processes: Rows at a time.
        progress: Called once a tick.

    Raises:
        GridError: As the row that failed first; the others are stopped, and resume next time.
    """
    context = multiprocessing.get_context("spawn")
    queue: Queue[str] = context.Queue()
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_listen, initargs=(queue,))
    try:
        jobs = [pool.submit(partial(_run_row, phase, out)) for phase in phases]
        left = set(jobs)
        while left:
            done, left = wait(left, timeout=0.2, return_when=FIRST_COMPLETED)
            _pass_on(queue, progress)
            for job in done:
                if isinstance(error := job.exception(), BrokenProcessPool):
                    wanted = "more memory, or fewer rows at a time (XIAONA_PROCESSES=1); the same command resumes"
                    raise ProcessKilledError("a row's process was killed", wanted=wanted) from error
                if error is not None:
                    raise error
        _pass_on(queue, progress)
        return [job.result() for job in jobs]
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _listen(queue: Queue[str]) -> None:
    global _ticks  # noqa: PLW0603 - a worker process has one queue, handed over at its start
    _ticks = queue


def _run_row(phase: Phase, out: Path) -> tuple[PhaseResult, RowFigures]:
    result = run_phase(phase, on_tick=lambda tick: _tell(phase.row))
    return result, export_row(phase, out)


def _tell(row: str) -> None:
    if _ticks is not None:
        _ticks.put(row)


def _pass_on(queue: Queue[str], progress: Progress) -> None:
    try:
        while True:
            progress(queue.get_nowait())
    except Empty:
        return

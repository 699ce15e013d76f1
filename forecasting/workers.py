"""Independent pieces of work side by side in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

FEWEST, MOST = 2, 4
"""Bounds of the default number of workers: one beside a waiting solver never hurts, and there are only five kinds."""


def side_by_side(tasks: Sequence[Callable[[], Result]], workers: int = 0) -> list[Result]:
    """Results of all tasks, in their order; the first error among them is raised, and what was not begun is dropped.

    Args:
        tasks: Begun in the order given.
        workers: Threads; 0 for as many as the machine has cores, within `FEWEST` and `MOST`; 1 uses no thread.
    """
    count = workers or min(MOST, max(FEWEST, os.cpu_count() or 1))
    if min(count, len(tasks)) <= 1:
        return [task() for task in tasks]
    pool = ThreadPoolExecutor(count, thread_name_prefix="fit")
    try:
        return [future.result() for future in [pool.submit(task) for task in tasks]]
    finally:
        # On Ctrl-C, too, only what already runs is waited for.
        pool.shutdown(cancel_futures=True)

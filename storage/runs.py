"""Runs: immutable sorted stretches of claims, and the read that puts many of them together.

New claims go to a small run that is merged into the large one now and then, so that a tick's write costs little and a
read looks at few runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from storage.claims import Claims, Int64s, by_cell, concat, no_claims

TAIL_ROWS = 20_000
"""Rows of the small run before it is merged: sorting it again at each write stays below 2 ms, and one merge of a day's
telemetry (100,000 rows) takes about 5 ms."""


class Run:
    """Claims sorted by series, valid_time, with where each series starts.

    Args:
        claims: Sorted by series, valid_time.
    """

    def __init__(self, claims: Claims) -> None:
        self.claims = claims

    @cached_property
    def _starts(self) -> npt.NDArray[np.intp]:
        """First row of each series and, last, the number of rows; shape (largest series + 2,)."""
        series = self.claims.series
        wanted = np.arange(int(series[-1]) + 2 if len(series) else 1, dtype=np.int32)
        return np.searchsorted(series, wanted)

    @cached_property
    def latest_available(self) -> int:
        """Largest `available_at` [us]."""
        return int(self.claims.available_at.max()) if len(self.claims) else -(2**62)

    def rows_of(self, series: int, start: int, end: int) -> slice:
        """Rows of a series with valid_time in [start, end)."""
        if series + 1 >= len(self._starts):
            return slice(0, 0)
        first, last = int(self._starts[series]), int(self._starts[series + 1])
        if first == last:
            return slice(0, 0)
        valid_time = self.claims.valid_time[first:last]
        return slice(first + int(valid_time.searchsorted(start)), first + int(valid_time.searchsorted(end)))


class HotRuns:
    """The claims that are not in a segment, in a large and a small run."""

    def __init__(self, claims: Claims | None = None) -> None:
        self._main, self._tail = Run(by_cell(claims or no_claims())), Run(no_claims())

    def __len__(self) -> int:
        """Number of claims."""
        return len(self._main.claims) + len(self._tail.claims)

    @property
    def runs(self) -> tuple[Run, Run]:
        """The large and the small run."""
        return self._main, self._tail

    def add(self, claims: Claims) -> None:
        """Add claims in any order."""
        tail = by_cell(concat([self._tail.claims, claims]))
        if len(tail) <= TAIL_ROWS:
            self._tail = Run(tail)
        else:
            self._main, self._tail = Run(by_cell(concat([self._main.claims, tail]))), Run(no_claims())


def gather(
    runs: Sequence[Run], series: Iterable[int], start: int, end: int, instant: int
) -> tuple[Claims, npt.NDArray[np.intp]]:
    """Claims of some series with valid_time in [start, end) and available_at <= instant.

    Series by series, within each run by run: where runs follow each other in time the answer is sorted as it comes.

    Returns:
        Claims, and for each the position of its series in `series`.
    """
    parts: list[Claims] = []
    lengths: list[int] = []
    ranks: list[int] = []
    for rank, number in enumerate(series):
        for run in runs:
            rows = run.rows_of(number, start, end)
            if rows.stop > rows.start:
                parts.append(run.claims.take(rows))
                lengths.append(rows.stop - rows.start)
                ranks.append(rank)
    claims = concat(parts)
    rank_of = np.repeat(np.array(ranks, dtype=np.intp), np.array(lengths, dtype=np.intp))
    if all(run.latest_available <= instant for run in runs):
        return claims, rank_of
    known = claims.available_at <= instant
    return claims.take(known), rank_of[known]


def earliest_valid_time(claims: Claims, instant: int) -> int | None:
    """Smallest valid_time among claims with available_at <= instant; None without one."""
    known: Int64s = claims.valid_time[claims.available_at <= instant]
    return int(known.min()) if len(known) else None

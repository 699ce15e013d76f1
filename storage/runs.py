"""Runs: immutable sorted stretches of claims, searched as columns; and the hot ones, put together when they are read.

A writer only adds runs; who reads or looks for a twin pays for merging them, and never twice for the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from storage.claims import Claims, Int64s, by_cell, concat, heads

Positions = npt.NDArray[np.intp]
"""Places in a run."""

GROWTH = 4
"""A run is merged with the one before it unless that one is so many times as large: a claim is merged a few times at
most on its way to the largest run, and a read looks at few runs."""


class Run:
    """Claims sorted by series, valid_time, with where each series starts.

    Args:
        claims: Sorted by series, valid_time.
    """

    def __init__(self, claims: Claims) -> None:
        self.claims = claims

    def __len__(self) -> int:
        """Number of claims."""
        return len(self.claims)

    @cached_property
    def _edges(self) -> Positions:
        """First row of each series that occurs and, last, the number of rows."""
        return np.append(np.flatnonzero(heads(self.claims.series)), len(self))

    @cached_property
    def _present(self) -> npt.NDArray[np.int32]:
        """The series that occur, ascending."""
        return self.claims.series[self._edges[:-1]]

    @cached_property
    def latest_available(self) -> int:
        """Largest `available_at` [us]."""
        return int(self.claims.available_at.max(initial=-(2**62)))

    def between(self, series: npt.NDArray[np.integer], start: int, end: int, instant: int) -> Claims:
        """Claims of some series with valid_time in [start, end) and available_at <= instant, in the run's order.

        Args:
            series: Numbers, ascending.
            start: First valid_time [us].
            end: End of the valid_times [us].
            instant: Latest available_at [us].
        """
        found = self.claims.take(self._rows_between(series, start, end))
        return found if self.latest_available <= instant else found.take(found.available_at <= instant)

    def twins(self, claims: Claims) -> Claims:
        """Claims that share series and valid_time with one of those given, which are sorted by these."""
        cell = heads(claims.series, claims.valid_time)
        series, valid_time = claims.series[cell], claims.valid_time[cell]
        first = self._search(series, valid_time)
        last, alike = first.copy(), np.arange(len(first))
        # A cell holds few claims: stepping over them is faster than a second search.
        while len(alike):
            alike = alike[last[alike] < len(self)]
            rows = last[alike]
            is_same = (self.claims.valid_time[rows] == valid_time[alike]) & (self.claims.series[rows] == series[alike])
            alike = alike[is_same]
            last[alike] += 1
        return self.claims.take(_spread(first, last))

    def _rows_between(self, series: npt.NDArray[np.integer], start: int, end: int) -> Positions | slice:
        """Rows of some series with valid_time in [start, end)."""
        if not len(self):
            return slice(0, 0)
        near = slice(*np.searchsorted(series, [self._present[0], self._present[-1] + 1]))
        place = np.searchsorted(self._present, series[near])
        place = place[self._present[place] == series[near]]
        first, last = self._edges[place], self._edges[place + 1]
        if len(place) == 1:
            times = self.claims.valid_time[first[0] : last[0]]
            return slice(int(first[0] + times.searchsorted(start)), int(first[0] + times.searchsorted(end)))
        rows = _spread(first, last)
        times = self.claims.valid_time[rows]
        inside = (times >= start) & (times < end)
        if inside.all():
            return rows
        return np.arange(len(self))[rows][inside] if isinstance(rows, slice) else rows[inside]

    def position(self, series: int, valid_time: int) -> int:
        """First row that is not before a cell."""
        return int(self._search(np.array([series]), np.array([valid_time]))[0])

    def _search(self, series: npt.NDArray[np.integer], valid_time: Int64s) -> Positions:
        """First row of each series whose valid_time is not before the one given, or the row after its last.

        All series are halved together; a sorted key of both columns would overflow for many series over many years.
        """
        place = np.searchsorted(self._present, series)
        low = self._edges[place]
        known = place < len(self._present)
        known[known] = self._present[place[known]] == series[known]
        high = low.copy()
        high[known] = self._edges[place[known] + 1]
        times = self.claims.valid_time
        open_rows = np.flatnonzero(low < high)
        while len(open_rows):
            middle = (low[open_rows] + high[open_rows]) // 2
            is_before = times[middle] < valid_time[open_rows]
            low[open_rows[is_before]] = middle[is_before] + 1
            high[open_rows[~is_before]] = middle[~is_before]
            open_rows = open_rows[low[open_rows] < high[open_rows]]
        return low


class HotRuns:
    """The claims of the log as runs; the largest comes first."""

    def __init__(self) -> None:
        self._merged: list[Run] = []
        self._added: list[Claims] = []
        self._rows = 0

    def __len__(self) -> int:
        """Number of claims."""
        return self._rows

    @property
    def runs(self) -> Sequence[Run]:
        """Few runs that hold all claims."""
        if self._added:
            self._merged.append(Run(by_cell(concat(self._added))))
            self._added = []
            while len(self._merged) > 1 and GROWTH * len(self._merged[-1]) >= len(self._merged[-2]):
                last = self._merged.pop()
                self._merged[-1] = Run(by_cell(concat([self._merged[-1].claims, last.claims])))
        return self._merged

    def parts(self) -> list[Claims]:
        """All claims, as they lie."""
        return [*(run.claims for run in self._merged), *self._added]

    def add(self, claims: Claims) -> None:
        """Add claims in any order."""
        if len(claims):
            self._added.append(claims)
            self._rows += len(claims)


def earliest_valid_time(claims: Claims, instant: int) -> int | None:
    """Smallest valid_time among claims with available_at <= instant; None without one."""
    known: Int64s = claims.valid_time[claims.available_at <= instant]
    return int(known.min()) if len(known) else None


def _spread(first: Positions, last: Positions) -> Positions | slice:
    """The rows of the stretches [first, last), one after the other; a slice where they are one stretch."""
    filled = last > first
    first, last = first[filled], last[filled]
    if not len(first):
        return slice(0, 0)
    if (first[1:] == last[:-1]).all():
        return slice(int(first[0]), int(last[-1]))
    lengths = last - first
    offsets = np.cumsum(lengths)
    rows: Positions = np.arange(offsets[-1]) + np.repeat(first - (offsets - lengths), lengths)
    return rows

"""Merging: many small segments become one large one, a window of sorted claims at a time, so that memory stays bounded.

Sealed segments are merged by size: as soon as there are `FANOUT` of one size they become one of the next. A claim is
written a few times at most, and the number of segments grows with the logarithm of what they hold, up to the largest
size; from there a new file comes with every 64 million claims.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy as np

from storage.claims import Claims, by_cell, concat, no_claims, sift
from storage.groups import Groups
from storage.runs import Run
from storage.segment_files import SegmentFiles
from storage.segments import Segment

HOT_ROWS = 1_000_000
"""Claims of the log that are sealed together: 40 MB in memory and 11 MB in the database; 0.2 s of work."""

FANOUT = 8
"""Segments of one size that are merged: a read looks into at most so many of each, a claim is written once for each."""

LARGEST_LEVEL = 2
"""Segments of HOT_ROWS * FANOUT**2 claims, about 500 MB, are not merged any more."""

WINDOW_ROWS = 500_000
"""Claims that are merged at a time; they are in memory three times over, 60 MB."""

Cell = tuple[int, int]
"""Series number and valid_time [us]."""

FIRST: Cell = (-1, 0)
"""A cell before all others."""

LAST: Cell = (2**62, 0)
"""A cell after all others."""


def due_merge(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """The segments to merge next, of one kind; none where there are few of each size."""
    for level in range(LARGEST_LEVEL):
        alike = tuple(segment for segment in segments if _level(segment) == level)
        if len(alike) >= FANOUT:
            return alike[:FANOUT]
    return ()


def mergeable(segments: Sequence[Segment]) -> list[Segment]:
    """The segments that are not of the largest size yet."""
    return [segment for segment in segments if _level(segment) < LARGEST_LEVEL]


def _level(segment: Segment) -> int:
    """Size of a segment: 0 for what one sealing gives, one more for each factor of `FANOUT`."""
    return max(0, round(math.log(segment.rows / HOT_ROWS, FANOUT)))


def sealed(parts: Sequence[Claims]) -> Claims:
    """Claims as they go into a segment: sorted, and what was logged twice once."""
    return sift(no_claims(), by_cell(concat(parts))).kept


def merged(files: SegmentFiles, segments: Sequence[Segment]) -> Iterator[Claims]:
    """The claims of several segments, sorted by series, valid_time, window by window."""
    return (sealed([claims]) for claims in windows(files, segments, no_claims()))


def windows(files: SegmentFiles, segments: Sequence[Segment], log: Claims) -> Iterator[Claims]:
    """All claims of some segments and a log, so cut that no cell is in two pieces; ascending from piece to piece."""
    groups, hot = [segment.groups for segment in segments], Run(by_cell(log))
    heads = [_heads(of_one) for of_one in groups]
    edges = [FIRST, *_edges(groups)[1:]]
    for start, end in zip(edges, [*edges[1:], LAST], strict=True):
        parts = [hot.claims.take(slice(hot.position(*start), hot.position(*end)))]
        for segment, firsts in zip(segments, heads, strict=True):
            # The group before may hold more rows of the cell that the next one begins with.
            touched = range(max(bisect_left(firsts, start) - 1, 0), bisect_left(firsts, end))
            for run in files.runs(segment, touched):
                rows = slice(run.position(*start), run.position(*end))
                parts.append(run.claims.take(rows))
        if any(len(part) for part in parts):
            yield concat([part for part in parts if len(part)])


def _heads(groups: Groups) -> list[Cell]:
    """First cell of each row group."""
    return list(zip(groups.first_series.tolist(), groups.head_valid_time.tolist(), strict=True))


def _edges(groups: Sequence[Groups]) -> list[Cell]:
    """First cells of windows of about `WINDOW_ROWS` claims."""
    if not groups:
        return []
    first = np.concatenate([of_one.first_series for of_one in groups])
    valid_time = np.concatenate([of_one.head_valid_time for of_one in groups])
    rows = np.concatenate([of_one.rows for of_one in groups])
    order = np.lexsort((valid_time, first))
    window = (np.cumsum(rows[order]) - rows[order]) // WINDOW_ROWS
    at = order[np.flatnonzero(np.diff(window, prepend=-1))]
    # Two heads may be equal: a window between them would be empty.
    return sorted(set(zip(first[at].tolist(), valid_time[at].tolist(), strict=True)))

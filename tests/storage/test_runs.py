"""A search in sorted columns finds what a look at every row finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from storage.claims import Claims, by_cell, concat, no_claims
from storage.groups import bounds_of, indexed
from storage.hot import pack, unpack
from storage.runs import HotRuns, Run

cells = st.lists(st.tuples(st.integers(0, 6), st.integers(-3, 9)), max_size=40)
"""Series and valid_time of claims."""


def claims_of(rows: list[tuple[int, int]]) -> Claims:
    """Claims with these cells, numbered by their values."""
    if not rows:
        return no_claims()
    series, valid_time = np.array(rows, np.int64).T
    number = np.arange(len(rows))
    return Claims(series.astype(np.int32), valid_time, number, number % 5, number * 1.5, (number % 3).astype(np.int32))


def numbers(claims: Claims) -> list[int]:
    return sorted(claims.version.tolist())


@given(rows=cells, series=st.sets(st.integers(0, 8)), start=st.integers(-4, 10), length=st.integers(0, 9))
def test_the_claims_of_some_series_in_a_time(
    rows: list[tuple[int, int]], series: set[int], start: int, length: int
) -> None:
    claims = claims_of(rows)
    found = Run(by_cell(claims)).between(np.array(sorted(series), np.int32), start, start + length, 3)
    wanted = np.isin(claims.series, list(series)) & (claims.valid_time >= start) & (claims.valid_time < start + length)
    assert numbers(found) == numbers(claims.take(wanted & (claims.available_at <= 3)))


@given(rows=cells, given_rows=cells)
def test_the_twins_of_claims(rows: list[tuple[int, int]], given_rows: list[tuple[int, int]]) -> None:
    claims = claims_of(rows)
    found = Run(by_cell(claims)).twins(by_cell(claims_of(given_rows)))
    assert numbers(found) == [number for number, cell in enumerate(rows) if cell in set(given_rows)]


@given(parts=st.lists(cells, max_size=6))
def test_hot_runs_hold_what_was_added_sorted_and_in_few_runs(parts: list[list[tuple[int, int]]]) -> None:
    hot = HotRuns()
    for part in parts:
        hot.add(claims_of(part))
        assert sum(len(run) for run in hot.runs) == len(hot)
        assert all(by_cell(run.claims) is run.claims for run in hot.runs)
        assert len(hot.runs) <= 1 + np.log(len(hot) + 1) / np.log(4)
    assert sorted(cell for part in parts for cell in part) == sorted(
        zip(*(concat(hot.parts()).series.tolist(), concat(hot.parts()).valid_time.tolist()), strict=True)
    )


@given(rows=cells, size=st.integers(1, 7), series=st.sets(st.integers(0, 8)), start=st.integers(-4, 10))
def test_no_row_group_that_holds_a_claim_is_passed_over(
    rows: list[tuple[int, int]], size: int, series: set[int], start: int
) -> None:
    claims = by_cell(claims_of(rows))
    groups = [claims.take(slice(first, first + size)) for first in range(0, len(claims), size)]
    if not groups:
        return
    index = indexed([bounds_of(group) for group in groups], [(0, 0, 0)] * len(groups))
    wanted = np.array(sorted(series), np.int32)
    touched = set(index.touched(wanted, start, start + 3, 3).tolist())
    holding = {n for n, group in enumerate(groups) if len(Run(group).between(wanted, start, start + 3, 3))}
    assert holding <= touched


@given(rows=cells)
def test_what_was_packed_comes_back_bit_for_bit(rows: list[tuple[int, int]]) -> None:
    claims = claims_of(rows)
    back = unpack(len(claims), pack(claims))
    assert [column.tobytes() for column in vars(back).values()] == [
        column.tobytes() for column in vars(claims).values()
    ]

"""Laws of the watermark: no order matters, no site can hold back or drive on the rest."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.watermark import NEVER, Watermark, at_start, mark_of_all_us, observe

SITES = 4
MINUTE = 60_000_000
IDLE = timedelta(minutes=15)

readings = st.lists(st.tuples(st.integers(0, SITES - 1), st.integers(0, 200), st.integers(0, 200)), max_size=20)
"""Site, end of period and arrival [min]."""

Readings = list[tuple[int, int, int]]


def seen(told: Readings, before: Watermark | None = None) -> Watermark:
    site, ended, arrived = np.array(told, np.int64).reshape(-1, 3).T
    return observe(before or at_start(SITES), site, ended * MINUTE, arrived * MINUTE)


@given(readings, st.randoms(), st.integers(0, 20))
def test_neither_order_nor_cut_changes_a_mark(told: Readings, random: object, cut: int) -> None:
    mixed = list(told)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    parts = seen(mixed[cut:], seen(mixed[:cut]))
    assert parts.mark_us.tolist() == seen(told).mark_us.tolist()


@given(readings, readings)
def test_a_mark_never_goes_back_and_never_passes_its_arrivals(first: Readings, then: Readings) -> None:
    before, after = seen(first), seen(then, seen(first))
    assert (after.mark_us >= before.mark_us).all()
    for site in range(SITES):
        arrivals = [arrived for place, _, arrived in first + then if place == site]
        assert after.mark_us[site] <= max(arrivals, default=0) * MINUTE


@given(readings, st.integers(0, 200))
def test_the_mark_of_all_is_no_one_elses_and_at_most_idle_behind(told: Readings, present: int) -> None:
    marks = seen(told)
    of_all = mark_of_all_us(marks, present * MINUTE, IDLE)
    awake = [mark for mark in marks.mark_us.tolist() if mark >= (present - 15) * MINUTE]
    assert of_all == (min(awake) if awake else None)


@given(readings, readings, st.integers(0, 200))
def test_a_site_of_the_future_or_the_past_leaves_the_rest_alone(told: Readings, stray: Readings, present: int) -> None:
    rest = [(site, ended, min(arrived, present)) for site, ended, arrived in told if site > 0]
    ahead = [(0, present + 1 + ended, present) for _, ended, _ in stray]
    behind = [(0, present - 16 - ended, present) for _, ended, _ in stray]
    alone = mark_of_all_us(seen(rest), present * MINUTE, IDLE)
    assert mark_of_all_us(seen(rest + ahead), present * MINUTE, IDLE) == alone
    assert mark_of_all_us(seen(rest + behind), present * MINUTE, IDLE) == alone


def test_silent_sites_are_waited_for_until_they_are_idle() -> None:
    marks = seen([(0, 100, 101), (1, 90, 91)])
    assert mark_of_all_us(marks, 105 * MINUTE, IDLE) == 90 * MINUTE
    assert mark_of_all_us(marks, 106 * MINUTE, IDLE) == 100 * MINUTE
    assert mark_of_all_us(marks, 116 * MINUTE, IDLE) is None
    assert marks.mark_us[2] == NEVER

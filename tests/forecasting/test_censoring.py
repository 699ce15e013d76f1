"""What a value under a limit says, and the bridge over it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.censoring import FADE_H, bridge, is_censored
from gridcore.asset import CURTAILABLE
from gridcore.target import KIND_OF

CAPACITY = np.array([100.0])


@pytest.mark.parametrize(
    ("power", "limit", "wanted"),
    [(50.0, 50.0, True), (49.0, 50.0, True), (48.9, 50.0, False), (20.0, np.nan, False), (np.nan, 50.0, False)],
)
def test_a_value_at_its_limit_is_censored_within_a_percent_of_capacity(
    power: float, limit: float, wanted: bool
) -> None:
    assert is_censored(np.array([[power]]), np.array([[limit]]), CAPACITY)[0, 0] == wanted


def test_the_bridge_is_the_official_change_with_the_last_deviation_fading() -> None:
    # Free at 60 MW with 50 MW official, then held at 10 MW: one hour later 55 MW official + 10 MW * exp(-1 h / fade).
    power = np.array([[60.0] + [10.0] * 12])
    official = np.array([[50.0] * 12 + [55.0]])
    censored = np.array([[False] + [True] * 12])
    result = bridge(power, censored, official, CAPACITY, 5.0)
    assert result[0, 0] == 60.0
    assert result[0, 12] == pytest.approx(55 + 10 * np.exp(-1 / 5.0))


def test_without_an_official_series_the_last_free_value_is_held() -> None:
    power = np.array([[60.0, 10.0, 10.0]])
    result = bridge(power, np.array([[False, True, True]]), np.full((1, 3), np.nan), CAPACITY, 5.0)
    assert result.tolist() == [[60.0, 60.0, 60.0]]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 120), st.booleans()), min_size=1, max_size=40))
def test_the_bridge_is_never_below_what_was_given_nor_above_capacity(rows: list[tuple[float, float, bool]]) -> None:
    power, official = (np.array([[row[column] for row in rows]]) for column in (0, 1))
    censored = np.array([[row[2] for row in rows]])
    result = bridge(power, censored, official, CAPACITY, 5.0)
    assert (result >= power).all()
    assert (result <= 100.0).all()
    assert (result[~censored] == power[~censored]).all()


def test_every_kind_that_can_be_curtailed_has_a_bridge() -> None:
    assert set(FADE_H) == {KIND_OF[technology] for technology in CURTAILABLE}

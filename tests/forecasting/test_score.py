"""Scores against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.score import MIN_DAYS, accuracy_row, coverage, pinball, rmse_accuracy
from gridcore.forecast import QUANTILES

LEVELS = len(QUANTILES)


def test_pinball_weighs_too_low_by_the_level_and_too_high_by_the_rest() -> None:
    # Truth 10; P90 forecast of 8 is 2 too low: 0.9 * 2. P90 forecast of 13 is 3 too high: 0.1 * 3.
    assert pinball(np.array([10.0]), np.array([[8.0]]), (0.9,))[0, 0] == pytest.approx(1.8)
    assert pinball(np.array([10.0]), np.array([[13.0]]), (0.9,))[0, 0] == pytest.approx(0.3)


def test_the_true_quantiles_have_the_least_pinball_loss() -> None:
    sample = np.random.default_rng(1).normal(size=20_000)
    true = np.quantile(sample, QUANTILES)
    best = pinball(sample, np.broadcast_to(true, (len(sample), LEVELS))).mean()
    for wrong in (true + 0.2, true * 1.3, true * 0.7):
        assert best < pinball(sample, np.broadcast_to(wrong, (len(sample), LEVELS))).mean()


def test_rmse_accuracy_is_one_less_the_rmse_share() -> None:
    # Errors 0.3 and 0.4 of capacity: RMSE sqrt((0.09 + 0.16) / 2) = 0.35355.
    assert rmse_accuracy(np.array([0.3, 0.4]), np.zeros(2)) == pytest.approx(1 - 0.353553, abs=1e-6)


def test_coverage_counts_what_lies_from_p10_to_p90() -> None:
    forecast = np.broadcast_to(np.array(QUANTILES), (4, LEVELS))
    assert coverage(np.array([0.05, 0.1, 0.5, np.nan]), forecast) == pytest.approx(2 / 3)


@pytest.mark.parametrize("days", [2, MIN_DAYS - 1])
def test_under_thirty_days_there_is_no_score_but_its_n(days: int) -> None:
    row = accuracy_row("wind", "D+1", np.ones(50), {"ours": np.ones((50, LEVELS))}, days, True)
    assert row.n == 50
    assert row.issue_days == days
    assert row.rmse_accuracy is row.pinball is row.coverage_80 is row.skill_persistence is row.skill_official is None


def test_censored_truths_are_left_out_and_skill_compares_equal_values() -> None:
    truth = np.array([0.5, 0.5, np.nan, 0.5])
    ours = np.full((4, LEVELS), 0.4)
    worse = np.full((4, LEVELS), 0.3)
    partly = worse.copy()
    partly[0] = np.nan
    forecasts = {"ours": ours, "persistence": worse, "official": partly}
    row = accuracy_row("wind", "D+1", truth, forecasts, MIN_DAYS, True)
    assert row.n == 3
    # Errors 0.1 against 0.2: half the loss.
    assert row.skill_persistence == pytest.approx(0.5)
    assert row.skill_official == pytest.approx(0.5)
    assert row.rmse_accuracy == pytest.approx(0.9)
    assert row.rmse_persistence == pytest.approx(0.8)

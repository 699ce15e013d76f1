"""Baselines as complete forecasters: error quantiles by block, scaled by the sun."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecasting.members import error_quantiles, quantiles_around
from forecasting.score import coverage
from gridcore.forecast import QUANTILES
from tests.forecasting.test_blend import frame


def test_error_quantiles_cover_what_they_were_measured_on() -> None:
    generator = np.random.default_rng(6)
    point = np.full((800, 1, 4), 0.5)
    # Errors of the second block are three times as wide and biased.
    spread = np.array([0.1, 0.1, 0.3, 0.3])
    truth = point + generator.normal(size=point.shape) * spread + np.array([0.0, 0.0, 0.2, 0.2])
    asked = frame(800)
    errors = error_quantiles(point, truth, asked)
    forecast = quantiles_around(point, errors, asked)
    assert abs(coverage(truth[:, :, :2], forecast[:, :, :2]) - 0.8) < 0.01
    assert abs(coverage(truth[:, :, 2:], forecast[:, :, 2:]) - 0.8) < 0.01
    assert abs(errors[1, QUANTILES.index(0.5)] - 0.2) < 0.03


def test_a_low_sun_narrows_the_spread_in_proportion() -> None:
    asked = frame(100)
    errors = np.linspace(-0.2, 0.2, len(QUANTILES))[None].repeat(2, axis=0)
    low = quantiles_around(np.zeros((100, 1, 4)), errors, replace(asked, sun=np.full((100, 1, 4), 0.1)))
    np.testing.assert_allclose(low, 0.1 * quantiles_around(np.zeros((100, 1, 4)), errors, asked))


def test_without_past_errors_a_baseline_is_a_point() -> None:
    point = np.full((3, 1, 4), 0.5)
    assert (error_quantiles(point, point * np.nan, frame(3)) == 0).all()

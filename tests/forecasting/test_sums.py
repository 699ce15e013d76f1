"""Laws of sums: medians add up, quantiles keep order, spreads follow what was measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from forecasting.score import coverage
from forecasting.settings import Mode
from forecasting.sums import fit_spread, sum_quantiles
from gridcore.forecast import QUANTILES
from gridcore.target import Kind, Target

NAMES = ("a", "b", "c", "d")
ROWS = {name: row for row, name in enumerate(NAMES)}
TOTAL = Target("system/wind", Kind.WIND, 400.0, "", members=tuple((name, 1.0) for name in NAMES))
MIXED = Target("portfolio/x", Kind.WIND, 100.0, "", members=(("a", 1.0), ("b", -1.0)))
SCORES = ndtri(np.array(QUANTILES))
Floats = npt.NDArray[np.float64]


def sample(common: float) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Forecasts of four members with deviation 5 MW, and truths whose errors share the part `common` of variance."""
    generator = np.random.default_rng(5)
    shared = generator.normal(size=(500, 1, 4)) * np.sqrt(common)
    own = generator.normal(size=(500, 4, 4)) * np.sqrt(1 - common)
    forecast = np.broadcast_to(50 + 5 * SCORES, (500, 4, 4, len(QUANTILES)))
    return forecast, 50 + 5 * (shared + own), np.zeros((500, 4), dtype=np.int64)


@pytest.mark.parametrize("common", [0.0, 0.5, 1.0])
def test_the_spread_of_a_sum_is_its_own_whatever_its_members_share(common: float) -> None:
    forecast, truth, block = sample(common)
    spread = fit_spread(TOTAL, ROWS, forecast, truth, block, Mode.INTRADAY)
    assert spread is not None
    result = sum_quantiles(TOTAL, ROWS, forecast, block, spread)
    assert coverage(truth.sum(axis=1), result) == pytest.approx(0.8, abs=0.02)
    # Deviation of the sum of four: 5 * sqrt(4 + 12 * common); P10 to P90 is 2.563 deviations wide.
    width = (result[..., -2] - result[..., 1]).mean()
    assert width == pytest.approx(2.563 * 5 * np.sqrt(4 + 12 * common), rel=0.08)


@pytest.mark.parametrize("total", [TOTAL, MIXED])
def test_medians_add_up_with_their_signs(total: Target) -> None:
    forecast, truth, block = sample(0.5)
    forecast = forecast * np.array([1.0, 0.5, 0.8, 0.2])[None, :, None, None]
    spread = fit_spread(total, ROWS, forecast, truth, block, Mode.INTRADAY)
    median = sum_quantiles(total, ROWS, forecast, block, spread)[..., QUANTILES.index(0.5)]
    wanted = sum(sign * forecast[:, ROWS[name], :, QUANTILES.index(0.5)] for name, sign in total.members)
    np.testing.assert_allclose(median, wanted)


def test_what_was_not_measured_errs_together() -> None:
    forecast, _, block = sample(0.0)
    np.testing.assert_allclose(sum_quantiles(TOTAL, ROWS, forecast, block, None), forecast.sum(axis=1))
    # Of a difference the upper level comes from one member's upper and the other's lower level.
    mixed = sum_quantiles(MIXED, ROWS, forecast, block, None)
    np.testing.assert_allclose(mixed[..., -1], forecast[:, 0, :, -1] - forecast[:, 1, :, 0])


def test_too_few_errors_give_no_spread() -> None:
    forecast, truth, block = sample(0.0)
    assert fit_spread(TOTAL, ROWS, forecast, truth * np.nan, block, Mode.INTRADAY) is None


@given(st.lists(st.lists(st.floats(0, 100), min_size=11, max_size=11), min_size=4, max_size=4))
def test_quantiles_of_a_sum_never_cross(values: list[list[float]]) -> None:
    forecast = np.sort(np.array(values), axis=1)[None, :, None, :]
    _, truth, block = sample(0.5)
    measured = fit_spread(TOTAL, ROWS, sample(0.5)[0], truth, block, Mode.INTRADAY)
    for total in (TOTAL, MIXED):
        for spread in (None, measured):
            result = sum_quantiles(total, ROWS, forecast, np.zeros((1, 1), dtype=np.int64), spread)
            assert (np.diff(result) >= 0).all()

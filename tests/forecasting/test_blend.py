"""Laws of the blend: shares, order, and what calibration is for."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from forecasting.blend import GRID, BlockBlend, _best_weights, calibrated, combine, fit_blend, left_out, unfitted
from forecasting.features import NAMES, Frame, Question
from forecasting.score import coverage, pinball
from forecasting.settings import Mode
from gridcore.forecast import QUANTILES

LEVELS = len(QUANTILES)
SCORES = ndtri(np.array(QUANTILES))
Floats = npt.NDArray[np.float64]


def frame(issues: int, mode: Mode = Mode.INTRADAY) -> Frame:
    shape = (issues, 1, 4)
    start = np.datetime64("2025-01-01", "us")
    valid = start + np.arange(issues * 4).reshape(issues, 4) * np.timedelta64(15, "m")
    block = np.broadcast_to(np.array([0, 0, 1, 1]), (issues, 4))
    one = np.ones(shape)
    dark = np.zeros(shape, dtype=bool)
    question = Question(valid[:, 0], valid, block, mode)
    return Frame(question, np.ones(1), np.zeros((*shape, len(NAMES))), one, one, one, dark, np.zeros((issues, 1)))


def normal_quantiles(mean: Floats, deviation: float) -> Floats:
    return np.asarray(mean[..., None] + deviation * SCORES)


def sample() -> tuple[Floats, Floats, Frame]:
    generator = np.random.default_rng(3)
    mean = generator.normal(size=(600, 1, 4))
    return mean, mean + generator.normal(size=mean.shape), frame(600)


def test_the_better_member_gets_the_weight_and_weights_are_shares() -> None:
    mean, truth, asked = sample()
    members = {"good": normal_quantiles(mean, 1.0), "bad": normal_quantiles(mean * 0 + 3, 1.0)}
    for block in fit_blend(members, truth, asked):
        assert block.weights["good"] > 0.9
        assert sum(block.weights.values()) == pytest.approx(1)
        assert min(block.weights.values()) >= 0
        assert block.pinball["good"] < block.pinball["bad"]


def test_two_members_with_independent_errors_share_the_weight() -> None:
    generator = np.random.default_rng(4)
    truth = generator.normal(size=(600, 1, 4))
    members = {n: normal_quantiles(truth + generator.normal(size=truth.shape), 1.0) for n in ("one", "two")}
    for block in fit_blend(members, truth, frame(600)):
        assert 0.3 < block.weights["one"] < 0.7
        assert block.pinball["blend"] < min(block.pinball["one"], block.pinball["two"])


def test_calibration_brings_a_narrow_forecast_towards_its_nominal_coverage() -> None:
    mean, truth, asked = sample()
    narrow = {"narrow": normal_quantiles(mean, 0.6)}
    blends = fit_blend(narrow, truth, asked)
    before, after = coverage(truth, narrow["narrow"]), coverage(truth, combine(narrow, blends, asked))
    # P10-P90 at 0.6 of the true deviation covers 55.8 % of a normal distribution.
    assert before == pytest.approx(0.558, abs=0.03)
    assert before + 0.05 < after < 0.83
    assert pinball(truth, combine(narrow, blends, asked)).mean() < pinball(truth, narrow["narrow"]).mean()


def test_a_member_unknown_in_a_block_is_left_out_there_and_where_it_lacks_the_others_share() -> None:
    mean, truth, asked = sample()
    half = normal_quantiles(mean, 1.0)
    half[:, :, 2:] = np.nan
    other = normal_quantiles(mean, 1.5)
    blends = fit_blend({"half": half, "other": other}, truth, asked)
    assert "half" in blends[0].weights
    assert "half" not in blends[1].weights
    gone = np.full_like(half, np.nan)
    alone = combine({"half": gone, "other": other}, unfitted_shift(blends), asked)
    np.testing.assert_allclose(alone, other)


def unfitted_shift(blends: tuple[BlockBlend, ...]) -> tuple[BlockBlend, ...]:
    return tuple(BlockBlend(b.weights, b.pinball, (0.0,) * LEVELS, b.rows) for b in blends)


def two_targets() -> tuple[dict[str, Floats], Floats, Frame]:
    """Two farms; of the second there is no official series (a name misspelt), by night both know zero."""
    mean, truth, asked = sample()
    both = replace(
        asked, **{name: np.repeat(getattr(asked, name), 2, axis=1) for name in ("sun", "is_down", "persistence")}
    )
    both.is_down[::4] = True
    members = {name: normal_quantiles(np.repeat(mean, 2, axis=1), 1.0) for name in ("official", "persistence")}
    members["persistence"] += 1.0
    members["official"][:, 1] = np.nan
    for value in members.values():
        value[both.is_down] = 0.0
    return members, np.repeat(truth, 2, axis=1), both


def test_a_member_that_one_target_lacks_serves_the_others_and_a_note_says_so() -> None:
    members, truth, asked = two_targets()
    blends = fit_blend(members, truth, asked)
    assert all(block.weights["official"] > 0.5 for block in blends)
    assert left_out(members, truth, asked, ("good", "misspelt")) == ("official left out for misspelt: never known",)
    awake = ~asked.is_down
    result = combine(members, unfitted_shift(blends), asked)
    np.testing.assert_allclose(result[:, 1][awake[:, 1]], members["persistence"][:, 1][awake[:, 1]])


def test_a_copied_blend_too_keeps_a_member_that_one_target_lacks() -> None:
    members, truth, asked = two_targets()
    truth[:, :, 2:] = np.nan
    first, second = fit_blend(members, truth, asked)
    assert dict(second.weights) == dict(first.weights)
    assert first.weights["official"] > 0.5


def test_a_member_known_too_rarely_is_left_out_of_the_block_and_a_note_says_so() -> None:
    mean, truth, asked = sample()
    members = {name: normal_quantiles(mean, 1.0) for name in ("official", "persistence")}
    members["official"][:120, :, 2:] = np.nan
    assert set(fit_blend(members, truth, asked)[1].weights) == {"persistence"}
    words = "official left out of 60-240 min: 80% of its values known, wanted 90%"
    assert left_out(members, truth, asked, ("farm",)) == (words,)
    members["official"][:, :, 2:] = np.nan
    assert left_out(members, truth, asked, ("farm",)) == ()


def test_members_of_different_targets_leave_the_ones_that_are_known_together() -> None:
    members, truth, asked = two_targets()
    other = members["official"][:, ::-1].copy()
    other[:5] = np.nan
    weights = fit_blend(members | {"other": other}, truth, asked)[0].weights
    assert set(weights) == {"official", "persistence"}


def test_a_block_without_rows_takes_its_neighbours_weights() -> None:
    mean, truth, asked = sample()
    truth[:, :, 2:] = np.nan
    blends = fit_blend({"good": normal_quantiles(mean, 1.0), "bad": normal_quantiles(mean * 0, 3.0)}, truth, asked)
    assert blends[1] == replace(blends[0], rows=0)


def test_a_copied_blend_leaves_out_who_never_knows_the_block() -> None:
    # As with nine days of history: no truth yet for D+2, where the official series never reaches.
    mean, truth, asked = sample()
    truth[:, :, 2:] = np.nan
    members = {name: normal_quantiles(mean, 1.0) for name in ("model", "official")}
    members["official"][:, :, 2:] = np.nan
    first, second = fit_blend(members, truth, asked)
    assert set(first.weights) == {"model", "official"}
    assert dict(second.weights) == {"model": 1.0}


def test_without_any_row_the_unfitted_weights_stand() -> None:
    mean, truth, asked = sample()
    assert fit_blend({"good": normal_quantiles(mean, 1.0)}, truth * np.nan, asked) == unfitted(Mode.INTRADAY)


@given(
    st.lists(st.floats(-5, 5), min_size=LEVELS, max_size=LEVELS),
    st.lists(st.floats(-0.5, 0.5), min_size=LEVELS, max_size=LEVELS),
)
def test_calibrated_quantiles_never_cross(values: list[float], shift: list[float]) -> None:
    result = calibrated(np.sort(np.array(values))[None], np.array(shift)[None])
    assert (np.diff(result) >= 0).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_the_search_for_weights_finds_what_trying_all_finds(seed: int, members: int) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=60)
    noise = generator.normal(size=(members, 60)) * generator.uniform(0.2, 1.0, size=(members, 1))
    levels = np.sort(generator.normal(size=(members, 1, len(QUANTILES))), axis=-1)
    stack = (truth + noise + generator.normal(size=(members, 1)) * 0.3)[..., None] + levels
    every = [p for p in product(range(GRID + 1), repeat=members) if sum(p) == GRID]
    least = min(pinball(truth, np.tensordot(np.array(p) / GRID, stack, axes=1)).mean() for p in every)
    found = _best_weights(stack, truth)
    assert found.sum() == pytest.approx(1.0)
    assert pinball(truth, np.tensordot(found, stack, axes=1)).mean() <= least * 1.002

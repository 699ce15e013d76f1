"""The quantile model: levels in order, the same from its text, and what its anchor is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri

from forecasting.boosting import (
    FADE_OTHER_H,
    FADE_SUN_H,
    anchor,
    fit_boosters,
    from_text,
    growth,
    lead_power,
    predict_levels,
    to_text,
)
from forecasting.features import NAMES
from forecasting.settings import Mode, TreeSettings
from gridcore.forecast import QUANTILES
from gridcore.target import Kind
from tests.forecasting.test_blend import frame
from tests.forecasting.world import SMALL

TREES = TreeSettings(trees=120, leaves=4, min_rows_in_leaf=200, feature_share=1.0)


def test_normal_errors_give_normal_quantiles() -> None:
    generator = np.random.default_rng(2)
    rows = np.zeros((4000, len(NAMES)))
    rows[:, :4] = generator.normal(size=(4000, 4))
    residual = generator.normal(size=4000) * np.where(rows[:, 0] > 0, 2.0, 0.5)
    boosters = fit_boosters(rows, residual, Mode.INTRADAY, replace(SMALL, intraday_trees=TREES))
    result = predict_levels(boosters, SMALL.boosted_levels, rows)
    assert (np.diff(result, axis=1) >= 0).all()
    wide, narrow = result[rows[:, 0] > 0.5].mean(axis=0), result[rows[:, 0] < -0.5].mean(axis=0)
    # Also at levels without a booster (0.3, 0.9): linear in the normal score.
    np.testing.assert_allclose(wide, 2.0 * ndtri(np.array(QUANTILES)), atol=0.5)
    np.testing.assert_allclose(narrow, 0.5 * ndtri(np.array(QUANTILES)), atol=0.3)


def test_boosters_from_their_text_say_the_same_bit_for_bit() -> None:
    generator = np.random.default_rng(2)
    rows = generator.normal(size=(600, len(NAMES)))
    boosters = fit_boosters(rows, rows[:, 0] + generator.normal(size=600), Mode.DAY_AHEAD, SMALL)
    again = from_text(to_text(boosters))
    levels = SMALL.boosted_levels
    assert predict_levels(boosters, levels, rows).tobytes() == predict_levels(again, levels, rows).tobytes()
    one = np.concatenate([predict_levels(again, levels, row[None]) for row in rows[:20]])
    np.testing.assert_allclose(one, predict_levels(again, levels, rows[:20]), atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "wanted", "fade_h"), [(Kind.WIND, 0.5 + 0.3, FADE_OTHER_H), (Kind.PV, 0.5 - 0.1, FADE_SUN_H)]
)
def test_the_anchor_leaves_telemetry_for_the_official_series(kind: Kind, wanted: float, fade_h: float) -> None:
    # Official 0.5, last value 0.8, present error -0.1: telemetry counts whole at lead 0, 37 % after the fading time.
    asked = frame(1)
    features = asked.features.copy()
    for name, value in (("official_interpolated", 0.5), ("last", 0.8), ("error_60", -0.1)):
        features[..., NAMES.index(name)] = value
    for lead_h in (0.0, fade_h):
        features[..., NAMES.index("lead_h")] = lead_h
        result = anchor(replace(asked, features=features), kind)
        np.testing.assert_allclose(result, 0.5 + (wanted - 0.5) * np.exp(-lead_h / fade_h))


def test_without_an_official_series_the_anchor_is_the_mean_of_the_last_days() -> None:
    asked = frame(1)
    features = np.full_like(asked.features, np.nan)
    features[..., NAMES.index("lag_mean")] = 0.3
    assert (anchor(replace(asked, features=features), Kind.WIND) == 0.3).all()
    features[..., NAMES.index("lag_mean")] = np.nan
    assert (anchor(replace(asked, features=features), Kind.WIND) == asked.persistence).all()


def wandering() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Feature rows that say nothing, lead times, and errors of a random walk: their size is the root of the lead."""
    generator = np.random.default_rng(5)
    rows = generator.normal(size=(8000, len(NAMES)))
    lead_h = generator.integers(1, 17, size=8000) * 0.25
    rows[:, NAMES.index("lead_h")] = lead_h
    return rows, lead_h, 0.1 * np.sqrt(lead_h) * generator.normal(size=8000)


def test_errors_of_a_random_walk_grow_with_the_root_of_the_lead() -> None:
    _, lead_h, error = wandering()
    assert lead_power(lead_h, error, Kind.WIND, Mode.INTRADAY) == pytest.approx(0.5, abs=0.04)
    assert lead_power(lead_h, np.sign(error), Kind.WIND, Mode.INTRADAY) == pytest.approx(0.0, abs=1e-9)
    assert lead_power(lead_h, error, Kind.PV, Mode.INTRADAY) == 0.0
    assert lead_power(lead_h, error, Kind.WIND, Mode.DAY_AHEAD) == 0.0
    assert lead_power(lead_h[:1], error[:1], Kind.WIND, Mode.INTRADAY) == 0.0


def test_loud_late_steps_do_not_disturb_the_first_step() -> None:
    # Nothing can be learnt here: every step's true median is 0, and what the trees say at +15 min is their noise.
    rows, lead_h, error = wandering()
    size = growth(lead_h, lead_power(lead_h, error, Kind.WIND, Mode.INTRADAY))
    first = rows[lead_h == 0.25]
    noise = []
    for residual, at_first in ((error, 1.0), (error / size, size[lead_h == 0.25][0])):
        boosters = fit_boosters(rows, residual, Mode.INTRADAY, SMALL)
        median = predict_levels(boosters, SMALL.boosted_levels, first)[:, QUANTILES.index(0.5)]
        noise.append(float(np.sqrt(np.mean((median * at_first) ** 2))))
    assert noise[1] < 0.7 * noise[0]

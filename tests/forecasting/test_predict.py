"""From a model to quantiles: what is unknown stays unknown until the bounds, and who stands in for a baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from forecasting.blend import unfitted
from forecasting.features import NAMES, Frame, Question
from forecasting.kind_model import KindModel
from forecasting.members import OFFICIAL, PERSISTENCE
from forecasting.predict import baseline_alone, blended, boosted, bounded
from forecasting.settings import Mode
from gridcore.forecast import QUANTILES
from gridcore.target import Kind

START = np.datetime64("2025-03-03T12:00", "us")
LEVELS = len(QUANTILES)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Constant:
    """A booster that always says the same."""

    value: float

    def predict(self, rows: Floats, **_: object) -> Floats:
        return np.full(len(rows), self.value)


def frame(persistence: list[float], official: list[float], is_down: bool = False) -> Frame:
    """One issue time, one target, steps of 15 min; the anchor is the interpolated official series."""
    steps = len(persistence)
    valid = (START + np.arange(1, steps + 1) * np.timedelta64(15, "m"))[None]
    question = Question(np.array([START]), valid, np.zeros((1, steps), dtype=np.int64), Mode.INTRADAY)
    features = np.full((1, 1, steps, len(NAMES)), np.nan)
    features[..., NAMES.index("lead_h")] = np.arange(1, steps + 1) / 4
    features[..., NAMES.index("official_interpolated")] = official
    known = [np.array(values, dtype=float)[None, None] for values in (persistence, official)]
    one = np.ones((1, 1, steps))
    return Frame(question, np.ones(1), features, known[0], known[1], one, one == is_down, np.zeros((1, 1)))


def model(*levels: tuple[float, float]) -> KindModel:
    boosters = tuple(Constant(value) for _, value in levels)
    asked = tuple(level for level, _ in levels)
    return KindModel(Kind.WIND, Mode.INTRADAY, "", boosters, asked, {}, {}, unfitted(Mode.INTRADAY), {}, 9.0)  # type: ignore[arg-type]


def test_the_boosters_say_nothing_where_neither_reading_nor_official_value_is_known() -> None:
    asked = frame([0.5, np.nan, np.nan], [0.4, 0.4, np.nan])
    result = boosted(model((0.1, -0.1), (0.5, 0.05), (0.9, 0.2)), asked)
    np.testing.assert_allclose(result[0, 0, :2, QUANTILES.index(0.5)], 0.45)
    np.testing.assert_allclose(result[0, 0, :2, QUANTILES.index(0.9)], 0.6)
    assert np.isnan(result[0, 0, 2]).all()


def test_what_the_boosters_do_not_know_another_member_says() -> None:
    asked = frame([np.nan], [np.nan])
    members = {"lightgbm": boosted(model((0.1, -0.1), (0.9, 0.2)), asked), "prophet": np.full((1, 1, 1, LEVELS), 0.3)}
    blends = [replace(one, weights={"lightgbm": 0.9, "prophet": 0.1}) for one in unfitted(Mode.INTRADAY)]
    np.testing.assert_allclose(blended(members, blends, asked, Kind.WIND), 0.3)


def test_where_nobody_knows_anything_zero_is_given() -> None:
    members = {PERSISTENCE: np.full((1, 1, 1, LEVELS), np.nan)}
    assert (blended(members, unfitted(Mode.INTRADAY), frame([np.nan], [np.nan]), Kind.WIND) == 0).all()


def test_a_baseline_alone_lets_the_other_stand_in() -> None:
    asked = frame([0.5, 0.5, np.nan], [0.4, np.nan, np.nan])
    members = {
        name: np.repeat(point[..., None], LEVELS, axis=-1)
        for name, point in ((PERSISTENCE, asked.persistence), (OFFICIAL, asked.official))
    }
    official = baseline_alone(members, OFFICIAL, asked, Kind.WIND)
    np.testing.assert_allclose(official[0, 0, :, 0], [0.4, 0.5, 0.0])
    persistence = baseline_alone(members, PERSISTENCE, asked, Kind.WIND)
    np.testing.assert_allclose(persistence[0, 0, :, 0], [0.5, 0.5, 0.0])


@pytest.mark.parametrize(
    ("kind", "upper"), [(Kind.WIND, 1.0), (Kind.PV, 1.0), (Kind.LOAD, 1.4), (Kind.CSP_INFLOW, 1.4)]
)
def test_bounds_are_zero_and_the_capacity_of_kinds_that_have_one(kind: Kind, upper: float) -> None:
    forecast = np.linspace(1.4, -0.2, LEVELS)[None, None, None]
    result = bounded(forecast, frame([0.5], [0.5]), kind)[0, 0, 0]
    assert result[0] == 0
    assert result[-1] == upper
    assert (np.diff(result) >= 0).all()


def test_the_night_is_dark_even_where_nothing_is_known() -> None:
    forecast = np.full((1, 1, 1, LEVELS), np.nan)
    assert (bounded(forecast, frame([np.nan], [np.nan], is_down=True), Kind.PV) == 0).all()

"""A late cut serves each issue time with the fit that was there by then."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

import numpy as np
import pytest

from forecasting.issue import Forecaster
from forecasting.registry import Registry, fits_between
from gridcore.ports import RegisteredModel
from gridcore.target import Kind, Target
from tests.forecasting.fakes import FakeHistory, with_models
from tests.forecasting.world import FIT_AT, SMALL, WIND, network, world

HOUR = timedelta(hours=1)
REFIT_AT = FIT_AT + timedelta(days=2)
END = FIT_AT + timedelta(days=4)
NAME = "wind/intraday"
SUM = Target("system/wind", Kind.WIND, 400.0, "", members=tuple((target.name, 1.0) for target in WIND))


def made(days: float, name: str = NAME) -> RegisteredModel:
    return RegisteredModel(name, FIT_AT + timedelta(days=days), f"{name}-{days:g}", b"")


WEEKLY = FakeHistory(models=[made(0), made(7), made(14), made(7, "pv/intraday")])


@pytest.mark.parametrize(
    ("first", "last", "wanted"),
    [(0, 20, [0, 7, 14]), (3, 10, [0, 7]), (7, 10, [7]), (8, 13.9, [7]), (-5, 3, [0]), (-5, -1, []), (14, 14, [14])],
)
def test_the_fits_of_a_stretch_are_those_that_served_it(first: float, last: float, wanted: list[float]) -> None:
    found = fits_between(WEEKLY.known_at, [NAME], FIT_AT + timedelta(days=first), FIT_AT + timedelta(days=last))
    assert found == tuple(made(days) for days in wanted)


@pytest.mark.parametrize(("day", "wanted"), [(-0.01, None), (0, 0), (6.99, 0), (7, 7), (30, 14)])
def test_an_issue_time_takes_the_newest_fit_that_was_there(day: float, wanted: float | None) -> None:
    registry = Registry(WEEKLY.known_at(FIT_AT + timedelta(days=40)), WEEKLY.models)
    found = registry.find(NAME, FIT_AT + timedelta(days=day))
    assert found == (None if wanted is None else made(wanted))


def test_of_a_cut_alone_only_the_newest_fit_serves_and_no_issue_time_before_it() -> None:
    registry = Registry(WEEKLY.known_at(FIT_AT + timedelta(days=10)), None)
    assert registry.find(NAME, FIT_AT + timedelta(days=8)) == made(7)
    assert registry.find(NAME, FIT_AT + timedelta(days=6)) is None


@lru_cache(maxsize=1)
def refitted() -> tuple[Forecaster, FakeHistory]:
    """Four farms and their sum, fitted twice."""
    forecaster = Forecaster(network(), WIND, [SUM], SMALL)
    history = world().history
    models = [model for instant in (FIT_AT, REFIT_AT) for model in forecaster.fit(history.known_at(instant))]
    return forecaster, with_models(history, models)


@pytest.mark.parametrize("mode", ["intraday", "day_ahead"])
@pytest.mark.parametrize("member", ["blend", "persistence", "official"])
def test_issue_times_on_both_sides_of_a_refit_equal_one_at_a_time(mode: str, member: str) -> None:
    forecaster, history = refitted()
    # Out of order, one at the very instant of the refit.
    instants = [REFIT_AT + n * HOUR for n in (7, 0, -1, -17)]
    models = forecaster.fits(history.known_at, instants, mode)
    assert {model.fitted_as_of for model in models} == {FIT_AT, REFIT_AT}
    many = forecaster.issue_many(history.known_at(END), instants, mode, member, models)
    for instant, vintage in zip(instants, many, strict=True):
        one = forecaster.issue(history.known_at(instant), instant, mode, member)
        assert vintage.issue_time == instant
        assert vintage.model_id == one.model_id
        assert vintage.fallback_reason == one.fallback_reason
        np.testing.assert_allclose(vintage.power_mw, one.power_mw, atol=1e-9, rtol=0)


def test_the_two_fits_differ() -> None:
    forecaster, history = refitted()
    before, after = (forecaster.issue(history.known_at(t), t, "intraday") for t in (REFIT_AT - HOUR, REFIT_AT))
    assert set(before.model_id).isdisjoint(after.model_id)

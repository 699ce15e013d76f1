"""Prophet as a curve over time: it repeats, it finds the week and the holiday, and it is the same day by day."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from forecasting.issue import Forecaster
from forecasting.kind_model import decode
from forecasting.prophet_curves import silence
from tests.forecasting.world import FIT_AT, LOAD, SMALL, network, world

BERLIN = ZoneInfo("Europe/Berlin")
START = np.datetime64("2025-03-03", "us")
DAYS = 42


def load_shape(
    instants: np.ndarray[tuple[int], np.dtype[np.datetime64]],
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    day = (instants - START) / np.timedelta64(1, "D")
    weekend = np.isin(np.floor(day) % 7, (5, 6))
    return np.asarray(0.6 + 0.2 * np.sin(2 * np.pi * (day - 0.3)) - 0.15 * weekend)


@lru_cache(maxsize=1)
def fitted_text() -> str:
    silence()
    from forecasting.prophet_member import fit_prophet

    slots = load_shape(START + np.arange(DAYS * 96) * np.timedelta64(15, "m"))
    return fit_prophet(START, slots, BERLIN, replace(SMALL, holiday_country="DE"))


def test_two_fits_give_the_same_text() -> None:
    first = fitted_text()
    fitted_text.cache_clear()
    assert fitted_text() == first


def test_it_finds_day_and_week() -> None:
    from forecasting.prophet_member import ProphetCurve

    # The week after the history (14 to 20 April) holds Good Friday; Tuesday and Sunday are ordinary.
    ahead = START + np.arange(DAYS * 96, DAYS * 96 + 7 * 96) * np.timedelta64(15, "m")
    error = np.abs(ProphetCurve(fitted_text(), BERLIN).at(ahead) - load_shape(ahead)).reshape(7, 96).mean(axis=1)
    assert error[1] < 0.03
    assert error[6] < 0.04


def test_good_friday_falls_only_where_the_country_has_it() -> None:
    from prophet.serialize import model_from_json

    from forecasting.prophet_member import fit_prophet

    # In Germany Good Friday is a public holiday, in the United States it is none.
    slots = load_shape(START + np.arange(DAYS * 96) * np.timedelta64(15, "m"))
    names = {}
    for country in ("DE", "US", "", "XX"):
        model = model_from_json(fit_prophet(START, slots, BERLIN, replace(SMALL, holiday_country=country)))
        names[country] = set(model.train_holiday_names if model.train_holiday_names is not None else ())
    assert "Karfreitag" in names["DE"] or "Good Friday" in names["DE"]
    assert names["US"]
    assert names["US"].isdisjoint({"Karfreitag", "Good Friday"})
    assert names[""] == names["XX"] == set()


@pytest.mark.parametrize(
    ("country", "words"), [("", "the grid names no country"), ("XX", "the country XX"), ("DE", "")]
)
def test_a_model_without_holidays_says_so(country: str, words: str) -> None:
    settings = replace(SMALL, with_prophet=True, prophet_min_days=10, holiday_country=country)
    registered = Forecaster(network(), [LOAD], (), settings).fit(world().history.known_at(FIT_AT))
    notes = {note for one in registered if one.name.startswith("load/") for note in decode(one).notes}
    assert len(notes) == (1 if words else 0)
    assert all(words in note for note in notes)


def test_day_by_day_and_all_at_once_agree() -> None:
    from forecasting.prophet_member import ProphetCurve

    instants = START + np.arange(10 * 96) * np.timedelta64(15, "m")
    by_day = ProphetCurve(fitted_text(), BERLIN).at(instants)
    at_once = ProphetCurve(fitted_text(), BERLIN, by_day=False).at(instants)
    np.testing.assert_allclose(by_day, at_once, atol=1e-12)


def test_a_curve_does_not_depend_on_what_was_asked_before() -> None:
    from forecasting.prophet_member import ProphetCurve

    day = START + np.arange(96) * np.timedelta64(15, "m")
    among = ProphetCurve(fitted_text(), BERLIN)
    among.at(day + np.timedelta64(3, "D"))
    assert among.at(day).tobytes() == ProphetCurve(fitted_text(), BERLIN).at(day).tobytes()


def test_it_is_a_member_of_the_load_blend_with_weight_and_loss() -> None:
    forecaster = Forecaster(network(), [LOAD], (), replace(SMALL, with_prophet=True, prophet_min_days=10))
    registered = forecaster.fit(world().history.known_at(FIT_AT))
    for model in (decode(one) for one in registered if one.name.startswith("load/")):
        assert set(model.prophets) == {LOAD.name}
        assert all("prophet" in block.weights and block.pinball["prophet"] > 0 for block in model.blends)

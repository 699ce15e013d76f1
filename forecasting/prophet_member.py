"""Prophet as a member of the load blend: trend, weekly and daily season, holidays.

Hourly data, no sampled intervals (they would differ between runs): its quantiles come from its residuals on the history
that it was fitted on, and are therefore too narrow; held-out residuals would want a third Prophet for each load. The
blend is calibrated on a stretch that its members have not seen, which widens what is too narrow. A Prophet without
regressors is a function of time alone, so a day's values are computed once per model and kept.

Source: Taylor & Letham (2018), Forecasting at Scale, The American Statistician 72(1), 37-45.
"""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
from holidays import list_supported_countries
from prophet import Prophet
from prophet.serialize import model_from_json, model_to_json

from forecasting.settings import SLOT, ForecastSettings
from gridcore.timeline import Instants, from_numpy

FADE_H = 6.0
"""Time in which Prophet's present error loses 63 % of its meaning [h]."""

YEAR_DAYS = 540
"""History from which a yearly season is fitted [days]; from less it would be the trend in disguise."""

Floats = npt.NDArray[np.float64]


def fit_prophet(start: np.datetime64, slots: Floats, zone: ZoneInfo, settings: ForecastSettings) -> str:
    """Fit one load's Prophet and give it as JSON text.

    Args:
        start: Start of the first slot.
        slots: Load in 15-minute means, shape (slots,) [share of size]; NaN where unknown.
        zone: The grid's zone: seasons and holidays follow local wall time.
        settings: Country of the holidays, seed.
    """
    hours = slots[: len(slots) // 4 * 4].reshape(-1, 4)
    known = np.isfinite(hours).all(axis=1)
    instants = start + np.flatnonzero(known) * (4 * SLOT)
    frame = pd.DataFrame({"ds": _wall(instants, zone), "y": hours[known].mean(axis=1)})
    days = len(hours) / 24
    model = Prophet(
        uncertainty_samples=0,
        n_changepoints=int(np.clip(days // 7, 2, 15)),
        yearly_seasonality=days >= YEAR_DAYS,
        weekly_seasonality=True,
        daily_seasonality=12,
    )
    if not missing_holidays(settings.holiday_country):
        model.add_country_holidays(country_name=settings.holiday_country)
    model.fit(frame, seed=settings.seed)
    return str(model_to_json(model))


def missing_holidays(country: str) -> str:
    """Why no holidays are known for a country; empty where they are."""
    if not country:
        return "no holidays: the grid names no country"
    return "" if country in supported_countries() else f"no holidays: none are known for the country {country}"


@cache
def supported_countries() -> frozenset[str]:
    """Countries whose public holidays are known, ISO 3166-1 alpha-2."""
    return frozenset(list_supported_countries())


class ProphetCurve:
    """A fitted Prophet as a curve over time, computed by UTC day and kept.

    Args:
        text: JSON text of the model.
        zone: The grid's zone.
        by_day: Compute each day apart; otherwise all missing days at once.
    """

    def __init__(self, text: str, zone: ZoneInfo, by_day: bool = True) -> None:
        self._by_day = by_day
        self._model = model_from_json(text)
        self._zone = zone
        self._days: dict[int, Floats] = {}

    def at(self, instants: Instants) -> Floats:
        """Load over the period that starts at each instant, same shape [share of size]."""
        days = instants.astype("datetime64[D]").astype(np.int64)
        slot = ((instants - instants.astype("datetime64[D]")) // SLOT).astype(np.int64)
        unique, position = np.unique(days, return_inverse=True)
        missing = [int(day) for day in unique if int(day) not in self._days]
        for part in [[day] for day in missing] if self._by_day else [missing]:
            self._compute(part)
        curves = np.stack([self._days[int(day)] for day in unique])
        return np.asarray(curves[position.reshape(days.shape), slot])

    def _compute(self, days: list[int]) -> None:
        """The 96 values of each UTC day: hourly means, drawn as a line between the middles of their hours."""
        if not days:
            return
        starts = np.array(days, dtype="datetime64[D]").astype("datetime64[us]")
        instants = starts[:, None] + np.arange(-1, 25) * (4 * SLOT)
        table = self._model.predict(pd.DataFrame({"ds": _wall(instants.reshape(-1), self._zone)}))
        # Prophet sorts what it is asked; days overlap by their border hours, so values go back by their time.
        value_of = dict(zip(table["ds"], table["yhat"].to_numpy(np.float64), strict=True))
        slots = (np.arange(96) + 0.5) / 4
        for day, row in zip(days, instants, strict=True):
            hourly = [value_of[wall] for wall in _wall(row, self._zone)]
            self._days[day] = np.interp(slots, np.arange(-1, 25) + 0.5, hourly)


def _wall(instants: Instants, zone: ZoneInfo) -> list[pd.Timestamp]:
    """Local wall time without zone, as Prophet wants it; the repeated hour of a clock change stands twice."""
    return [pd.Timestamp((from_numpy(i)).astimezone(zone).replace(tzinfo=None)) for i in instants]


def error_carried(error: Floats, lead_h: Floats) -> Floats:
    """What is left of Prophet's present error after `lead_h` hours."""
    return np.asarray(np.nan_to_num(error, nan=0.0) * np.exp(-lead_h / FADE_H))

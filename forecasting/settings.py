"""Settings of the forecasting room: budgets, stretches and switches, each with the reason for its default."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import numpy as np

from gridcore.forecast import INTRADAY
from gridcore.target import Kind
from gridcore.timeline import PERIOD, PLANT_PERIOD


class Mode(StrEnum):
    """What a vintage is for; the value is the word used in model names."""

    INTRADAY = "intraday"
    DAY_AHEAD = "day_ahead"


SOLAR = frozenset({Kind.PV, Kind.ROOFTOP_PV, Kind.CSP_INFLOW})
"""Kinds that follow the sun."""

CLIPPED = frozenset({Kind.WIND, Kind.PV, Kind.ROOFTOP_PV})
"""Kinds that can't exceed their capacity; a CSP's field delivers more than its turbine takes."""

CELL = np.timedelta64(PLANT_PERIOD).astype("timedelta64[us]")
"""Grid step of telemetry inside this room; finer readings are averaged, coarser ones hold over their period."""

SLOT = np.timedelta64(PERIOD).astype("timedelta64[us]")
"""Grid step of forecasts."""

CELLS_PER_SLOT = int(SLOT // CELL)
"""Telemetry cells in a forecast period."""

STEPS_INTRADAY = INTRADAY // PERIOD
"""Periods of an intraday vintage: 4 h, the horizon of the economic dispatch."""

DAYS_AHEAD = 3
"""Local days of a day-ahead vintage: the next one for the gate and two beyond."""


@dataclass(frozen=True, slots=True)
class TreeSettings:
    """Size of a LightGBM model."""

    trees: int
    """Boosting rounds of each quantile level."""

    leaves: int
    """Leaves of a tree."""

    min_rows_in_leaf: int
    """Fewest training rows of a leaf."""

    feature_share: float
    """Share of features that a tree may use."""

    learning_rate: float = 0.07
    """Shrinkage of each tree."""


@dataclass(frozen=True)
class ForecastSettings:
    """How models are fitted and blended."""

    min_history_days: float = 5.0
    """Shortest history that a fit accepts [days]."""

    max_history_days: float = 400.0
    """Older history is left out of a fit [days]."""

    validation_share: float = 0.25
    """Share of the history, at its end, that blend weights and calibration are measured on."""

    validation_days: tuple[float, float] = (2.0, 21.0)
    """Least and most days of validation [days]."""

    training_rows: int = 14_000
    """Rows (issue time, target, step) of one fit: more gained under 1 % of pinball loss on RTS-GMLC."""

    intraday_trees: TreeSettings = TreeSettings(trees=80, leaves=31, min_rows_in_leaf=40, feature_share=0.7)
    """Trees of the intraday models: thousands of issue times carry them."""

    day_ahead_trees: TreeSettings = TreeSettings(trees=70, leaves=8, min_rows_in_leaf=250, feature_share=0.4)
    """Trees of the day-ahead models: one issue a day, all targets under one weather; larger trees learn the days by
    heart (on RTS-GMLC 31 leaves lose 9 % of pinball loss at D+2 for PV, 17 % for wind)."""

    boosted_levels: tuple[float, ...] = (0.05, 0.2, 0.5, 0.8, 0.95)
    """Levels with a booster of their own; the others are interpolated on the probit scale."""

    seed: int = 20_200_101
    """Seed of row sampling and of LightGBM."""

    fit_workers: int = 0
    """Kinds that are fitted side by side; 0 for as many as the machine has cores, from 2 to 4. Results don't differ."""

    gate_hour: int = 8
    """Local hour of the day-ahead issue [h]; training imitates it."""

    holiday_country: str = ""
    """Country whose public holidays Prophet knows, ISO 3166-1 alpha-2; empty for none."""

    with_prophet: bool = True
    """Let Prophet be a member of the load blend."""

    prophet_min_days: float = 14.0
    """Prophet wants two weeks to tell a week's season from a trend [days]."""

    fallback_history: timedelta = timedelta(days=5)
    """History that a forecast without a fitted model measures its baselines' errors on."""

    def trees(self, mode: Mode) -> TreeSettings:
        """Size of the models of a mode."""
        return self.intraday_trees if mode is Mode.INTRADAY else self.day_ahead_trees

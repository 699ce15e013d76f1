"""The global LightGBM quantile model of a kind: boosters for a few levels, the others interpolated.

Boosters learn what is left after an anchor (the official series and its present error, fading), so that with nine days
of history the forecast is already as good as the anchor.
"""

from __future__ import annotations

from collections.abc import Sequence

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from forecasting.features import NAMES, Frame
from forecasting.settings import SOLAR, ForecastSettings, Mode
from gridcore.forecast import QUANTILES
from gridcore.target import Kind

FADE_SUN_H, FADE_OTHER_H = 4.0, 6.5
"""Time in which the anchor forgets what telemetry says, for kinds that follow the sun and for others [h]; the trees
correct what is left. The least-squares weight of wind's last value is 0.96 at 15 min, 0.87 at 1 h and 0.54 at 4 h."""

SHORTEST_LEAD_H = 0.25
"""Lead time below which errors count as those of the first step [h]: the newest reading is some minutes old anyway."""

MIN_LEADS = 3
"""Fewer lead times than this tell no growth."""

Floats = npt.NDArray[np.float64]


def anchor(frame: Frame, kind: Kind) -> Floats:
    """What the trees start from, shape (issue times, targets, steps), share of size; 0 where nothing is known.

    The official series, corrected by telemetry as far as that still says something: wind goes from its last value over
    to the official series, whose ramps come at the wrong hour anyway; sun and load keep its shape and carry its error.
    Without an official series, the mean of the last days.
    """
    official = _column(frame, "official_interpolated")
    fade = np.exp(-_column(frame, "lead_h") / (FADE_SUN_H if kind in SOLAR else FADE_OTHER_H))
    is_wind = kind is Kind.WIND
    correction = _column(frame, "last") - official if is_wind else _column(frame, "error_60") * frame.sun
    corrected = official + np.nan_to_num(correction, nan=0.0) * fade
    lag = _column(frame, "lag_mean")
    spare = np.where(np.isfinite(lag), lag, frame.persistence)
    return np.nan_to_num(np.where(np.isfinite(official), corrected, spare), nan=0.0)


def lead_power(lead_h: Floats, residual: Floats, kind: Kind, mode: Mode) -> float:
    """The power of the lead time with which the anchor's errors grow, in [0, 1].

    Wind and load wander off the anchor like a random walk: on RTS-GMLC their mean absolute errors over the first 4 h
    grow with a power of 0.38 to 0.48. Trees that see such errors unscaled learn the loud late steps and put their
    noise onto the quiet first ones (a week of October, wind at +15 min: RMSE 7 % above persistence's, and 3 % below it
    with scaling). The sun's errors follow its height (power 0.0 to 0.2), where scaling by lead gains nothing; days
    ahead, errors no longer grow.

    Args:
        lead_h: Lead times, shape (rows,) [h].
        residual: Truth minus anchor, shape (rows,), share of size.
        kind: The targets' kind.
        mode: Intraday or day-ahead.
    """
    if mode is not Mode.INTRADAY or kind in SOLAR:
        return 0.0
    leads, group = np.unique(np.maximum(lead_h, SHORTEST_LEAD_H), return_inverse=True)
    count = np.bincount(group)
    size = np.bincount(group, np.abs(residual)) / count
    known = size > 0
    if known.sum() < MIN_LEADS:
        return 0.0
    slope = np.polyfit(np.log(leads[known]), np.log(size[known]), 1, w=np.sqrt(count[known]))[0]
    return float(np.clip(slope, 0.0, 1.0))


def growth(lead_h: Floats, power: float) -> Floats:
    """Size of errors at each lead time, relative to that at one hour, same shape."""
    return np.asarray(np.maximum(lead_h, SHORTEST_LEAD_H) ** power)


def fit_boosters(rows: Floats, residual: Floats, mode: Mode, settings: ForecastSettings) -> list[lgb.Booster]:
    """One booster for each of `settings.boosted_levels`.

    Args:
        rows: Features, shape (rows, features).
        residual: Truth minus anchor over its `growth`, shape (rows,), share of size.
        mode: Intraday or day-ahead.
        settings: Trees, levels, seed.
    """
    trees = settings.trees(mode)
    parameters: dict[str, object] = {
        "objective": "quantile",
        "num_leaves": trees.leaves,
        "learning_rate": trees.learning_rate,
        "min_data_in_leaf": trees.min_rows_in_leaf,
        "feature_fraction": trees.feature_share,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "max_bin": 63,
        "seed": settings.seed,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    data = lgb.Dataset(rows, residual, feature_name=list(NAMES), params=parameters, free_raw_data=False)
    return [lgb.train(parameters | {"alpha": level}, data, trees.trees) for level in settings.boosted_levels]


def predict_levels(boosters: Sequence[lgb.Booster], levels: Sequence[float], rows: Floats) -> Floats:
    """Residual at every level of `QUANTILES`, not crossing, shape (rows, quantiles).

    Between boosted levels the value is linear in the normal score, as a normal distribution's quantiles are.
    """
    if not len(rows):
        return np.zeros((0, len(QUANTILES)))
    known = np.stack([booster.predict(rows, num_threads=1) for booster in boosters], axis=1)
    known.sort(axis=1)
    return np.asarray(known @ _interpolation(tuple(levels)))


def to_text(boosters: Sequence[lgb.Booster]) -> list[str]:
    """LightGBM's own text of each booster."""
    return [booster.model_to_string() for booster in boosters]


def from_text(texts: Sequence[str]) -> list[lgb.Booster]:
    """Boosters from their text."""
    return [lgb.Booster(model_str=text) for text in texts]


def _column(frame: Frame, name: str) -> Floats:
    return np.asarray(frame.features[..., NAMES.index(name)])


def _interpolation(levels: tuple[float, ...]) -> Floats:
    """Weights from boosted levels to `QUANTILES`, shape (levels, quantiles); the ends are held."""
    scores, wanted = ndtri(np.array(levels)), ndtri(np.array(QUANTILES))
    return np.stack([np.interp(wanted, scores, unit) for unit in np.eye(len(levels))])

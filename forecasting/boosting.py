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
from forecasting.settings import ForecastSettings
from gridcore.forecast import QUANTILES

ERROR_FADE_H = 3.0
"""Time in which the anchor forgets the official series' present error [h]; the trees correct what is left."""

Floats = npt.NDArray[np.float64]


def anchor(frame: Frame) -> Floats:
    """What the trees start from, shape (issue times, targets, steps), share of size; 0 where nothing is known."""
    column = {name: frame.features[..., NAMES.index(name)] for name in ("official_interpolated", "error_60", "lead_h")}
    lag = frame.features[..., NAMES.index("lag_mean")]
    error = np.nan_to_num(column["error_60"], nan=0.0) * np.exp(-column["lead_h"] / ERROR_FADE_H) * frame.sun
    with_official = column["official_interpolated"] + error
    last = np.where(np.isfinite(lag), lag, frame.persistence)
    return np.nan_to_num(np.where(np.isfinite(with_official), with_official, last), nan=0.0)


def fit_boosters(rows: Floats, residual: Floats, settings: ForecastSettings) -> list[lgb.Booster]:
    """One booster for each of `settings.boosted_levels`.

    Args:
        rows: Features, shape (rows, features).
        residual: Truth minus anchor, shape (rows,), share of size.
        settings: Trees, leaves, seed.
    """
    parameters: dict[str, object] = {
        "objective": "quantile",
        "num_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": 40,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "max_bin": 127,
        "seed": settings.seed,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    data = lgb.Dataset(rows, residual, feature_name=list(NAMES), params=parameters, free_raw_data=False)
    return [lgb.train(parameters | {"alpha": level}, data, settings.trees) for level in settings.boosted_levels]


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


def _interpolation(levels: tuple[float, ...]) -> Floats:
    """Weights from boosted levels to `QUANTILES`, shape (levels, quantiles); the ends are held."""
    scores, wanted = ndtri(np.array(levels)), ndtri(np.array(QUANTILES))
    return np.stack([np.interp(wanted, scores, unit) for unit in np.eye(len(levels))])

"""From a kind's model and frame to its quantiles: members, blend, and the bounds that physics sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from forecasting.blend import BlockBlend, combine
from forecasting.boosting import anchor, growth, predict_levels
from forecasting.features import Frame
from forecasting.history import History
from forecasting.kind_model import KindModel
from forecasting.members import BASELINES, LIGHTGBM, PROPHET, points_of, quantiles_around
from forecasting.prophet_curves import ProphetCurves
from forecasting.settings import CLIPPED
from gridcore.forecast import QUANTILES
from gridcore.target import Kind

Floats = npt.NDArray[np.float64]


def member_quantiles(
    model: KindModel, frame: Frame, targets: Sequence[str], curves: ProphetCurves, wanted: frozenset[str] | None = None
) -> dict[str, Floats]:
    """Quantiles of each member, shape (issue times, targets, steps, quantiles), share of size; NaN where unknown.

    Args:
        model: The kind's model.
        frame: The questions.
        targets: Target names, in the frame's order.
        curves: Where Prophet's values are kept.
        wanted: Members to compute; all where None.
    """
    members: dict[str, Floats] = {}
    if model.boosters and (wanted is None or LIGHTGBM in wanted):
        members[LIGHTGBM] = boosted(model, frame)
    if model.prophets and (wanted is None or PROPHET in wanted):
        point = curves.points(model.prophets, frame, targets)
        members[PROPHET] = quantiles_around(point, model.errors[PROPHET], frame)
    for name, point in points_of(frame).items():
        if wanted is None or name in wanted:
            members[name] = quantiles_around(point, model.errors[name], frame)
    return {name: bounded(value, frame, model.kind) for name, value in members.items()}


def boosted(model: KindModel, frame: Frame) -> Floats:
    """LightGBM's quantiles; NaN where neither a reading nor an official value is known."""
    base = anchor(frame, model.kind)
    result = np.broadcast_to(base[..., None], (*base.shape, len(QUANTILES))).copy()
    asked = ~frame.is_down
    size = np.broadcast_to(growth(frame.lead_h, model.lead_power)[:, None, :], base.shape)[asked]
    result[asked] += predict_levels(model.boosters, model.levels, frame.features[asked]) * size[:, None]
    blind = ~(np.isfinite(frame.persistence) | np.isfinite(frame.official))
    result[blind] = np.nan
    return result


def blended(members: dict[str, Floats], blends: Sequence[BlockBlend], frame: Frame, kind: Kind) -> Floats:
    """The blend within its bounds, shape (issue times, targets, steps, quantiles), share of size.

    Zeros where no member knows anything.
    """
    return np.nan_to_num(bounded(combine(members, blends, frame), frame, kind), nan=0.0)


def baseline_alone(members: Mapping[str, Floats], name: str, frame: Frame, kind: Kind) -> Floats:
    """A baseline as a complete forecaster, shape (issue times, targets, steps, quantiles), share of size.

    Where it is unknown the other baseline stands in; zeros where neither knows anything.
    """
    spare = next(other for other in BASELINES if other != name)
    chosen = np.where(np.isfinite(members[name]), members[name], members[spare])
    return np.nan_to_num(bounded(chosen, frame, kind), nan=0.0)


def bounded(forecast: Floats, frame: Frame, kind: Kind) -> Floats:
    """Quantiles in order, not below 0, not above capacity, and 0 while the sun is down all period."""
    upper = 1.0 if kind in CLIPPED else np.inf
    night = np.where(frame.is_down[..., None], 0.0, forecast)
    return np.sort(np.clip(night, 0.0, upper), axis=-1)


def needed_members(blends: Sequence[BlockBlend]) -> frozenset[str]:
    """Members with weight in some block, and the baselines, which stand in where one of those is unknown."""
    return frozenset(name for blend in blends for name, weight in blend.weights.items() if weight > 0) | set(BASELINES)


def load_scale(history: History, known_mw: dict[str, float], names: Sequence[str]) -> Floats:
    """Size of targets that only history can tell (load): a robust maximum, shape (targets,) [MW].

    The 99.5 % quantile of known periods times 1.05: a single spike must not shrink every other
    day. 1 where nothing is known.
    """
    sizes = np.ones(len(names))
    for row, name in enumerate(names):
        truth = history.truth[row][np.isfinite(history.truth[row])]
        official = history.official[-1, row][np.isfinite(history.official[-1, row])]
        values = truth if len(truth) else official
        if name in known_mw:
            sizes[row] = known_mw[name]
        elif len(values) and np.abs(values).max() > 0:
            sizes[row] = 1.05 * float(np.quantile(np.abs(values), 0.995)) or 1.0
    return sizes

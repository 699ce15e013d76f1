"""Scores of quantile forecasts: pinball loss, RMSE accuracy of the grid code, coverage, skill.

RMSE accuracy is 1 - RMSE / capacity, as China's grid codes score wind and solar forecasts (GB/T 19963.1, GB/T 19964);
solar kinds are scored while the sun is up. Under 30 days of issue times a score is not given: None, with its n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from gridcore.forecast import QUANTILES

MIN_DAYS = 30
"""Days of issue times that a score needs; weather comes in spells of days, and two days say nothing."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Accuracy:
    """Scores of one kind and lead block, an item of INTERFACES.md's `accuracy`; None says insufficient data."""

    kind: str
    """Kind of target."""

    lead_block: str
    """Block of lead times."""

    n: int
    """Scored values (issue time, target, period)."""

    issue_days: int
    """Days with an issue time."""

    rmse_accuracy: float | None
    """1 - RMSE / capacity of the median, in (-inf, 1]."""

    pinball: float | None
    """Mean pinball loss over the levels, share of capacity."""

    skill_persistence: float | None
    """1 - pinball / persistence's pinball on the same values."""

    skill_official: float | None
    """1 - pinball / the official series' pinball on the same values; None where there is none."""

    coverage_80: float | None
    """Share of values from P10 to P90."""

    rmse_persistence: float | None
    """RMSE accuracy of persistence."""

    rmse_official: float | None
    """RMSE accuracy of the official series."""

    is_headline: bool
    """Counts as a claim: wind, PV or rooftop PV, where the official series is not the truth times a constant."""

    def as_dict(self) -> dict[str, object]:
        """The item for JSON."""
        return asdict(self)


def pinball(truth: Floats, forecast: Floats, quantiles: Sequence[float] = QUANTILES) -> Floats:
    """Pinball loss of each value and level, shape (..., quantiles); NaN where either is NaN.

    Args:
        truth: Shape (...).
        forecast: Shape (..., quantiles).
        quantiles: Levels of the last axis.

    Source: Koenker & Bassett (1978), Econometrica 46(1), 33-50.
    """
    error = truth[..., None] - forecast
    levels = np.asarray(quantiles)
    return np.asarray(np.maximum(levels * error, (levels - 1) * error))


def coverage(truth: Floats, forecast: Floats, low: float = 0.1, high: float = 0.9) -> float:
    """Share of truths in [P_low, P_high]; NaN where nothing is known."""
    inside = (truth >= forecast[..., QUANTILES.index(low)]) & (truth <= forecast[..., QUANTILES.index(high)])
    known = np.isfinite(truth)
    return float(inside[known].mean()) if known.any() else float("nan")


def rmse_accuracy(truth: Floats, point: Floats) -> float:
    """1 - RMSE of values that are shares of capacity; NaN where nothing is known."""
    error = (truth - point)[np.isfinite(truth) & np.isfinite(point)]
    return 1 - float(np.sqrt(np.mean(error**2))) if len(error) else float("nan")


def accuracy_row(
    kind: str,
    lead_block: str,
    truth: Floats,
    forecasts: Mapping[str, Floats],
    issue_days: int,
    is_headline: bool,
) -> Accuracy:
    """Score one kind and block.

    Args:
        kind: Kind of target.
        lead_block: Block of lead times.
        truth: Shares of capacity, shape (values,); NaN where missing or censored.
        forecasts: `ours`, `persistence` and, where there is one, `official`, each shape (values, quantiles).
        issue_days: Days with an issue time.
        is_headline: Whether the row counts as a claim.
    """
    usable = np.isfinite(truth) & np.isfinite(forecasts["ours"]).all(axis=-1)
    n = int(usable.sum())
    if n == 0 or issue_days < MIN_DAYS:
        return Accuracy(kind, lead_block, n, issue_days, None, None, None, None, None, None, None, is_headline)
    median = QUANTILES.index(0.5)
    loss = pinball(truth, forecasts["ours"]).mean(axis=-1)
    points = {name: forecast[usable, median] for name, forecast in forecasts.items()}
    rmse = {name: _number(rmse_accuracy(truth[usable], point)) for name, point in points.items()}
    skill = {
        name: _skill(loss, pinball(truth, forecast).mean(axis=-1), usable)
        for name, forecast in forecasts.items()
        if name != "ours"
    }
    return Accuracy(
        kind,
        lead_block,
        n,
        issue_days,
        rmse["ours"],
        float(loss[usable].mean()),
        skill.get("persistence"),
        skill.get("official"),
        coverage(truth[usable], forecasts["ours"][usable]),
        rmse.get("persistence"),
        rmse.get("official"),
        is_headline,
    )


def _skill(ours: Floats, other: Floats, usable: npt.NDArray[np.bool_]) -> float | None:
    """1 - ours / other where both are known; None where the other has fewer than half of the values."""
    both = usable & np.isfinite(other)
    if both.sum() * 2 < usable.sum() or not other[both].mean() > 0:
        return None
    return 1 - float(ours[both].mean() / other[both].mean())


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None

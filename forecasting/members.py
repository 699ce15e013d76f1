"""Members of the blend that need no training: persistence and the official series, with measured error quantiles.

A baseline is a complete forecaster: its point forecast plus the empirical quantiles of its own past errors, by lead
block. For solar kinds errors are measured as shares of the clear sky, so that dawn and noon share one table.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from forecasting.features import Frame
from forecasting.leads import BLOCKS
from forecasting.settings import Mode
from gridcore.forecast import QUANTILES

LIGHTGBM, PROPHET, PERSISTENCE, OFFICIAL = "lightgbm", "prophet", "persistence", "official"

BASELINES = (PERSISTENCE, OFFICIAL)
"""Members that exist without a fit."""

UNFITTED_WEIGHTS: Mapping[Mode, tuple[Mapping[str, float], ...]] = {
    Mode.INTRADAY: ({PERSISTENCE: 0.8, OFFICIAL: 0.2}, {PERSISTENCE: 0.4, OFFICIAL: 0.6}),
    Mode.DAY_AHEAD: ({PERSISTENCE: 0.2, OFFICIAL: 0.8},) * 3,
}
"""Weights by lead block where no model is fitted: telemetry leads in the first hour, the weather after."""

MIN_ERRORS = 20
"""Fewer past errors than this give no quantiles; the baseline is then degenerate, a point."""

Floats = npt.NDArray[np.float64]


def points_of(frame: Frame) -> dict[str, Floats]:
    """Point forecasts of the baselines, shape (issue times, targets, steps), share of size."""
    return {PERSISTENCE: frame.persistence, OFFICIAL: frame.official}


def error_quantiles(point: Floats, truth: Floats, frame: Frame) -> Floats:
    """Quantiles of a point forecast's own errors by lead block, shape (blocks, quantiles), share of size and sun.

    A block without enough errors takes its neighbour's; zeros where none has any.

    Args:
        point: Shape (issue times, targets, steps).
        truth: What came true, same shape, NaN where unknown or curtailed.
        frame: The questions.
    """
    error = (truth - point) / frame.sun
    usable = np.isfinite(error) & ~frame.is_down
    block = np.broadcast_to(frame.question.block[:, None, :], error.shape)
    rows: list[Floats | None] = []
    for index in range(len(BLOCKS[frame.question.mode])):
        chosen = error[usable & (block == index)]
        rows.append(np.quantile(chosen, QUANTILES) if len(chosen) >= MIN_ERRORS else None)
    return np.stack(filled(rows))


def filled(rows: list[Floats | None]) -> list[Floats]:
    """Blocks without a value take the nearest block's, the earlier of two; zeros where none has one."""
    known = [index for index, row in enumerate(rows) if row is not None]
    zero = np.zeros(len(QUANTILES))
    result: list[Floats] = []
    for index, row in enumerate(rows):
        nearest = min(known, key=lambda other: (abs(other - index), other), default=None)
        found = row if row is not None else (zero if nearest is None else rows[nearest])
        result.append(zero if found is None else found)
    return result


def quantiles_around(point: Floats, errors: Floats, frame: Frame) -> Floats:
    """A point forecast with its error quantiles, shape (issue times, targets, steps, quantiles); NaN where no point."""
    spread = errors[frame.question.block][:, None, :, :] * frame.sun[..., None]
    return np.asarray(point[..., None] + spread)

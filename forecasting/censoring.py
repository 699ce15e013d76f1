"""Censoring: a farm under a curtailment limit shows the limit, not the wind; such values teach nothing of the weather.

A censored value only says "at least this much". It is no training target, and as a lag it is replaced by a bridge: the
official series plus the last seen deviation from it, fading with time, and never below what the farm really gave.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from gridcore.target import Kind
from gridcore.timeline import PLANT_PERIOD

TOLERANCE = 0.01
"""Share of capacity below the limit at which it still counts as binding: plants track a limit with that error."""

FADE_H: Mapping[Kind, float] = {Kind.WIND: 5.0, Kind.PV: 2.0}
"""Time in which a deviation from the official series loses 63 % of its meaning [h]: where the autocorrelation of the
hourly error falls to 0.37 over the year of RTS-GMLC (3.7 to 5.5 h for its wind farms, 1.7 to 2.1 h for PV plants)."""

FORGET_H = 12.0
"""Age from which the last deviation is not used at all [h]: a tick then needs no longer window than this for its
bridge, and sees the same as a fit that reads the whole history."""

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def is_censored(power_mw: Floats, limit_mw: Floats, capacity_mw: Floats) -> Flags:
    """Which values say "at least this much", shape (targets, cells).

    Args:
        power_mw: Telemetry, shape (targets, cells) [MW].
        limit_mw: Limit in force, NaN where there is none, shape (targets, cells) [MW].
        capacity_mw: Shape (targets,) [MW].
    """
    with np.errstate(invalid="ignore"):
        return power_mw >= limit_mw - TOLERANCE * capacity_mw[:, None]


def bridge(power_mw: Floats, censored: Flags, official_mw: Floats, capacity_mw: Floats, fade_h: float) -> Floats:
    """Telemetry with censored values replaced by an estimate of what was available, shape (targets, cells) [MW].

    Args:
        power_mw: Telemetry, NaN where there is none, shape (targets, cells) [MW].
        censored: Which values are censored, shape (targets, cells).
        official_mw: Official series on the same grid, NaN where there is none [MW].
        capacity_mw: Upper bound of the estimate, shape (targets,) [MW].
        fade_h: Time in which a deviation from the official series fades [h].
    """
    if not censored.any():
        return power_mw
    cells = np.arange(power_mw.shape[1])
    free = np.isfinite(power_mw) & ~censored
    last = np.maximum.accumulate(np.where(free, cells, -1), axis=1)
    age_h = (cells - last) * (PLANT_PERIOD.total_seconds() / 3600)
    seen = (last >= 0) & (age_h <= FORGET_H)
    index = np.maximum(last, 0)
    value = np.take_along_axis(power_mw, index, axis=1)
    deviation = value - np.take_along_axis(official_mw, index, axis=1)
    faded = np.where(seen & np.isfinite(deviation), deviation * np.exp(-age_h / fade_h), 0.0)
    estimate = np.where(np.isfinite(official_mw), official_mw + faded, np.where(seen, value, power_mw))
    bounded = np.clip(estimate, power_mw, np.maximum(capacity_mw[:, None], power_mw))
    return np.where(censored, bounded, power_mw)

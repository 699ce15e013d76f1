"""Two outlooks one after the other: the newest intraday forecasts, then the day-ahead ones, drawn towards them.

Where both speak of the same periods, their difference is the day-ahead forecast's error as it is seen now. Errors of
wind and load last for hours, so the rest of the day is moved by what is left of it. Sun follows its own course: an
error at noon says little of the afternoon, and nothing of the night.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from dispatch.outlook import Outlook
from gridcore.asset import Technology
from gridcore.network import Network

Floats = npt.NDArray[np.float64]

FADE = timedelta(hours=6.5)
"""Time in which an error of the day-ahead forecast falls to 1/e.

Measured on RTS-GMLC's system wind, official against actual, all of 2020: autocorrelation 0.57 at 4 h, 0.42 at 6 h, 0.3
at 8 h, 0.1 at 12 h."""

SEEN = timedelta(hours=1)
"""Last part of the first outlook over which the error is taken as a mean."""


def continued(network: Network, now: Outlook, ahead: Outlook) -> Outlook:
    """The periods of `now`, then those of `ahead` that follow, with the error seen at the seam, fading.

    Args:
        network: The grid.
        now: The next hours.
        ahead: Later periods of the same resolution, without a gap to `now`; some may be in `now` too.
    """
    overlap = int((ahead.valid_time <= now.valid_time[-1]).sum())
    rest = slice(overlap, None)
    seen = min(overlap, int(SEEN / now.resolution))
    load, available = ahead.load_mw[:, rest], ahead.available_mw[:, rest]
    if seen:
        same, last = slice(overlap - seen, overlap), slice(len(now.valid_time) - seen, None)
        left = np.exp(-(np.arange(load.shape[1]) + 1.0) * (now.resolution / FADE))
        load = np.maximum(load + _mean_change(ahead.load_mw[:, same], now.load_mw[:, last]) * left, 0.0)
        farms = [row for row, asset in enumerate(network.assets) if asset.technology is Technology.WIND]
        change = _mean_change(ahead.available_mw[farms][:, same], now.available_mw[farms][:, last])
        largest = np.array([network.assets[row].p_max_mw for row in farms]).reshape(-1, 1)
        wind = np.clip(available[farms] + change * left, 0.0, largest)
        available = available.copy()
        available[farms] = np.where(ahead.out_of_service[farms][:, rest], 0.0, wind)
    return replace(
        now,
        valid_time=np.concatenate([now.valid_time, ahead.valid_time[rest]]),
        load_mw=np.hstack([now.load_mw, load]),
        available_mw=np.hstack([now.available_mw, available]),
        reserve_mw=np.hstack([now.reserve_mw, ahead.reserve_mw[:, rest]]),
        margin_mw=np.concatenate([now.margin_mw, ahead.margin_mw[rest]]),
        out_of_service=np.hstack([now.out_of_service, ahead.out_of_service[:, rest]]),
        branch_out=np.hstack([now.branch_out, ahead.branch_out[:, rest]]),
    )


def _mean_change(before: Floats, after: Floats) -> Floats:
    """Mean of after - before over the periods, shape (rows, 1)."""
    change: Floats = (after - before).mean(axis=1, keepdims=True)
    return change

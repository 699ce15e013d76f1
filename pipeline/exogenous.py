"""Series that dispatch takes as given: fixed hydro and hourly reserve requirements, from what was officially known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.asset import Technology
from gridcore.network import Network
from gridcore.ports import Known
from gridcore.reading import OfficialValue, held_matrix, to_matrix
from gridcore.target import power_channel
from gridcore.timeline import PERIOD, PLANT_PERIOD, Instants, from_numpy

DAY = timedelta(days=1)
LOOK_BACK_DAYS = 4
"""How many days back the same time of day is looked for: a vintage of three days, and one of slack."""


class OfficialHistory(Protocol):
    """What an official series is read from: `Known`, or an export."""

    def official(self, assets: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        """As `Known.official`."""
        ...


def official_or_same_time(
    known: OfficialHistory, names: Sequence[str], valid_time: Instants, says: OfficialValue = OfficialValue.MEAN
) -> npt.NDArray[np.float64]:
    """The official power of each series; where none is known, the one of the same time on the last known day.

    Args:
        known: What was known.
        names: Series wanted.
        valid_time: Starts of periods of `PERIOD`.
        says: What an official value says of its period.

    Returns:
        Mean power over each period, shape (names, periods) [MW]; NaN where not even an earlier day is known.
    """
    first = from_numpy(valid_time[0]) - LOOK_BACK_DAYS * DAY
    table = known.official(names, first, from_numpy(valid_time[-1]) + DAY)
    period = _step_of(table)

    def power_at(instants: Instants) -> npt.NDArray[np.float64]:
        if says is OfficialValue.RAMP:
            return _on_the_ramp(table, names, instants, period)
        return held_matrix(table, names, instants, period)

    values = power_at(valid_time)
    for back in range(1, LOOK_BACK_DAYS + 1):
        missing = ~np.isfinite(values)
        if not missing.any():
            break
        earlier = power_at(valid_time - np.timedelta64(back * DAY))
        values[missing] = earlier[missing]
    return values


def _step_of(table: pa.Table) -> timedelta:
    """Period of the series: the least distance of two values; an hour where there is but one."""
    instants = np.unique(table.column("valid_time").to_numpy().astype("datetime64[us]"))
    steps = np.diff(instants)
    least: timedelta = steps.min().item() if len(steps) else timedelta(hours=1)
    return least


def _on_the_ramp(
    table: pa.Table, names: Sequence[str], valid_time: Instants, period: timedelta
) -> npt.NDArray[np.float64]:
    """Mean power where an official value is reached at its period's end, shape (names, periods) [MW].

    The source's actuals lie on that line at the end of their `PLANT_PERIOD` and stand for all of it, so the mean over a
    period is that of these points, which is half a step ahead of the line's own. A value whose forerunner is not known
    holds over its period.
    """
    points = PERIOD // PLANT_PERIOD
    begins = (valid_time[:, None] + np.arange(points) * np.timedelta64(PLANT_PERIOD)).reshape(-1)
    reached = held_matrix(table, names, begins, period)
    before = held_matrix(table, names, begins - np.timedelta64(period), period)
    before = np.where(np.isfinite(before), before, reached)
    instants = table.column("valid_time").to_numpy().astype("datetime64[us]")
    since = (begins - (instants.min() if len(instants) else begins[0])) % np.timedelta64(period)
    share = (since + np.timedelta64(PLANT_PERIOD)) / np.timedelta64(period)
    means: npt.NDArray[np.float64] = (before + (reached - before) * share).reshape(len(names), -1, points).mean(axis=2)
    return means


def fixed_hydro(known: Known, network: Network, valid_time: Instants) -> npt.NDArray[np.float64]:
    """Output of each hydro unit, which is given and not dispatched, shape (assets, periods) [MW]; 0 in other rows.

    The official series, read as the network's `official_hydro` says; else the same time on the last known day; else the
    last reading; else 0.
    """
    fixed = np.zeros((len(network.assets), len(valid_time)))
    units = network.of(Technology.HYDRO)
    if not units:
        return fixed
    names = [unit.name for unit in units]
    values = official_or_same_time(known, names, valid_time, network.official_hydro)
    if not np.isfinite(values).all():
        last = _last_readings(known, names)
        values = np.where(np.isfinite(values), values, last[:, None])
    capacity = np.array([unit.p_max_mw for unit in units])[:, None]
    fixed[[network.asset_index[name] for name in names]] = np.clip(values, 0.0, capacity)
    return fixed


def _last_readings(known: Known, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """The newest output within a day, 0 where there is none, shape (names,) [MW]."""
    channels, start = [power_channel(name) for name in names], known.instant - DAY
    recent = to_matrix(known.readings(channels, start, known.instant), channels, start, known.instant, PERIOD)
    seen = np.isfinite(recent)
    last = recent.shape[1] - 1 - np.argmax(seen[:, ::-1], axis=1)
    return np.where(seen.any(axis=1), np.nan_to_num(recent[np.arange(len(names)), last]), 0.0)


def reserve_requirements(known: Known, network: Network, valid_time: Instants) -> npt.NDArray[np.float64]:
    """Required reserve of each product, shape (products, periods) [MW]; 0 where none was ever stated."""
    names = [f"reserve/{product.name}" for product in network.reserves]
    if not names:
        return np.zeros((0, len(valid_time)))
    return np.nan_to_num(official_or_same_time(known, names, valid_time))

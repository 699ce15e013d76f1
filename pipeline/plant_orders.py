"""Setpoints in force at an instant: what each asset of the plant is told, or does when it is told nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.asset import OnExpiry
from gridcore.network import Network
from gridcore.timeline import PLANT_PERIOD, to_numpy

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Orders:
    """Setpoints of one step; arrays have shape (assets,) unless said otherwise."""

    target_mw: Floats
    """Power to go to; NaN to keep the last power [MW]."""

    limit_mw: Floats
    """Largest output of wind and PV; inf where there is no limit [MW]."""

    on: npt.NDArray[np.int8]
    """1 to be on, 0 to be off, -1 to stay as it is."""

    dc_mw: Floats
    """Flow of each DC line, shape (dc_lines,) [MW]."""


@dataclass(frozen=True)
class Told:
    """A table of setpoints as columns, the newest issue of each asset and validity last."""

    asset: list[str]
    begins: npt.NDArray[np.datetime64]
    ends: npt.NDArray[np.datetime64]
    power_mw: Floats
    is_limit: list[bool]
    is_on: list[bool]


def orders_in_force(network: Network, setpoints: pa.Table, valid_time: datetime) -> Orders:
    """The newest setpoint of each asset that is valid at `valid_time`; where there is none, what the asset does then.

    A target is a mean over its validity. It is followed along the line that joins the middles of the target before,
    this one and the next, as far as they are known: the means nearly stay, and a jump is spread over three steps, as
    load moves too.

    Args:
        network: The grid.
        setpoints: `SETPOINT_SCHEMA`, in any order; rows issued after `valid_time` are not looked at.
        valid_time: Start of the step.
    """
    orders = _without_setpoints(network)
    now = to_numpy(valid_time)
    told = _told(setpoints, now)
    in_force = np.flatnonzero((told.begins <= now) & (told.ends > now))
    current = {told.asset[row]: int(row) for row in in_force}
    before, after = _neighbours(told, current)
    middle = now + np.timedelta64(PLANT_PERIOD) / 2
    line_of = {line.name: row for row, line in enumerate(network.dc_lines)}
    for name, row in current.items():
        place = network.asset_index.get(name)
        if place is not None and told.is_limit[row]:
            orders.limit_mw[place] = told.power_mw[row]
            continue
        target_mw = _on_the_line(told, row, before.get(name), after.get(name), middle)
        if place is not None:
            orders.target_mw[place], orders.on[place] = target_mw, int(told.is_on[row])
        elif name in line_of:
            limit_mw = network.dc_lines[line_of[name]].limit_mw
            orders.dc_mw[line_of[name]] = min(max(target_mw, -limit_mw), limit_mw)
    return orders


def _told(setpoints: pa.Table, now: np.datetime64) -> Told:
    """The columns; later rows of an asset overwrite earlier ones, and the plan id breaks a tie the same way always."""
    issued = setpoints.column("issue_time").to_numpy().astype("datetime64[us]")
    table = setpoints.filter(pa.array(issued <= now))
    table = table.sort_by([("issue_time", "ascending"), ("plan_id", "ascending")])
    return Told(
        asset=table.column("asset").to_pylist(),
        begins=table.column("valid_from").to_numpy().astype("datetime64[us]"),
        ends=table.column("valid_until").to_numpy().astype("datetime64[us]"),
        power_mw=table.column("power_mw").to_numpy().astype(np.float64),
        is_limit=[role == "limit" for role in table.column("role").to_pylist()],
        is_on=table.column("is_on").to_pylist(),
    )


def _neighbours(told: Told, current: dict[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Rows of the setpoints that end where an asset's current one begins, and that begin where it ends."""
    before, after = {}, {}
    for row, name in enumerate(told.asset):
        now = current.get(name)
        if now is None or told.is_limit[row]:
            continue
        if told.ends[row] == told.begins[now]:
            before[name] = row
        elif told.begins[row] == told.ends[now]:
            after[name] = row
    return before, after


def _on_the_line(told: Told, row: int, before: int | None, after: int | None, middle: np.datetime64) -> float:
    """The target at `middle`, between the middles of the setpoint and its neighbour on that side [MW]."""
    own = told.begins[row] + (told.ends[row] - told.begins[row]) / 2
    neighbour = after if middle > own else before
    power = float(told.power_mw[row])
    if neighbour is None or middle == own:
        return power
    other = told.begins[neighbour] + (told.ends[neighbour] - told.begins[neighbour]) / 2
    share = float((middle - own) / (other - own))
    return power + share * (float(told.power_mw[neighbour]) - power)


def _without_setpoints(network: Network) -> Orders:
    """`OnExpiry` of every asset: units hold, wind and PV are released, stores and DC lines go to zero."""
    count = len(network.assets)
    zero = np.array([asset.on_expiry is OnExpiry.ZERO for asset in network.assets], bool)
    target = np.where(zero, 0.0, np.nan)
    return Orders(target, np.full(count, np.inf), np.full(count, -1, np.int8), np.zeros(len(network.dc_lines)))

"""Setpoints in force at an instant: what each asset of the plant is told, or does when it is told nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.asset import OnExpiry
from gridcore.network import Network
from gridcore.timeline import TIMESTAMP, to_numpy

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


def orders_in_force(network: Network, setpoints: pa.Table, valid_time: datetime) -> Orders:
    """The newest setpoint of each asset that is valid at `valid_time`; where there is none, what the asset does then.

    Args:
        network: The grid.
        setpoints: `SETPOINT_SCHEMA`, in any order; rows of other instants are passed over.
        valid_time: Start of the step.
    """
    orders = _without_setpoints(network)
    now = pa.scalar(to_numpy(valid_time)).cast(TIMESTAMP)
    begun = pc.less_equal(setpoints.column("valid_from"), now)
    table = setpoints.filter(pc.and_(begun, pc.greater(setpoints.column("valid_until"), now)))
    # Later rows overwrite earlier ones, so that the newest issue counts; the plan id breaks a tie the same way always.
    table = table.sort_by([("issue_time", "ascending"), ("plan_id", "ascending")])
    columns = (table.column(name).to_pylist() for name in ("asset", "power_mw", "role", "is_on"))
    line_of = {line.name: row for row, line in enumerate(network.dc_lines)}
    for name, power_mw, role, is_on in zip(*columns, strict=True):
        row = network.asset_index.get(name)
        if row is None:
            if name in line_of:
                limit_mw = network.dc_lines[line_of[name]].limit_mw
                orders.dc_mw[line_of[name]] = min(max(power_mw, -limit_mw), limit_mw)
        elif role == "limit":
            orders.limit_mw[row] = power_mw
        else:
            orders.target_mw[row], orders.on[row] = power_mw, int(is_on)
    return orders


def _without_setpoints(network: Network) -> Orders:
    """`OnExpiry` of every asset: units hold, wind and PV are released, stores and DC lines go to zero."""
    count = len(network.assets)
    zero = np.array([asset.on_expiry is OnExpiry.ZERO for asset in network.assets], bool)
    target = np.where(zero, 0.0, np.nan)
    return Orders(target, np.full(count, np.inf), np.full(count, -1, np.int8), np.zeros(len(network.dc_lines)))

"""Setpoints: what each asset is told for the first periods of a plan."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from gridcore.asset import COMMITTED, CURTAILABLE, Family, OnExpiry
from gridcore.network import Network
from gridcore.plan import SETPOINT_SCHEMA, Plan
from gridcore.timeline import TIMESTAMP, to_numpy

DUST_MW = 0.01
"""Curtailment below this is the solver's tolerance and limits nobody [MW]."""


def setpoints_of(plan: Plan, network: Network, periods: int = 1) -> pa.Table:
    """Rows of `SETPOINT_SCHEMA`: the first periods of a plan, as each asset is told them.

    Wind and PV get a limit: the planned power where the plan curtails them, else their capacity, so that a forecast
    below what comes costs nothing. Units, stores and DC lines get a target. What can't be told (rooftop PV, hydro,
    synchronous condensers) gets none.

    Args:
        plan: The plan, in any order of assets.
        network: The grid.
        periods: Number of periods told.
    """
    row_of = {name: row for row, name in enumerate(plan.assets)}
    told: list[tuple[str, str, float, str]] = []
    for asset in network.assets:
        if asset.technology in CURTAILABLE:
            told.append((asset.name, "limit", asset.p_max_mw, asset.on_expiry.value))
        elif asset.technology in COMMITTED or (asset.family is Family.STORE and asset.store is not None):
            told.append((asset.name, "target", 0.0, asset.on_expiry.value))
    told += [(line.name, "target", 0.0, OnExpiry.ZERO.value) for line in network.dc_lines]
    told.sort()
    rows = np.array([row_of[name] for name, *_ in told], dtype=np.int64)
    is_limit = np.array([role == "limit" for _, role, *_ in told], dtype=np.bool_)[:, None]
    capacity = np.array([power for _, _, power, _ in told])[:, None]
    periods = min(periods, len(plan.valid_time))
    power = plan.power_mw[rows, :periods]
    power = np.where(is_limit & (plan.curtailment_mw[rows, :periods] <= DUST_MW), capacity, power)
    count = power.size
    starts = np.tile(plan.valid_time[:periods].astype("datetime64[us]"), len(told))
    ends = starts + np.timedelta64(plan.resolution)
    return pa.Table.from_arrays(
        [
            pa.repeat(pa.scalar(plan.plan_id), count),
            pa.repeat(pa.scalar(to_numpy(plan.issue_time)).cast(TIMESTAMP), count),
            pa.array(starts).cast(TIMESTAMP),
            pa.array(ends).cast(TIMESTAMP),
            pa.array(np.repeat([name for name, *_ in told], periods).tolist(), pa.string()),
            pa.array(power.reshape(-1)),
            pa.array(np.repeat([role for _, role, *_ in told], periods).tolist(), pa.string()),
            pa.array(plan.is_on[rows, :periods].reshape(-1)),
            pa.array(np.repeat([expiry for *_, expiry in told], periods).tolist(), pa.string()),
        ],
        schema=SETPOINT_SCHEMA,
    )

"""Forecasts and setpoints of an export: quantiles that never cross, orders that assets can follow and plans gave."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dispatch.setpoints import DUST_MW
from gridcore.network import Network
from gridcore.plan import Layer
from gridcore.timeline import PERIOD, TIMESTAMP
from pipeline.findings import Findings, Violation

POWER_MW = 1e-6
"""Tolerance of a power limit [MW]."""

KEYS = ("valid_time", "target", "model_id")
"""What tells one distribution of an issue time from the next."""

SLICE_ROWS = 1_000_000
"""Forecast rows looked at together, which bounds the memory for the comparisons."""


def check_forecasts(whole: pa.Table, row: str, findings: Findings) -> None:
    """Each (issue_time, valid_time, target) has finite values that rise with the quantile.

    The file is sorted by these keys and the quantile, so that neighbours are compared; that each target has all levels
    in one stretch is looked at as well, or an unsorted file would pass.

    Args:
        whole: `FORECAST_SCHEMA`, sorted as an export is.
        row: Name of the row.
        findings: Where violations go.
    """
    whole = _by_vintage(whole)
    for start in range(0, len(whole), SLICE_ROWS):
        # One row of overlap, so that no neighbours are parted.
        table = whole.slice(max(start - 1, 0), SLICE_ROWS + 1)
        power = table.column("power_mw").to_numpy()
        same = _same(table, ("issue_time", *KEYS))
        rising = table.column("quantile").to_numpy()[1:] > table.column("quantile").to_numpy()[:-1]
        crossing = np.flatnonzero(same & ~(rising & (power[1:] >= power[:-1]))) + 1
        _add(findings, row, "quantiles never cross", table, crossing, "target", "rising with the level")
        infinite = np.flatnonzero(~np.isfinite(power))
        _add(findings, row, "finite forecast", table, infinite, "target", "a finite number")
        late = pc.greater(table.column("data_cutoff"), table.column("issue_time")).to_numpy()
        _add(findings, row, "data cut-off", table, np.flatnonzero(late), "target", "at or before issue_time")
    _check_levels(whole, row, findings)
    findings.looked(row, "quantiles never cross", len(whole))


def _by_vintage(table: pa.Table) -> pa.Table:
    """The rows with those issue times in order of model where a day-ahead and an intraday vintage lie over each other.

    The file's order is by target and level, so that there the rows of two vintages alternate.
    """
    keys = ("issue_time", "valid_time", "target")
    quantile = table.column("quantile").to_numpy()
    twice = np.flatnonzero(_same(table, keys) & (quantile[1:] == quantile[:-1]))
    if not len(twice):
        return table
    times = pc.unique(table.column("issue_time").take(pa.array(twice)))
    doubled = pc.is_in(table.column("issue_time"), value_set=times)
    order = [(key, "ascending") for key in (*keys, "model_id", "quantile")]
    return pa.concat_tables([table.filter(pc.invert(doubled)), table.filter(doubled).sort_by(order)])


def _check_levels(table: pa.Table, row: str, findings: Findings) -> None:
    """Every stretch of one (issue_time, valid_time, target, model_id) has all levels."""
    levels = len(pc.unique(table.column("quantile")))
    stretches = len(table) and 1 + int(np.count_nonzero(~_same(table, ("issue_time", *KEYS))))
    if stretches * levels != len(table):
        got, wanted = f"{len(table)} rows in {stretches} stretches", f"{levels} levels in each"
        findings.add(Violation(row, "order of forecasts", "forecasts.parquet", "", got, wanted))


def check_setpoints(table: pa.Table, plans: pa.Table, network: Network, row: str, findings: Findings) -> None:
    """Setpoints lie in the future of their issue time, within their assets' limits, and say what their plan says.

    Args:
        table: `SETPOINT_SCHEMA`.
        plans: `PLAN_SCHEMA`.
        network: The grid of the export.
        row: Name of the row.
        findings: Where violations go.
    """
    limits = {asset.name: (asset.p_min_mw, asset.p_max_mw) for asset in network.assets}
    for asset in network.assets:
        if asset.store is not None and asset.commitment is None:
            limits[asset.name] = (-asset.store.charge_mw, asset.p_max_mw)
    limits |= {line.name: (-line.limit_mw, line.limit_mw) for line in network.dc_lines}
    names = table.column("asset").to_pylist()
    low = np.array([limits.get(name, (np.nan, np.nan))[0] for name in names])
    high = np.array([limits.get(name, (np.nan, np.nan))[1] for name in names])
    power = table.column("power_mw").to_numpy()
    low = np.where(table.column("is_on").to_numpy(zero_copy_only=False), low, 0.0)
    good = (power >= low - POWER_MW) & (power <= high + POWER_MW)
    _add(findings, row, "setpoint", table, np.flatnonzero(~good), "asset", "within the limits of an asset or DC line")
    ahead = pc.greater(table.column("valid_from"), table.column("issue_time")).to_numpy()
    ends = pc.greater(table.column("valid_until"), table.column("valid_from")).to_numpy()
    _add(findings, row, "setpoint time", table, np.flatnonzero(~(ahead & ends)), "asset", "issue < from < until")
    findings.looked(row, "setpoint", len(table))
    told = {asset.name: asset.p_max_mw for asset in network.assets}
    _check_orders(table, plans, told, row, findings)


def _check_orders(
    table: pa.Table, plans: pa.Table, capacity_mw: Mapping[str, float], row: str, findings: Findings
) -> None:
    """Every setpoint is its plan's row for the period, and every dispatch tells the first of its periods.

    A farm's limit is the planned power where the plan curtails it, else its capacity.
    """
    dispatch = plans.filter(pc.equal(plans.column("layer"), Layer.SCED.value))
    valid = dispatch.column("valid_time").to_numpy().astype("datetime64[us]")
    issued = dispatch.column("issue_time").to_numpy().astype("datetime64[us]")
    keys = ("plan_id", "issue_time", "valid_time", "asset")
    first = dispatch.filter(pa.array(valid == issued + np.timedelta64(PERIOD)))
    planned = {
        tuple(one[key] for key in keys): one
        for one in first.select([*keys, "power_mw", "curtailment_mw", "is_on"]).to_pylist()
    }
    wrong = []
    for place, order in enumerate(table.to_pylist()):
        plan = planned.get((order["plan_id"], order["issue_time"], order["valid_from"], order["asset"]))
        if plan is None or order["valid_until"] - order["valid_from"] != PERIOD:
            wrong.append(place)
            continue
        wanted = plan["power_mw"]
        if order["role"] == "limit" and plan["curtailment_mw"] <= DUST_MW:
            wanted = capacity_mw[order["asset"]]
        if order["power_mw"] != wanted or order["is_on"] != plan["is_on"]:
            wrong.append(place)
    _add(findings, row, "setpoint of its plan", table, np.array(wrong, np.int64), "asset", "the row of its plan_id")
    findings.looked(row, "setpoint of its plan", len(table))
    told = set(pc.unique(table.column("plan_id")).to_pylist())
    for plan_id in sorted({key[0] for key in planned} - told):
        findings.add(Violation(row, "setpoint of its plan", plan_id, "", "no setpoint", "one for each asset told"))


def _same(table: pa.Table, keys: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Whether each row has the keys of the row before it, shape (rows - 1,)."""
    same = np.ones(max(len(table) - 1, 0), bool)
    for key in keys:
        column = table.column(key).combine_chunks()
        if column.type == TIMESTAMP:
            values = column.to_numpy(zero_copy_only=False)
        else:
            values = column.dictionary_encode().indices.to_numpy(zero_copy_only=False)
        same &= values[1:] == values[:-1]
    return same


def _add(
    findings: Findings, row: str, what: str, table: pa.Table, places: npt.NDArray[np.int64], key: str, wanted: str
) -> None:
    times = "valid_time" if "valid_time" in table.column_names else "valid_from"
    for place in places:
        instant = table.column(times)[int(place)].as_py().isoformat()
        name, got = table.column(key)[int(place)].as_py(), str(table.column("power_mw")[int(place)].as_py())
        findings.add(Violation(row, what, name, instant, got, wanted))

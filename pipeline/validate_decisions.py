"""Forecasts and setpoints of an export: quantiles that never cross, orders that their assets can follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gridcore.network import Network
from gridcore.timeline import TIMESTAMP
from pipeline.findings import Findings, Violation

POWER_MW = 1e-6
"""Tolerance of a power limit [MW]."""

KEYS = ("valid_time", "target", "model_id")
"""What tells one distribution of an issue time from the next."""

SLICE_ROWS = 1_000_000
"""Forecast rows looked at together, which bounds the memory for the comparisons."""


def check_forecasts(file: Path, row: str, findings: Findings) -> None:
    """Each (issue_time, valid_time, target) has finite values that rise with the quantile.

    The file is sorted by these keys and the quantile, so that neighbours are compared; that each target has all levels
    in one stretch is looked at as well, or an unsorted file would pass.
    """
    if not file.is_file():
        return
    whole = _by_vintage(pq.read_table(file, columns=["issue_time", *KEYS, "quantile", "power_mw", "data_cutoff"]))
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
    _check_levels(whole, file, row, findings)
    findings.checked["quantiles never cross"] = findings.checked.get("quantiles never cross", 0) + len(whole)


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


def _check_levels(table: pa.Table, file: Path, row: str, findings: Findings) -> None:
    """Every stretch of one (issue_time, valid_time, target, model_id) has all levels."""
    levels = len(pc.unique(table.column("quantile")))
    stretches = len(table) and 1 + int(np.count_nonzero(~_same(table, ("issue_time", *KEYS))))
    if stretches * levels != len(table):
        got, wanted = f"{len(table)} rows in {stretches} stretches", f"{levels} levels in each"
        findings.add(Violation(row, "order of forecasts", file.name, "", got, wanted))


def check_setpoints(file: Path, network: Network, row: str, findings: Findings) -> None:
    """Setpoints lie in the future of their issue time, within their assets' limits."""
    if not file.is_file():
        return
    table = pq.read_table(file)
    limits = {asset.name: (asset.p_min_mw, asset.p_max_mw) for asset in network.assets}
    for asset in network.assets:
        if asset.store is not None and asset.commitment is None:
            limits[asset.name] = (-asset.store.charge_mw, asset.p_max_mw)
    limits |= {line.name: (-line.limit_mw, line.limit_mw) for line in network.dc_lines}
    names = table.column("asset").to_pylist()
    low = np.array([limits.get(name, (np.nan, np.nan))[0] for name in names])
    high = np.array([limits.get(name, (np.nan, np.nan))[1] for name in names])
    power = table.column("power_mw").to_numpy()
    if "is_on" in table.column_names:
        low = np.where(table.column("is_on").to_numpy(zero_copy_only=False), low, 0.0)
    good = (power >= low - POWER_MW) & (power <= high + POWER_MW)
    _add(findings, row, "setpoint", table, np.flatnonzero(~good), "asset", "within the limits of an asset or DC line")
    ahead = pc.greater(table.column("valid_from"), table.column("issue_time")).to_numpy()
    ends = pc.greater(table.column("valid_until"), table.column("valid_from")).to_numpy()
    _add(findings, row, "setpoint time", table, np.flatnonzero(~(ahead & ends)), "asset", "issue < from < until")
    findings.checked["setpoint"] = findings.checked.get("setpoint", 0) + len(table)


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

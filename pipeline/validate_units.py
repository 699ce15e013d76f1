"""Limits, ramps, minimum times, stored energy and curtailment of every asset, from an export's realised table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.asset import COMMITTED, CURTAILABLE, Asset, Family, Technology
from gridcore.network import Network
from gridcore.plan import Cause
from gridcore.timeline import PERIOD, PLANT_PERIOD, floor_to
from pipeline.findings import Findings, Grid2d
from pipeline.validate_flows import matrix, out_by_then

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

POWER_MW = 1e-6
"""Tolerance of a power limit [MW]."""

ENERGY_MWH = 1e-6
"""Tolerance of stored energy from one period to the next [MWh]."""

STEP_H = PLANT_PERIOD / timedelta(hours=1)
STEP_MIN = PLANT_PERIOD / timedelta(minutes=1)


@dataclass(frozen=True)
class Series:
    """One asset's columns, each of shape (periods, 1)."""

    power: Floats
    available: Floats
    curtailment: Floats
    soc: Floats
    on: Bools
    out: Bools
    was_out: bool
    """It was out within its minimum down time before the first period."""


def check_units(network: Network, table: pa.Table, outages: pa.Table, row: str, findings: Findings) -> None:
    """Every asset's own limits over one row.

    Args:
        network: The grid of the export.
        table: Realised assets.
        outages: `OUTAGE_SCHEMA`: an asset that is out gives nothing, and is excused from ramps and minimum times.
        row: Name of the row.
        findings: Where violations go.
    """
    names = [asset.name for asset in network.assets]
    columns = {}
    times = np.zeros(0, dtype="datetime64[us]")
    for name in ("power_mw", "available_mw", "curtailment_mw", "soc_mwh", "is_on"):
        times, columns[name] = matrix(table, "asset", names, name, row)
    order = np.argsort(np.array(names))
    cause = np.empty((len(times), len(names)), dtype=object)
    cause[:, order] = table.column("cause").to_numpy(zero_copy_only=False).reshape(cause.shape)
    for place, asset in enumerate(network.assets):
        at = Grid2d(findings, row, times, (asset.name,))
        one = slice(place, place + 1)
        out = out_by_then(outages, [asset.name], times)
        on = columns["is_on"][:, one] > 0.5
        values = [columns[name][:, one] for name in ("power_mw", "available_mw", "curtailment_mw", "soc_mwh")]
        series = Series(values[0], values[1], values[2], values[3], on, out, _was_out(asset, outages, times))
        at.demand("finite power", np.isfinite(series.power), series.power, "a finite number")
        at.demand("asset out of service", (np.abs(series.power) <= POWER_MW) | ~out, series.power, "0 MW")
        _check_kind(asset, series, at)
        _check_cause(cause[:, one], series.curtailment, at)


def _was_out(asset: Asset, outages: pa.Table, times: npt.NDArray[np.datetime64]) -> bool:
    """The asset was out within its minimum down time before the first period."""
    least_h = asset.commitment.min_down_h if asset.commitment is not None else 0.0
    before = times[:1] - np.arange(1, int(least_h / STEP_H) + 1) * np.timedelta64(PLANT_PERIOD)
    return bool(out_by_then(outages, [asset.name], before).any())


def _check_kind(asset: Asset, series: Series, at: Grid2d) -> None:
    """The laws of the asset's own kind."""
    power = series.power
    if asset.technology in COMMITTED:
        _check_unit(asset, series, at)
    elif asset.technology in CURTAILABLE:
        good = (power >= -POWER_MW) & (power <= series.available + POWER_MW)
        at.demand("power of wind and PV", good, power, series.available)
        at.demand("available power", series.available <= asset.p_max_mw + POWER_MW, series.available, "capacity")
        left = series.available - power
        at.demand("curtailment", np.abs(series.curtailment - left) <= POWER_MW, series.curtailment, left)
        at.demand("curtailment sign", series.curtailment >= 0, series.curtailment, "0 MW or more")
    elif asset.family is Family.STORE and asset.store is not None:
        low, high = -asset.store.charge_mw, asset.p_max_mw
        good = (power >= low - POWER_MW) & (power <= high + POWER_MW)
        at.demand("battery power", good, power, f"{low} to {high}")
        step = np.abs(np.diff(power, axis=0)) <= asset.ramp_mw_per_min * STEP_MIN + POWER_MW
        _demand_steps(at, "ramp", step | series.out[1:], power)
        _check_energy(asset, series, at)
    else:
        good = (np.abs(power - series.available) <= POWER_MW) & (series.curtailment == 0)
        at.demand("rooftop PV and hydro are never curtailed", good, power, series.available)
    if asset.technology not in CURTAILABLE:
        at.demand("curtailment of wind and PV alone", series.curtailment == 0, series.curtailment, "0 MW")


def _check_unit(asset: Asset, series: Series, at: Grid2d) -> None:
    """Limits while on, nothing while off, ramps, starts, stops and minimum times."""
    power, on, out = series.power, series.on, series.out
    high = (power >= asset.p_min_mw - POWER_MW) & (power <= asset.p_max_mw + POWER_MW)
    at.demand("output while on", high | ~on, power, f"{asset.p_min_mw} to {asset.p_max_mw}")
    at.demand("output while off", (power == 0) | on, power, "0 MW")
    ramp = asset.ramp_mw_per_min * STEP_MIN + POWER_MW
    both, begins, ends = on[1:] & on[:-1], on[1:] & ~on[:-1], ~on[1:] & on[:-1]
    _demand_steps(at, "ramp", ~both | (np.abs(np.diff(power, axis=0)) <= ramp) | out[1:], power)
    _demand_steps(at, "output of a start", ~begins | (power[1:] <= asset.p_min_mw + ramp), power)
    is_empty = series.soc[:-1] <= _least_mwh(asset) if asset.store is not None else np.zeros_like(both)
    excused = out[1:] | is_empty
    _demand_steps(at, "output before a stop", ~ends | (power[:-1] <= asset.p_min_mw + ramp) | excused, power)
    limits = asset.commitment
    if limits is None or limits.must_run:
        least_h = limits.min_down_h if limits is not None else 0.0
        at.demand("must run", on | _may_rest(series, at.valid_time, least_h), on, "on")
    if limits is not None:
        _check_runs(on[:, 0], np.concatenate([excused[:, 0], [False]]), (limits.min_up_h, limits.min_down_h), at)
    if asset.store is not None:
        _check_energy(asset, series, at)


def _may_rest(series: Series, valid_time: npt.NDArray[np.datetime64], least_h: float) -> Bools:
    """Where a must-run unit may be off, shape (periods, 1): it is out, or owes its minimum down time after an outage.

    Plans switch at the start of a quarter of an hour, so that it may be off until the next one. Since when a unit is
    off that is off as the export begins is not known: its time is counted from there.

    Args:
        series: The unit.
        valid_time: Period starts, shape (periods,).
        least_h: Minimum down time [h].
    """
    on, out = series.on, series.out
    may_rest = out.copy()
    owed = np.timedelta64(timedelta(hours=least_h))
    to_quarter = np.timedelta64(PERIOD - timedelta(microseconds=1))
    borders = np.flatnonzero(on[1:, 0] != on[:-1, 0]) + 1
    for begin, end in pairwise([0, *borders.tolist(), len(on)]):
        is_forced = out[begin, 0] or (begin == 0 and series.was_out)
        if on[begin, 0] or not is_forced:
            continue
        stretch = valid_time[begin:end]
        ready = np.append(stretch[out[begin:end, 0]] + np.timedelta64(PLANT_PERIOD), stretch[0] + owed).max()
        may_rest[begin:end, 0] |= stretch < floor_to(np.array([ready + to_quarter]), PERIOD)[0]
    return may_rest


def _least_mwh(asset: Asset) -> float:
    """Stored energy below which a CSP may have to stop [MWh].

    It leaves while it can still ramp down: an output p with ramp R a step needs p + p^2 / (2 R) steps of energy.
    """
    store = asset.store
    ramp = asset.ramp_mw_per_min * STEP_MIN
    efficiency = store.discharge_efficiency if store is not None else 1.0
    needed = asset.p_min_mw + (asset.p_min_mw**2 / (2 * ramp) if 0 < ramp < np.inf else 0.0)
    return needed * STEP_H / efficiency + ENERGY_MWH


def _check_runs(on: Bools, excused: Bools, least_h: tuple[float, float], at: Grid2d) -> None:
    """Every whole stretch on or off lasts its minimum; the first and the last one are cut by the export's ends.

    Args:
        on: On/off, shape (periods,).
        excused: The unit had to stop between this period and the next, shape (periods,).
        least_h: Minimum up and down times [h].
        at: The asset.
    """
    switches = np.flatnonzero(on[1:] != on[:-1]) + 1
    good = np.ones((len(on), 1), bool)
    hours = np.zeros((len(on), 1))
    for begin, end in pairwise(switches):
        hours[begin] = (end - begin) * STEP_H
        least = least_h[0] if on[begin] else least_h[1]
        good[begin] = hours[begin, 0] >= least - 1e-9 or bool(on[begin] and excused[end - 1])
    at.demand("minimum up and down times", good, hours, f"{least_h[0]} h up, {least_h[1]} h down")


def _check_energy(asset: Asset, series: Series, at: Grid2d) -> None:
    """Stored energy within the capacity, and what each period's power makes of it; a CSP may spill, not gain."""
    store = asset.store
    if store is None:
        return
    soc, power = series.soc, series.power
    at.demand("stored energy", (soc >= 0) & (soc <= store.energy_mwh), soc, f"0 to {store.energy_mwh} MWh")
    is_csp = asset.technology is Technology.CSP
    drawn = np.minimum(series.available, store.charge_mw) if is_csp else np.maximum(-power, 0.0)
    gained = drawn * store.charge_efficiency - np.maximum(power, 0.0) / store.discharge_efficiency
    expected = np.minimum(soc[:-1] + gained[1:] * STEP_H, store.energy_mwh if is_csp else np.inf)
    _demand_steps(at, "energy balance of a store", np.abs(soc[1:] - expected) <= ENERGY_MWH, soc)


def _demand_steps(at: Grid2d, what: str, good: Bools, values: Floats) -> None:
    """A law between one period and the next; a violation is named by the later one."""
    steps = Grid2d(at.findings, at.where, at.valid_time[1:], at.names)
    before = np.array([[f"the limits from {value[0]}"] for value in values[:-1]], dtype=object).reshape(good.shape)
    steps.demand(what, good, values[1:], before)


def _check_cause(cause: npt.NDArray[np.object_], curtailment: Floats, at: Grid2d) -> None:
    """Each curtailment has a cause of the known words, and nothing else has one."""
    words = [member.value for member in Cause]
    good = np.where(curtailment > 0, np.isin(cause.astype(str), words), cause == "").astype(bool)
    got = np.where(cause == "", "no cause", cause)
    at.demand("cause of curtailment", good, got, "a cause where, and only where, something is curtailed")

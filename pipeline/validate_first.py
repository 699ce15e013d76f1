"""The first period of each dispatch against what really flowed: it must be within reach of what was measured.

A dispatch starts from the last telemetry and from the setpoints in force since. A little earlier than that telemetry,
what flowed stands in the export. From there, on a unit that is on throughout, ramps bound the first period; on a store,
its power bounds the energy. A unit that starts or stops must have been off or on for its minimum time, where what
flowed in the half hour before was what was told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.asset import COMMITTED, Asset, Family
from gridcore.network import Network
from gridcore.plan import Layer, Plan, PlanStatus
from gridcore.timeline import PERIOD, PLANT_PERIOD, Instants, floor_to, to_numpy
from pipeline.findings import Findings, Violation
from pipeline.validate_flows import matrix, out_by_then
from pipeline.validate_plans import plans_of

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ToldOn = dict[tuple[int, np.datetime64], bool]
"""On/off told, by place among the assets and start of the quarter of an hour."""

Broken = tuple[str, str, str]
"""What is broken, what the plan has, what was wanted."""

TOLERANCE = 1e-4
"""Of power and energy: the optimiser's [MW, MWh]."""

STEPS = PERIOD // PLANT_PERIOD
"""Plant periods in a period."""

LONGEST_S = 45 * 60.0
"""Telemetry that takes longer is too old for a dispatch to start from: it reads an hour back [s]."""


@dataclass(frozen=True)
class Realised:
    """What flowed; arrays of shape (periods, assets) in the network's order."""

    valid_time: Instants
    """Plant periods, shape (periods,)."""

    power_mw: Floats
    """Output [MW]."""

    is_on: Bools
    """On/off."""

    soc_mwh: Floats
    """Stored energy at the period's end [MWh]."""

    out: Bools
    """Out of service."""


def check_first_periods(
    network: Network, decided: Mapping[str, pa.Table], assets: pa.Table, outages: pa.Table, row: str, findings: Findings
) -> None:
    """First periods of one row's dispatches.

    Args:
        network: The grid of the export.
        decided: `plans` and `setpoints`.
        assets: Realised assets.
        outages: `OUTAGE_SCHEMA`.
        row: Name of the row.
        findings: Where violations go.
    """
    names = [asset.name for asset in network.assets]
    times, power = matrix(assets, "asset", names, "power_mw", row)
    on, soc = (matrix(assets, "asset", names, column, row)[1] for column in ("is_on", "soc_mwh"))
    realised = Realised(times, power, on > 0.5, soc, out_by_then(outages, names, times))
    told = _told_on(decided["setpoints"], names)
    seen = 0
    dispatches = decided["plans"].filter(pc.equal(decided["plans"].column("layer"), Layer.SCED.value))
    for plan in plans_of(dispatches):
        first = int(np.searchsorted(times, plan.valid_time[0]))
        is_held = plan.status is PlanStatus.HELD
        if is_held or not 0 < first <= len(times) or not is_timely(network):
            continue
        seen += 1
        rows = [plan.assets.index(name) for name in names]
        telemetry = floor_to(
            np.array([to_numpy(plan.issue_time - timedelta(seconds=network.telemetry_latency_s))]), PERIOD
        )[0]
        last = int(np.searchsorted(times, telemetry)) - 1
        for place, asset in enumerate(network.assets):
            one = _First(plan, rows[place], place, first, last)
            for what, got, wanted in _broken(asset, one, realised, told):
                instant = f"{plan.valid_time[0].astype('datetime64[s]')}Z"
                findings.add(
                    Violation(row, f"first period: {what}", f"{plan.plan_id} {asset.name}", instant, got, wanted)
                )
    findings.looked(row, "first period", seen * len(names))


def is_timely(network: Network) -> bool:
    """Telemetry comes soon enough for a dispatch to start from it."""
    return network.telemetry_latency_s <= LONGEST_S


@dataclass(frozen=True)
class _First:
    """Where one asset's first period stands."""

    plan: Plan
    row: int
    """Of the plan."""
    place: int
    """Among the network's assets."""
    first: int
    """Plant period in which the plan begins."""
    last: int
    """Plant period that telemetry surely told of; negative where it is not in the export."""


def _broken(asset: Asset, one: _First, realised: Realised, told: ToldOn) -> list[Broken]:
    """What an asset's first period breaks."""
    if realised.out[max(one.last, 0) : one.first + 1, one.place].any():
        return []
    if asset.family is Family.STORE and asset.store is not None:
        return _energy(asset, one, realised) if one.last >= 0 else []
    if asset.technology not in COMMITTED or asset.store is not None:
        return []
    return (_ramp(asset, one, realised, told) if one.last >= 0 else []) + _switch(asset, one, realised, told)


def _ramp(asset: Asset, one: _First, realised: Realised, told: ToldOn) -> list[Broken]:
    plan = one.plan
    is_on = realised.is_on[one.last : one.first, one.place].all() and bool(plan.is_on[one.row, 0])
    if not is_on or not _as_told(one, realised, told):
        return []
    slack = sum(
        s.size_mw for s in plan.slacks if (s.kind, s.place, s.valid_time) == ("ramp", asset.name, plan.valid_time[0])
    )
    # Any way from there keeps the ramp, and so does the plan's own first step.
    steps = one.first - 1 - one.last + STEPS
    reach = asset.ramp_mw_per_min * steps * (PLANT_PERIOD / timedelta(minutes=1)) + slack
    before, now = realised.power_mw[one.last, one.place], plan.power_mw[one.row, 0]
    good = abs(now - before) <= reach + TOLERANCE
    return [] if good else [("ramp", str(now), f"within {reach} MW of {before}")]


def _switch(asset: Asset, one: _First, realised: Realised, told: ToldOn) -> list[Broken]:
    limits = asset.commitment
    on = realised.is_on[: one.first, one.place]
    now = bool(one.plan.is_on[one.row, 0])
    if limits is None or now == on[-1] or not _as_told(one, realised, told):
        return []
    changed = np.flatnonzero(on != on[-1])
    if not len(changed) or realised.out[: one.first, one.place].any():
        return []
    hours = (len(on) - 1 - changed[-1]) * (PLANT_PERIOD / timedelta(hours=1))
    least = limits.min_up_h if on[-1] else limits.min_down_h
    return [] if hours >= least - 1e-9 else [("minimum times", f"{hours} h", f"{least} h")]


def _energy(asset: Asset, one: _First, realised: Realised) -> list[Broken]:
    store = asset.store
    assert store is not None
    hours = (one.first - 1 - one.last + STEPS) * (PLANT_PERIOD / timedelta(hours=1))
    before, now = realised.soc_mwh[one.last, one.place], one.plan.soc_mwh[one.row, 0]
    low = before - asset.p_max_mw / store.discharge_efficiency * hours
    high = before + store.charge_mw * store.charge_efficiency * hours
    good = low - TOLERANCE <= now <= high + TOLERANCE
    return [] if good else [("stored energy", str(now), f"{max(low, 0.0)} to {min(high, store.energy_mwh)} MWh")]


def _as_told(one: _First, realised: Realised, told: ToldOn) -> bool:
    """Since the telemetry, the unit was on or off as its setpoints said."""
    for period in range(max(one.last, one.first - 2 * STEPS, 0), one.first):
        quarter = floor_to(realised.valid_time[period : period + 1], PERIOD)[0]
        if told.get((one.place, quarter)) is not bool(realised.is_on[period, one.place]):
            return False
    return True


def _told_on(setpoints: pa.Table, names: list[str]) -> ToldOn:
    """What setpoints told of on and off."""
    place = {name: number for number, name in enumerate(names)}
    columns = zip(
        setpoints.column("asset").to_pylist(),
        setpoints.column("valid_from").to_numpy().astype("datetime64[us]"),
        setpoints.column("is_on").to_pylist(),
        strict=True,
    )
    return {(place[asset], valid_from): is_on for asset, valid_from, is_on in columns if asset in place}

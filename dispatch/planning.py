"""From solved columns to a plan: outputs, stores, curtailment, reserve, slacks and cost, by asset and period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from dispatch.compiled import Compiled
from dispatch.fleet import Fleet
from dispatch.outlook import Outlook
from gridcore.network import Network
from gridcore.plan import Cause, Layer, Plan, PlanStatus, Slack
from gridcore.timeline import Instants

Floats = npt.NDArray[np.float64]

SLACK_MW = 1e-6
"""Slack below which there is none."""

CURTAILED_MW = 1e-6
"""Curtailment below which there is none: rounding of the solver."""


@dataclass(frozen=True)
class Verdict:
    """How a plan came to be."""

    layer: Layer
    """Which optimiser."""

    issue_time: datetime
    """When it was decided."""

    status: PlanStatus
    """How it came to be."""

    reason: str
    """Why it is not SOLVED."""

    gap: float
    """Certified gap."""

    work: dict[str, float]
    """Deterministic counters."""


@dataclass(frozen=True)
class Causes:
    """Causes found by `dispatch.explain`."""

    curtailment: npt.NDArray[np.object_]
    """Shape (vre, periods)."""

    shed: npt.NDArray[np.object_]
    """Shape (buses, periods)."""

    over_generation: npt.NDArray[np.object_]
    """Shape (buses, periods)."""


def plan_of(
    problem: Compiled, outlook: Outlook, values: Floats, verdict: Verdict, causes: Causes, relaxed_mw: Floats
) -> Plan:
    """The plan that solved columns say.

    Args:
        problem: The compiled problem.
        outlook: What was expected.
        values: Solved columns.
        verdict: How it came to be.
        causes: Why power is curtailed, load shed or power dumped.
        relaxed_mw: Ramp limits that gave way, shape (units, periods) [MW].
    """
    network, fleet = problem.network, problem.fleet
    names = (*(a.name for a in network.assets), *(d.name for d in network.dc_lines))
    shape = (len(names), len(outlook.valid_time))
    assets = len(network.assets)
    x = {family: values[columns] for family, columns in problem.columns.items()}
    is_on, power, available = np.ones(shape, np.bool_), np.zeros(shape), np.zeros(shape)
    charge, discharge, reserve, curtailment = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape)
    soc, cause = np.full(shape, np.nan), np.full(shape, "", dtype=object)
    available[:assets] = outlook.available_mw
    power[fleet.fixed_asset] = outlook.available_mw[fleet.fixed_asset]
    units = fleet.unit_asset
    is_on[units] = x["on"] > 0.5
    power[units] = unit_power(fleet, x["on"], x["segment"])
    available[units] = np.where(is_on[units], (fleet.p_min_mw + fleet.range_mw)[:, None], 0.0)
    reserve[units] = np.maximum(x["held"], 0.0)
    if len(fleet.vre_asset):
        possible = outlook.available_mw[fleet.vre_asset]
        lost = possible - np.clip(x["used"], 0.0, possible)
        lost[lost < CURTAILED_MW] = 0.0
        curtailment[fleet.vre_asset] = lost
        power[fleet.vre_asset] = possible - lost
        cause[fleet.vre_asset] = np.where(lost > 0, causes.curtailment, "")
    if len(fleet.battery_asset):
        rows = fleet.battery_asset
        charge[rows] = np.maximum(x["charge"][: len(rows)], 0.0)
        discharge[rows] = np.maximum(x["discharge"], 0.0)
        power[rows] = discharge[rows] - charge[rows]
        reserve[rows] = np.maximum(x["held_battery"], 0.0)
        available[rows] = np.array([[network.assets[row].p_max_mw] for row in rows])
    if len(fleet.csp_unit):
        rows = fleet.unit_asset[fleet.csp_unit]
        charge[rows] = np.maximum(x["charge"][len(fleet.battery_asset) :], 0.0)
        discharge[rows] = power[rows]
    if len(fleet.store_asset):
        soc[fleet.store_asset] = np.clip(x["energy"], 0.0, fleet.energy_mwh[:, None])
    if network.dc_lines:
        power[assets:] = x["dc_flow"]
        available[assets:] = np.array([[line.limit_mw] for line in network.dc_lines])
    return Plan(
        layer=verdict.layer,
        issue_time=verdict.issue_time,
        valid_time=outlook.valid_time,
        resolution=outlook.resolution,
        assets=names,
        is_on=is_on,
        power_mw=power,
        charge_mw=charge,
        discharge_mw=discharge,
        soc_mwh=soc,
        available_mw=available,
        curtailment_mw=curtailment,
        cause=cause,
        reserve_mw=reserve,
        status=verdict.status,
        reason=verdict.reason,
        gap=verdict.gap,
        objective=running_cost(problem, values),
        slacks=_slacks(network, fleet, x, outlook.valid_time, causes, relaxed_mw),
        solver_work=verdict.work,
    )


def unit_power(fleet: Fleet, on: Floats, segment: Floats) -> Floats:
    """Output of each unit, shape (units, periods) [MW]; exactly 0 while off."""
    is_on = on > 0.5
    above = np.zeros(on.shape)
    np.add.at(above, fleet.segment_unit, np.maximum(segment, 0.0))
    above = np.minimum(above, fleet.range_mw[:, None])
    return np.where(is_on, fleet.p_min_mw[:, None] + above, 0.0)


def running_cost(problem: Compiled, values: Floats) -> float:
    """Fuel, upkeep, starts and stops without penalties or the value of stored energy [currency]."""
    families = ("segment", "on", "start_category", "stop")
    cells = np.concatenate([problem.columns[f].reshape(-1) for f in families if f in problem.columns])
    cells = cells[cells >= 0]
    return float(problem.cost[cells] @ values[cells])


def _slacks(
    network: Network,
    fleet: Fleet,
    x: dict[str, Floats],
    valid_time: Instants,
    causes: Causes,
    relaxed_mw: Floats,
) -> tuple[Slack, ...]:
    """Every slack in use, by kind, place and time."""
    buses = [bus.name for bus in network.buses]
    found = _of_kind("shed", buses, x["shed"], causes.shed, valid_time)
    found += _of_kind("over_generation", buses, x["over_generation"], causes.over_generation, valid_time)
    shortage = np.full(x["short"].shape, Cause.SHORTAGE.value, dtype=object)
    for kind, is_up in (("reserve_up", True), ("reserve_down", False)):
        rows = [row for row, group in enumerate(fleet.groups) if group.is_up is is_up]
        found += _of_kind(kind, [fleet.groups[r].name for r in rows], x["short"][rows], shortage[rows], valid_time)
    units = [network.assets[row].name for row in fleet.unit_asset]
    found += _of_kind("ramp", units, relaxed_mw, np.full(relaxed_mw.shape, Cause.RAMP.value, dtype=object), valid_time)
    return tuple(found)


def _of_kind(
    kind: str, places: list[str], size_mw: Floats, causes: npt.NDArray[np.object_], valid_time: Instants
) -> list[Slack]:
    cells = np.argwhere(size_mw > SLACK_MW)
    return [Slack(kind, places[row], valid_time[t], float(size_mw[row, t]), str(causes[row, t])) for row, t in cells]

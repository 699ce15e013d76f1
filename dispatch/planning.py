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
    x = {family: values[columns] for family, columns in problem.columns.items()}
    names = (*(a.name for a in network.assets), *(d.name for d in network.dc_lines))
    shape = (len(names), len(outlook.valid_time))
    zero = np.zeros(shape)
    plan = Plan(
        layer=verdict.layer,
        issue_time=verdict.issue_time,
        valid_time=outlook.valid_time,
        resolution=outlook.resolution,
        assets=names,
        is_on=np.ones(shape, dtype=np.bool_),
        power_mw=zero.copy(),
        charge_mw=zero.copy(),
        discharge_mw=zero.copy(),
        soc_mwh=np.full(shape, np.nan),
        available_mw=zero.copy(),
        curtailment_mw=zero.copy(),
        cause=np.full(shape, "", dtype=object),
        reserve_mw=zero.copy(),
        status=verdict.status,
        reason=verdict.reason,
        gap=verdict.gap,
        objective=running_cost(problem, values),
        slacks=_slacks(network, fleet, x, outlook.valid_time, causes, relaxed_mw),
        solver_work=verdict.work,
    )
    plan.available_mw[: len(network.assets)] = outlook.available_mw
    plan.power_mw[fleet.fixed_asset] = outlook.available_mw[fleet.fixed_asset]
    _fill_units(plan, fleet, x)
    _fill_farms(plan, fleet, outlook, x, causes)
    _fill_stores(plan, fleet, x, np.array([[network.assets[row].p_max_mw] for row in fleet.battery_asset]))
    lines = slice(len(network.assets), None)
    plan.power_mw[lines] = x["dc_flow"]
    plan.available_mw[lines] = np.array([[line.limit_mw] for line in network.dc_lines]).reshape(-1, 1)
    return plan


def _fill_units(plan: Plan, fleet: Fleet, x: dict[str, Floats]) -> None:
    units = fleet.unit_asset
    plan.is_on[units] = x["on"] > 0.5
    plan.power_mw[units] = unit_power(fleet, x["on"], x["segment"])
    plan.available_mw[units] = np.where(plan.is_on[units], (fleet.p_min_mw + fleet.range_mw)[:, None], 0.0)
    plan.reserve_mw[units] = np.where(plan.is_on[units], np.maximum(x["held"], 0.0), 0.0)


def _fill_farms(plan: Plan, fleet: Fleet, outlook: Outlook, x: dict[str, Floats], causes: Causes) -> None:
    farms = fleet.vre_asset
    possible = outlook.available_mw[farms]
    lost = possible - np.clip(x["used"], 0.0, possible)
    lost[lost < CURTAILED_MW] = 0.0
    plan.curtailment_mw[farms] = lost
    plan.power_mw[farms] = possible - lost
    plan.cause[farms] = np.where(lost > 0, causes.curtailment, "")


def _fill_stores(plan: Plan, fleet: Fleet, x: dict[str, Floats], p_max_mw: Floats) -> None:
    batteries, tanks = fleet.battery_asset, fleet.unit_asset[fleet.csp_unit]
    plan.charge_mw[fleet.store_asset] = np.maximum(x["charge"], 0.0)
    plan.discharge_mw[batteries] = np.maximum(x["discharge"], 0.0)
    plan.power_mw[batteries] = plan.discharge_mw[batteries] - plan.charge_mw[batteries]
    plan.reserve_mw[batteries] = np.maximum(x["held_battery"], 0.0)
    plan.available_mw[batteries] = p_max_mw.reshape(-1, 1)
    plan.discharge_mw[tanks] = plan.power_mw[tanks]
    plan.soc_mwh[fleet.store_asset] = np.clip(x["energy"], 0.0, fleet.energy_mwh[:, None])


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

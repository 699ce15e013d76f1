"""The validator: checks a plan against the grid's own limits, with none of the optimiser's code.

It knows no Pyomo, no HiGHS, no PTDF and no compiled problem: numbers of the plan against numbers of the network. Slacks
are no violations, they are what the plan says it accepts; what a slack covers is taken off before checking.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import numpy as np
import numpy.typing as npt

from dispatch.outlook import Outlook
from dispatch.validate_network import network_faults
from dispatch.validate_rules import (
    Fault,
    Sheet,
    fault_list,
    outage_faults,
    output_faults,
    reserve_faults,
    store_faults,
    switch_faults,
)
from gridcore.network import Network
from gridcore.plan import Layer, Plan, PlanStatus
from gridcore.state import GridState

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

HOUR = timedelta(hours=1)
"""Period of a day-ahead commitment, whose plan is told in shorter periods."""


@dataclass(frozen=True)
class Violation:
    """A limit or a balance that a plan breaks."""

    plan_id: str
    """The plan."""

    rule: str
    """What is broken, e.g. `ramp`, `min_up`, `bus_balance`, `line_limit`."""

    place: str
    """Asset, branch or bus."""

    instant: str
    """Start of the period, ISO 8601, UTC."""

    got: float
    """What the plan has."""

    wanted: float
    """The limit it breaks."""


def validate_plan(
    network: Network,
    plan: Plan,
    state: GridState | None = None,
    outlook: Outlook | None = None,
    told_periods: int | None = None,
    out_of_service: Bools | None = None,
) -> list[Violation]:
    """Every limit and balance that a plan breaks; empty for a good plan.

    Args:
        network: The grid.
        plan: The plan, assets in any order.
        state: The state at the start of its first period; None where the first period's changes can't be checked.
        outlook: What the plan was made for; None where balance, flows, available power, outages and required reserve
            can't be checked.
        told_periods: First periods of the plan for which the outlook's load and available power are known; beyond,
            its outages and reserves alone count. All by default.
        out_of_service: For a plan without an outlook, what was out, shape (assets, periods): units that are out are
            excused from ramps, minimum times and must-run. None where nothing was.
    """
    sheet = _sheet(network, plan, state)
    if outlook is None:
        none = np.zeros((len(network.assets), len(plan.valid_time)), dtype=np.bool_)
        out = none if out_of_service is None else out_of_service
        starts = np.arange(0, len(plan.valid_time), decided_in(plan))
        excused = np.logical_or.reduceat(out, starts, axis=1)
        return [_violation(plan, sheet, fault) for fault in _own_faults(sheet, excused)]
    steps = decided_in(plan)
    expected = outlook.first(len(plan.valid_time)).aggregated(steps * plan.resolution)
    faults = _own_faults(sheet, expected.out_of_service)
    faults += outage_faults(sheet, expected.out_of_service, expected.branch_out[len(network.branches) :])
    faults += reserve_faults(sheet, expected.reserve_mw)
    told = len(plan.valid_time) if told_periods is None else told_periods
    of_load = network_faults(sheet, expected, _slack_mw(sheet, "shed"), _slack_mw(sheet, "over_generation"))
    of_load += _available_faults(sheet, expected)
    faults += [fault for fault in of_load if (fault.period + 1) * steps <= told or told == len(plan.valid_time)]
    return [_violation(plan, sheet, fault) for fault in faults]


def _own_faults(sheet: Sheet, out: Bools) -> list[Fault]:
    """Faults of the plan in itself."""
    return output_faults(sheet) + switch_faults(sheet, out) + store_faults(sheet)


def _sheet(network: Network, plan: Plan, state: GridState | None) -> Sheet:
    """The plan in the network's order and in the periods it was decided in."""
    row_of = {name: row for row, name in enumerate(plan.assets)}
    names = [*(a.name for a in network.assets), *(d.name for d in network.dc_lines)]
    order = np.array([row_of[name] for name in names], dtype=np.int64)
    steps = decided_in(plan)
    starts = np.arange(0, len(plan.valid_time), steps)
    ends = np.minimum(starts + steps, len(plan.valid_time)) - 1
    step_h = plan.resolution / HOUR
    relaxed = np.zeros((len(names), len(starts)))
    for slack in plan.slacks:
        if slack.kind == "ramp":
            column = np.searchsorted(plan.valid_time[starts], slack.valid_time, side="right") - 1
            relaxed[names.index(slack.place), column] = slack.size_mw
    return Sheet(
        network=network,
        valid_time=plan.valid_time[starts],
        step_h=np.array(ends - starts + 1, dtype=np.float64) * step_h,
        is_on=plan.is_on[order][:, starts],
        power_mw=plan.power_mw[order][:, starts],
        charge_mw=plan.charge_mw[order][:, starts],
        discharge_mw=plan.discharge_mw[order][:, starts],
        soc_mwh=plan.soc_mwh[order][:, ends],
        available_mw=plan.available_mw[order][:, starts],
        curtailment_mw=plan.curtailment_mw[order][:, starts],
        reserve_mw=plan.reserve_mw[order][:, starts],
        relaxed_mw=relaxed,
        # A held plan was not made for this state.
        state=None if plan.status is PlanStatus.HELD or (state is not None and state.is_free) else state,
        slacks=plan.slacks,
    )


def decided_in(plan: Plan) -> int:
    """How many of a plan's periods one decision spans: an hour's where each hour of a commitment is even, else one."""
    steps = HOUR // plan.resolution
    if steps <= 1 or plan.layer is Layer.SCED:
        return 1
    whole = len(plan.valid_time) // steps * steps
    for array in (plan.is_on, plan.power_mw, plan.charge_mw, plan.discharge_mw, plan.available_mw):
        blocks = array[:, :whole].reshape(len(array), -1, steps)
        rest = array[:, whole:]
        if (blocks != blocks[:, :, :1]).any() or (rest != rest[:, :1]).any():
            return 1
    return steps


def _violation(plan: Plan, sheet: Sheet, fault: Fault) -> Violation:
    instant = f"{sheet.valid_time[fault.period].astype('datetime64[s]')}Z"
    return Violation(plan.plan_id, fault.rule, fault.place, instant, fault.got, fault.wanted)


def _slack_mw(sheet: Sheet, kind: str) -> Floats:
    """Size of one kind of slack by bus, shape (buses, periods) [MW]."""
    size = np.zeros((len(sheet.network.buses), len(sheet.valid_time)))
    for slack in sheet.slacks:
        if slack.kind == kind and slack.valid_time in sheet.valid_time:
            size[sheet.network.bus_index[slack.place], np.searchsorted(sheet.valid_time, slack.valid_time)] += (
                slack.size_mw
            )
    return size


def _available_faults(sheet: Sheet, outlook: Outlook) -> list[Fault]:
    """Wind, PV, rooftop PV and hydro count on what the outlook gives, and a tank takes no more than its field has."""
    expected = outlook.available_mw
    rows = [row for row, a in enumerate(sheet.network.assets) if sheet.is_weather_driven(a)]
    tanks = [row for row, a in enumerate(sheet.network.assets) if a.store is not None and sheet.is_switched(a)]
    check = partial(fault_list, sheet)
    faults = check("available", rows, np.abs(sheet.available_mw[rows] - expected[rows]), np.zeros(1))
    return faults + check("inflow", tanks, sheet.charge_mw[tanks], expected[tanks])

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
import pyarrow as pa

from dispatch.outlook import Outlook
from dispatch.validate_network import network_faults
from dispatch.validate_rules import Fault, Sheet, fault_list, output_faults, store_faults, switch_faults
from gridcore.network import Network
from gridcore.plan import Plan, PlanStatus, plan_from_table
from gridcore.state import GridState

Floats = npt.NDArray[np.float64]

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
    network: Network, plan: Plan, state: GridState | None = None, outlook: Outlook | None = None
) -> list[Violation]:
    """Every limit and balance that a plan breaks; empty for a good plan.

    Args:
        network: The grid.
        plan: The plan, assets in any order.
        state: The state at the start of its first period; None where the first period's changes can't be checked.
        outlook: What the plan was made for; None where balance, flows and available power can't be checked.
    """
    sheet = _sheet(network, plan, state)
    faults = output_faults(sheet) + switch_faults(sheet, _out(sheet, outlook)) + store_faults(sheet)
    if outlook is not None:
        faults += network_faults(sheet, _cut(outlook, plan), _served(sheet))
        faults += _available_faults(sheet, outlook, plan)
    return [_violation(plan, sheet, fault) for fault in faults]


def validate_table(network: Network, plans: pa.Table, resolution: timedelta) -> list[Violation]:
    """The same for every plan in rows of `PLAN_SCHEMA`, as an export holds them; no state and no outlook is known.

    Args:
        network: The grid.
        plans: Rows of any number of plans.
        resolution: Period length.
    """
    ids = np.array(plans.column("plan_id").to_pylist(), dtype=object)
    found = []
    for plan_id in dict.fromkeys(ids):
        rows = plans.take(np.flatnonzero(ids == plan_id))
        found += validate_plan(network, plan_from_table(rows, resolution))
    return found


def _sheet(network: Network, plan: Plan, state: GridState | None) -> Sheet:
    """The plan in the network's order and in the periods it was decided in."""
    row_of = {name: row for row, name in enumerate(plan.assets)}
    names = [*(a.name for a in network.assets), *(d.name for d in network.dc_lines)]
    order = np.array([row_of[name] for name in names], dtype=np.int64)
    steps = _decided_in(plan)
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


def _decided_in(plan: Plan) -> int:
    """Periods of one decision: an hour where every hour from the first on has equal values, else one."""
    steps = HOUR // plan.resolution
    if steps <= 1:
        return 1
    whole = len(plan.valid_time) // steps * steps
    for array in (plan.is_on, plan.power_mw, plan.charge_mw, plan.discharge_mw):
        blocks = array[:, :whole].reshape(len(array), -1, steps)
        rest = array[:, whole:]
        if (blocks != blocks[:, :, :1]).any() or (rest != rest[:, :1]).any():
            return 1
    return steps


def _violation(plan: Plan, sheet: Sheet, fault: Fault) -> Violation:
    instant = f"{sheet.valid_time[fault.period].astype('datetime64[s]')}Z"
    return Violation(plan.plan_id, fault.rule, fault.place, instant, fault.got, fault.wanted)


def _cut(outlook: Outlook, plan: Plan) -> Outlook:
    """The outlook in the periods that the plan was decided in."""
    steps = _decided_in(plan)
    return outlook.first(len(plan.valid_time)).aggregated(steps * plan.resolution)


def _served(sheet: Sheet) -> Floats:
    """Shed load less over-generation by bus, from the slacks in use, shape (buses, periods) [MW]."""
    served = np.zeros((len(sheet.network.buses), len(sheet.valid_time)))
    sign = {"shed": 1.0, "over_generation": -1.0}
    for slack in sheet.slacks:
        if slack.kind in sign and slack.valid_time in sheet.valid_time:
            column = int(np.searchsorted(sheet.valid_time, slack.valid_time))
            served[sheet.network.bus_index[slack.place], column] += sign[slack.kind] * slack.size_mw
    return served


def _out(sheet: Sheet, outlook: Outlook | None) -> npt.NDArray[np.bool_]:
    """Assets out of service, shape (assets, periods)."""
    shape = (len(sheet.network.assets), len(sheet.valid_time))
    if outlook is None:
        return np.zeros(shape, dtype=np.bool_)
    columns = np.clip(np.searchsorted(outlook.valid_time, sheet.valid_time, side="right") - 1, 0, None)
    return outlook.out_of_service[:, columns]


def _available_faults(sheet: Sheet, outlook: Outlook, plan: Plan) -> list[Fault]:
    """Wind, PV, rooftop PV and hydro count on what the outlook gives, and a tank takes no more than its field has."""
    expected = _cut(outlook, plan).available_mw
    rows = [row for row, a in enumerate(sheet.network.assets) if sheet.is_weather_driven(a)]
    tanks = [row for row, a in enumerate(sheet.network.assets) if a.store is not None and sheet.is_switched(a)]
    check = partial(fault_list, sheet)
    faults = check("available", rows, np.abs(sheet.available_mw[rows] - expected[rows]), np.zeros(1))
    return faults + check("inflow", tanks, sheet.charge_mw[tanks], expected[tanks])

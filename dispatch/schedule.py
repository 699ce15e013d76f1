"""Schedules: the on/off states that a commitment plan and the state of the units allow, period by period."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dispatch.compiled import Compiled
from dispatch.frame import Choice, energy_at_start
from dispatch.outlook import Outlook
from gridcore.plan import Plan
from gridcore.state import GridState
from gridcore.timeline import Instants

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

EPSILON_H = 1e-6
"""Rounding of hours in a state."""


def rows_in(plan: Plan, names: list[str]) -> npt.NDArray[np.int64]:
    """Row of each name in a plan, whatever the plan's own order."""
    row_of = {name: row for row, name in enumerate(plan.assets)}
    return np.array([row_of[name] for name in names], dtype=np.int64)


def columns_at(plan: Plan, valid_time: Instants) -> npt.NDArray[np.int64]:
    """The plan's period that holds at each instant; the first before, the last after the plan."""
    found = np.searchsorted(plan.valid_time, valid_time, side="right") - 1
    return np.clip(found, 0, len(plan.valid_time) - 1)


def planned_states(problem: Compiled, plan: Plan, outlook: Outlook) -> Bools:
    """On/off of each unit as a commitment plan wants it, shape (units, periods)."""
    names = [problem.network.assets[row].name for row in problem.fleet.unit_asset]
    wanted: Bools = plan.is_on[rows_in(plan, names)][:, columns_at(plan, outlook.valid_time)]
    return wanted | problem.fleet.must_run[:, None]


def allowed_states(problem: Compiled, wanted: Bools, outlook: Outlook, state: GridState) -> Bools:
    """The wanted states, as far as the units can follow: a switch waits until the minimum up or down time has passed.

    A unit out of service is off. A CSP plant whose tank and field can't feed its least output is off.
    """
    fleet, step_h = problem.fleet, problem.step_h
    is_out = outlook.out_of_service[fleet.unit_asset]
    # Where no state is known, the first period's counts as an old one.
    on = wanted[:, 0] & ~is_out[:, 0] if state.is_free else state.is_on[fleet.unit_asset].copy()
    hours = state.hours_in_state[fleet.unit_asset].copy()
    allowed = np.zeros_like(wanted)
    energy = energy_at_start(problem, state)
    for period in range(wanted.shape[1]):
        may_switch = hours >= np.where(on, fleet.min_up_h, fleet.min_down_h) - EPSILON_H
        now = np.where(may_switch, wanted[:, period], on) & ~is_out[:, period]
        energy = _feed_tanks(problem, outlook, period, now, energy)
        hours = np.where(now == on, hours + step_h, step_h)
        on = now
        allowed[:, period] = now
    return allowed


def _feed_tanks(problem: Compiled, outlook: Outlook, period: int, now: Bools, energy: Floats) -> Floats:
    """Energy of the stores after a period at least output; `now` is switched off where it does not last."""
    fleet = problem.fleet
    energy = energy.copy()
    for index, unit in enumerate(fleet.csp_unit):
        store = len(fleet.battery_asset) + index
        inflow = min(fleet.charge_mw[store], outlook.available_mw[fleet.store_asset[store], period])
        gained = energy[store] + fleet.charge_efficiency[store] * problem.step_h * inflow
        needed = problem.step_h / fleet.discharge_efficiency[store] * fleet.p_min_mw[unit]
        now[unit] &= gained >= needed
        energy[store] = min(gained - needed * now[unit], fleet.energy_mwh[store])
    return energy


def choice_of(problem: Compiled, outlook: Outlook, state: GridState) -> Choice:
    """The states that unit commitment may choose from: must-run, outages, and minimum times left from before.

    A must-run unit that an outage has stopped owes its minimum down time like any other, and is off as long.
    """
    fleet, step_h = problem.fleet, problem.step_h
    is_out = outlook.out_of_service[fleet.unit_asset]
    must_run = np.broadcast_to(fleet.must_run[:, None], is_out.shape)
    most = ~must_run | allowed_states(problem, must_run, outlook, state)
    # What a tank allows depends on the outputs that are still to be chosen.
    most[fleet.csp_unit] = True
    least = must_run & most
    if not state.is_free:
        on = state.is_on[fleet.unit_asset]
        limit_h = np.where(on, fleet.min_up_h, fleet.min_down_h)
        left_h = np.maximum(limit_h - state.hours_in_state[fleet.unit_asset], 0.0)
        bound = step_h * np.arange(problem.periods)[None, :] < left_h[:, None] - EPSILON_H
        stays_on = bound & on[:, None]
        # A tank may have run dry while its unit was on.
        stays_on[fleet.csp_unit] = False
        least |= stays_on
        most &= ~(bound & ~on[:, None])
    return Choice(least & most & ~is_out, most & ~is_out)


def end_energy(problem: Compiled, plan: Plan, outlook: Outlook) -> Floats:
    """Energy that a commitment plan wants at the end of the window, 0 where it says none, shape (stores,) [MWh]."""
    names = [problem.network.assets[row].name for row in problem.fleet.store_asset]
    column = columns_at(plan, outlook.valid_time[-1:])
    wanted: Floats = plan.soc_mwh[rows_in(plan, names)][:, column[0]]
    return np.nan_to_num(np.clip(wanted, 0.0, problem.fleet.energy_mwh))

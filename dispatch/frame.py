"""The frame of one tick: bounds and right-hand sides of the compiled problem, written from outlook and state.

Everything is vectorised: a tick changes numbers, never structure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from dispatch.compiled import Compiled
from dispatch.outlook import Outlook
from dispatch.settings import DispatchSettings
from gridcore.state import GridState
from gridcore.timeline import to_numpy

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

QUICK_NOTICE = timedelta(minutes=45)
"""From a decision to the first period that a unit still off can help in: what comes in the period after the decision is
seen at its end, decided on at the next tick, and in force a period later."""


@dataclass(frozen=True)
class Choice:
    """Which on/off states are allowed; equal arrays fix the commitment."""

    least: Bools
    """True where a unit must be on, shape (units, periods)."""

    most: Bools
    """False where a unit must be off, shape (units, periods)."""


@dataclass(frozen=True)
class Frame:
    """Bounds of one tick, in the compiled problem's order."""

    lower: Floats
    """Shape (columns,)."""

    upper: Floats
    """Shape (columns,)."""

    row_lower: Floats
    """Shape (rows,)."""

    row_upper: Floats
    """Shape (rows,)."""

    relaxed_mw: Floats
    """How far a ramp limit had to give way to a state or a forced stop, shape (units, periods) [MW]."""

    offset: float
    """Curtailment price of all available wind and PV: with it the objective counts what is lost, not what is used."""


def frame_of(
    problem: Compiled,
    outlook: Outlook,
    state: GridState,
    choice: Choice,
    settings: DispatchSettings,
    end_energy_mwh: Floats | None = None,
) -> Frame:
    """Bounds and right-hand sides of one tick.

    Args:
        problem: The compiled problem; its number of periods and their length are the outlook's.
        outlook: What is expected.
        state: The state at the start of the first period.
        choice: The on/off states allowed.
        settings: Prices and limits.
        end_energy_mwh: Energy wanted in each store at the end, soft, shape (stores,); None where only its value counts.
    """
    lower, upper = problem.lower.copy(), problem.upper.copy()
    row_lower, row_upper = problem.row_lower.copy(), problem.row_upper.copy()
    _write_power_bounds(problem, outlook, settings, lower, upper)
    on = problem.columns["on"]
    lower[on], upper[on] = choice.least, choice.most
    _write_balance(problem, outlook, row_lower, row_upper)
    _write_reserves(problem, outlook, row_lower)
    _write_standby(problem, outlook, upper, row_upper)
    _write_energy(problem, state, end_energy_mwh, row_lower, row_upper)
    _write_battery_ramps(problem, outlook, state, row_lower, row_upper)
    relaxed = _write_ramps(problem, state, choice, row_lower, row_upper)
    if "start" in problem.columns:
        _write_switching(problem, state, upper, row_lower, row_upper)
    available_mwh = problem.step_h * outlook.available_mw[problem.fleet.vre_asset].sum()
    offset = float(settings.curtailment_price_per_mwh * available_mwh)
    return Frame(lower, upper, row_lower, row_upper, relaxed, offset)


def _write_power_bounds(
    problem: Compiled, outlook: Outlook, settings: DispatchSettings, lower: Floats, upper: Floats
) -> None:
    fleet, columns = problem.fleet, problem.columns
    is_out = outlook.out_of_service
    held = np.minimum(fleet.ramp_mw_per_h * settings.reserve_time_s / 3600.0, fleet.range_mw)
    upper[columns["held"]] = held[:, None]
    upper[columns["shed"]] = np.maximum(outlook.load_mw, 0.0)
    upper[columns["used"]] = outlook.available_mw[fleet.vre_asset]
    charge = np.broadcast_to(fleet.charge_mw[:, None], columns["charge"].shape).copy()
    tanks = np.arange(len(fleet.battery_asset), len(fleet.store_asset))
    charge[tanks] = np.minimum(charge[tanks], outlook.available_mw[fleet.store_asset[tanks]])
    upper[columns["charge"]] = np.where(is_out[fleet.store_asset], 0.0, charge)
    swing = fleet.battery_ramp_mw_per_h * settings.reserve_time_s / 3600.0
    out = is_out[fleet.battery_asset]
    upper[columns["held_battery"]] = np.where(out, 0.0, swing[:, None])
    upper[columns["discharge"][out]] = 0.0
    asked = np.flatnonzero(columns["held_down"][:, 0] >= 0)
    upper[columns["held_down"][asked]] = np.where(out[asked], 0.0, swing[asked, None])
    lines_out = outlook.branch_out[len(problem.network.branches) :]
    cells = columns["dc_flow"][lines_out]
    lower[cells] = upper[cells] = 0.0


def _write_balance(problem: Compiled, outlook: Outlook, row_lower: Floats, row_upper: Floats) -> None:
    """Fixed output less load at each bus."""
    given = -outlook.load_mw
    fixed = problem.fleet.fixed_asset
    np.add.at(given, problem.network.asset_bus[fixed], outlook.available_mw[fixed])
    rows = problem.rows["eq_injection"]
    row_lower[rows] = row_upper[rows] = given


def _write_reserves(problem: Compiled, outlook: Outlook, row_lower: Floats) -> None:
    fleet = problem.fleet
    for rows, group in zip(problem.rows["min_reserve"], fleet.groups, strict=True):
        required = outlook.reserve_mw[list(group.products)].sum(axis=0) if group.products else outlook.margin_mw
        if group.is_up:
            required = required - outlook.available_mw[fleet.vre_asset[group.vre]].sum(axis=0)
        row_lower[rows] = required


def _write_standby(problem: Compiled, outlook: Outlook, upper: Floats, row_upper: Floats) -> None:
    """Capacity of quick units in service, and the periods that begin too soon for those that are off."""
    fleet = problem.fleet
    capacity = np.where(problem.is_quick, fleet.p_min_mw + fleet.range_mw, 0.0)
    row_upper[problem.rows["max_standby"]] = capacity @ ~outlook.out_of_service[fleet.unit_asset]
    too_soon = outlook.valid_time < to_numpy(outlook.issue_time + QUICK_NOTICE)
    upper[problem.columns["standby"][too_soon]] = 0.0


def _write_energy(
    problem: Compiled, state: GridState, end_energy_mwh: Floats | None, row_lower: Floats, row_upper: Floats
) -> None:
    first = problem.rows["eq_energy"][:, 0]
    row_lower[first] = row_upper[first] = energy_at_start(problem, state)
    row_lower[problem.rows["min_end"]] = -np.inf if end_energy_mwh is None else end_energy_mwh


def _write_battery_ramps(
    problem: Compiled, outlook: Outlook, state: GridState, row_lower: Floats, row_upper: Floats
) -> None:
    """Ramps of batteries from the state's power on; none into an outage, nor where energy or room ends the power first.

    The plant never comes to the latter: its batteries keep what a ramp to zero takes. A state that is estimated may.
    """
    fleet, network = problem.fleet, problem.network
    ramp, stored = fleet.battery_ramp_mw_per_h * problem.step_h, energy_at_start(problem, state)
    rise, fall = problem.rows["max_swing"], problem.rows["min_swing"]
    for s in np.flatnonzero(rise[:, 0] >= 0):
        asset = fleet.battery_asset[s]
        is_free = outlook.out_of_service[asset].copy()
        power = float(np.clip(state.power_mw[asset], -fleet.charge_mw[s], network.assets[asset].p_max_mw))
        if state.is_free or np.isnan(power):
            is_free[0], power = True, 0.0
        row_upper[rise[s, 0]] += power
        row_lower[fall[s, 0]] += power
        # The quickest way to zero, period by period, and the energy it takes or brings.
        way = np.maximum(abs(power) - ramp[s] * np.arange(1, problem.periods + 1), 0.0)
        energy = problem.step_h * np.cumsum(way)
        drawn, room = energy / fleet.discharge_efficiency[s], fleet.energy_mwh[s] - stored[s]
        lasts = drawn[-1] <= stored[s] if power > 0 else fleet.charge_efficiency[s] * energy[-1] <= room
        if not lasts:
            is_free[: int((way > 0).sum()) + 1] = True
        row_upper[rise[s, is_free]], row_lower[fall[s, is_free]] = np.inf, -np.inf


def energy_at_start(problem: Compiled, state: GridState) -> Floats:
    """Stored energy at the start, within the store's limits, shape (stores,) [MWh]."""
    fleet = problem.fleet
    assets = problem.network.assets
    initial = np.array([store.initial_soc_mwh for row in fleet.store_asset if (store := assets[row].store)])
    known = state.soc_mwh[fleet.store_asset]
    return np.clip(np.where(np.isnan(known), initial, known), 0.0, fleet.energy_mwh)


def above_at_start(problem: Compiled, state: GridState) -> Floats:
    """Output above the least at the start, 0 for a unit that is off, NaN where unknown, shape (units,) [MW]."""
    fleet = problem.fleet
    rows = fleet.unit_asset
    above = np.clip(state.power_mw[rows] - fleet.p_min_mw, 0.0, fleet.range_mw)
    return np.where(state.is_free, np.nan, np.where(state.is_on[rows], above, 0.0))


def _write_ramps(problem: Compiled, state: GridState, choice: Choice, row_lower: Floats, row_upper: Floats) -> Floats:
    """Ramps from the state's output on; a limit that a forced stop can't keep gives way, by the least that it takes."""
    fleet = problem.fleet
    ramp = fleet.ramp_mw_per_h * problem.step_h
    above = above_at_start(problem, state)
    relaxed = np.zeros(choice.most.shape)
    lowest = np.where(np.isnan(above), 0.0, above)
    for period in range(problem.periods):
        reachable = np.maximum(lowest - ramp, 0.0)
        relaxed[:, period] = np.where(choice.most[:, period], 0.0, reachable)
        lowest = np.where(choice.most[:, period], reachable, 0.0)
    rise, fall = problem.rows["max_rise"], problem.rows["min_rise"]
    has_row = rise[:, 0] >= 0
    units = np.flatnonzero(has_row)
    row_lower[fall[units]] = -ramp[units, None] - relaxed[units]
    start = above[units]
    row_upper[rise[units, 0]] = np.where(np.isnan(start), np.inf, start + ramp[units])
    row_lower[fall[units, 0]] = np.where(np.isnan(start), -np.inf, start - ramp[units] - relaxed[units, 0])
    return relaxed


def _write_switching(problem: Compiled, state: GridState, upper: Floats, row_lower: Floats, row_upper: Floats) -> None:
    """On/off state at the start; where it is unknown, the first period's state is free and costs no start."""
    fleet = problem.fleet
    first = problem.rows["eq_switch"][:, 0]
    if state.is_free:
        row_lower[first], row_upper[first] = -np.inf, np.inf
        upper[problem.columns["start"][:, 0]] = 0.0
        upper[problem.columns["stop"][:, 0]] = 0.0
        return
    was_on = state.is_on[fleet.unit_asset]
    row_lower[first] = row_upper[first] = was_on.astype(np.float64)
    rows = problem.rows["max_category"]
    ending = np.flatnonzero(rows[:, 0] >= 0)
    owner = fleet.start_unit[ending]
    hours = state.hours_in_state[fleet.unit_asset[owner]][:, None] + problem.step_h * np.arange(problem.periods)
    inside = (hours >= fleet.start_off_h[ending, None]) & (hours < fleet.start_until_h[ending, None])
    row_upper[rows[ending]] = (inside & ~was_on[owner][:, None]).astype(np.float64)

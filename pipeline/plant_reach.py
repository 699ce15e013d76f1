"""What each asset of the plant can do in the next step: switching, ramps, stored energy, weather, outages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.plant_orders import Orders
from pipeline.plant_state import STEP_H, Columns, PlantState

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

TOLERANCE = 1e-9
"""Rounding of sums of hours and of power [h, MW]."""


@dataclass(frozen=True)
class Moves:
    """Reach of one step; arrays have shape (assets,)."""

    base_mw: Floats
    """Output without regulation, within the reach [MW]."""

    lower_mw: Floats
    """Least reachable output [MW]."""

    upper_mw: Floats
    """Largest reachable output [MW]."""

    is_on: Bools
    """On/off during the step."""

    refused: tuple[tuple[int, str], ...]
    """(asset row, reason) of commands that were refused or put off."""


def reach_of(
    columns: Columns, state: PlantState, orders: Orders, available_mw: Floats, out: Bools, needed: Bools
) -> Moves:
    """Base points and reach of every asset.

    A unit starts at its minimum output at once and may use its ramp on top; it stops from any output within one step's
    ramp of the minimum, and is brought down to there first. Base points go to their target as fast as the ramp lets
    them.

    Args:
        columns: What the assets can do at all.
        state: Before the step.
        orders: Setpoints in force.
        available_mw: Possible output of wind, PV, rooftop PV and hydro, inflow of a CSP [MW].
        out: Assets out of service.
        needed: Units whose stop is put off, since load would be shed without them.
    """
    lasting = lasting_mw(columns, state, available_mw)
    is_on, stopping, refused = _switch(columns, state, orders, lasting, out, needed)
    lower, upper = np.zeros(len(out)), np.zeros(len(out))
    _add_units(columns, state, is_on, stopping, lower, upper)
    upper = np.where(columns.is_csp, np.minimum(upper, lasting), upper)
    _add_batteries(columns, state, lower, upper)
    follows = columns.is_variable | columns.is_given
    upper = np.where(follows, available_mw, upper)
    lower = np.where(columns.is_given, available_mw, lower)
    lower, upper = np.where(out, 0.0, lower), np.where(out, 0.0, upper)
    target = np.where(np.isnan(orders.target_mw), state.power_mw, orders.target_mw)
    base = np.where(columns.is_variable, np.minimum(upper, np.maximum(orders.limit_mw, lower)), target)
    return Moves(np.clip(base, lower, upper), lower, upper, is_on, tuple(refused))


def lasting_mw(columns: Columns, state: PlantState, available_mw: Floats) -> Floats:
    """Largest output that a store's energy allows without breaking the ramp later, shape (assets,) [MW]; inf elsewhere.

    An output p that then falls by the ramp R each step takes at most p + p^2 / (2 R) steps of energy, so that a unit
    which keeps to it can always follow its ramp down to zero before the store is empty.
    """
    inflow = np.where(columns.is_csp, np.minimum(available_mw, columns.charge_mw), 0.0)
    energy = (np.nan_to_num(state.soc_mwh) + inflow * columns.charge_efficiency * STEP_H) * columns.discharge_efficiency
    return np.where(np.isnan(state.soc_mwh), np.inf, _ramped(energy / STEP_H, columns.ramp_mw))


def _ramped(energy_steps_mw: Floats, ramp_mw: Floats) -> Floats:
    """The p with p + p^2 / (2 ramp) equal to the energy; the energy itself where the ramp is no limit."""
    energy = np.maximum(energy_steps_mw, 0.0)
    finite = np.isfinite(ramp_mw) & (ramp_mw > 0)
    ramp = np.where(finite, ramp_mw, 1.0)
    # The root written so that it loses no digits where the energy is small beside the ramp.
    root = 2 * energy / (1 + np.sqrt(1 + 2 * energy / ramp))
    return np.where(finite, root, np.where(ramp_mw > 0, energy, 0.0))


def _switch(
    columns: Columns, state: PlantState, orders: Orders, lasting: Floats, out: Bools, needed: Bools
) -> tuple[Bools, Bools, list[tuple[int, str]]]:
    """On/off during the step, units on their way down to a stop, and refused commands."""
    is_on, stopping = state.is_on.copy(), np.zeros(len(out), bool)
    is_on[~columns.is_switched] = ~out[~columns.is_switched]
    refused: list[tuple[int, str]] = []
    wanted = np.where(orders.on < 0, state.is_on, orders.on == 1)
    if state.is_free:
        is_on = np.where(columns.is_switched, wanted | (columns.must_run & columns.is_switched), is_on)
    for row in np.flatnonzero(columns.is_switched & (wanted != is_on)):
        reason = _refusal(columns, state, int(row), bool(wanted[row]), lasting)
        if needed[row] and not wanted[row] and reason in {"", "ramping_down"}:
            reason = "needed"
        if reason:
            refused.append((int(row), reason))
            stopping[row] = reason == "ramping_down"
        else:
            is_on[row] = wanted[row]
    for row in np.flatnonzero(columns.is_switched & is_on & (out | (columns.is_csp & (lasting < columns.p_min_mw)))):
        refused.append((int(row), "out_of_service" if out[row] else "empty_store"))
        is_on[row] = False
    return is_on, stopping, refused


def _refusal(columns: Columns, state: PlantState, row: int, wants_on: bool, lasting: Floats) -> str:
    """Why a unit can't be switched now; empty where it can."""
    hours = state.hours_in_state[row] + TOLERANCE
    if wants_on:
        return "min_down" if hours < columns.min_down_h[row] else ""
    if columns.must_run[row]:
        return "must_run"
    if hours < columns.min_up_h[row]:
        return "min_up"
    is_high = state.power_mw[row] > columns.p_min_mw[row] + columns.ramp_mw[row] + TOLERANCE
    return "ramping_down" if is_high and lasting[row] >= columns.p_min_mw[row] else ""


def _add_units(
    columns: Columns, state: PlantState, is_on: Bools, stopping: Bools, lower: Floats, upper: Floats
) -> None:
    """Reach of switched units, in place."""
    running = columns.is_switched & is_on
    low, high = columns.p_min_mw, columns.p_max_mw
    if not state.is_free:
        before = np.where(state.is_on, state.power_mw, low)
        low = np.maximum(low, np.where(state.is_on, before - columns.ramp_mw, low))
        high = np.minimum(high, before + columns.ramp_mw)
    lower[running] = low[running]
    upper[running] = np.where(stopping, low, high)[running]


def _add_batteries(columns: Columns, state: PlantState, lower: Floats, upper: Floats) -> None:
    """Reach of batteries within power, ramp and energy, in place."""
    rows = np.flatnonzero(columns.is_battery)
    soc, ramp, last = state.soc_mwh[rows], columns.ramp_mw[rows], state.power_mw[rows]
    give = _ramped(soc * columns.discharge_efficiency[rows] / STEP_H, ramp)
    take = _ramped((columns.energy_mwh[rows] - soc) / (columns.charge_efficiency[rows] * STEP_H), ramp)
    high, low = np.minimum(columns.p_max_mw[rows], give), -np.minimum(columns.charge_mw[rows], take)
    if not state.is_free:
        high, low = np.minimum(high, last + ramp), np.maximum(low, last - ramp)
    lower[rows], upper[rows] = low, high


def energy_after(columns: Columns, soc_mwh: Floats, power_mw: Floats, available_mw: Floats) -> Floats:
    """Stored energy after a step, shape (assets,) [MWh]; a full CSP tank spills the rest of its inflow."""
    drawn = np.where(columns.is_csp, np.minimum(available_mw, columns.charge_mw), np.maximum(-power_mw, 0.0))
    gained = drawn * columns.charge_efficiency - np.maximum(power_mw, 0.0) / columns.discharge_efficiency
    return np.clip(soc_mwh + gained * STEP_H, 0.0, columns.energy_mwh)

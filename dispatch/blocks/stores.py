"""Stores: batteries and the heat tanks of CSP plants.

Source: the energy balance with charge and discharge efficiency as in ANL-CEEESA/UnitCommitment.jl,
src/model/formulations/base/storage.jl.
"""

from __future__ import annotations

import pyomo.environ as pyo

from dispatch.fleet import Fleet


def add_stores(m: pyo.ConcreteModel, fleet: Fleet, p_max_mw: list[float], step_h: float) -> None:
    """Energy of each store at the period's end, power, ramps and reserve of batteries, the shortfall at the end.

    Stores are the batteries, then the CSP tanks; a tank is filled by its field's inflow (`charge`) and emptied by its
    unit's output. The energy at the start stands on the right-hand side of period 0, as does the power for ramps.

    Args:
        m: The model, with `on`, `above` and `held` of the units.
        fleet: The fleet.
        p_max_mw: Largest discharge of each battery [MW].
        step_h: Period length [h].
    """
    batteries = range(len(fleet.battery_asset))
    stores = range(len(fleet.store_asset))
    first_tank = len(fleet.battery_asset)
    m.charge = pyo.Var(stores, m.periods, bounds=lambda m, s, t: (0, fleet.charge_mw[s]))
    m.discharge = pyo.Var(batteries, m.periods, bounds=lambda m, s, t: (0, p_max_mw[s]))
    m.energy = pyo.Var(stores, m.periods, bounds=lambda m, s, t: (0, fleet.energy_mwh[s]))
    m.end_short = pyo.Var(stores, bounds=(0, None))

    def taken(m: pyo.ConcreteModel, s: int, t: int) -> pyo.Expression:
        if s < first_tank:
            return m.discharge[s, t]
        u = int(fleet.csp_unit[s - first_tank])
        return fleet.p_min_mw[u] * m.on[u, t] + m.above[u, t]

    def balance(m: pyo.ConcreteModel, s: int, t: int) -> pyo.Expression:
        stored = fleet.charge_efficiency[s] * step_h * m.charge[s, t]
        drawn = step_h / fleet.discharge_efficiency[s] * taken(m, s, t)
        return m.energy[s, t] - (m.energy[s, t - 1] if t else 0) - stored + drawn == 0

    m.eq_energy = pyo.Constraint(stores, m.periods, rule=balance)
    last = m.periods.last()
    m.min_end = pyo.Constraint(stores, rule=lambda m, s: m.energy[s, last] + m.end_short[s] >= 0)
    # One period, one direction, at most: the convex hull of "charge or discharge" (the solve fixes what is left of it).
    m.max_battery = pyo.Constraint(
        batteries,
        m.periods,
        rule=lambda m, s, t: (
            p_max_mw[s] * m.charge[s, t] + fleet.charge_mw[s] * m.discharge[s, t] <= p_max_mw[s] * fleet.charge_mw[s]
        ),
    )
    _add_battery_ramps(m, fleet, p_max_mw, step_h)
    _add_held(m, fleet, p_max_mw)


def _add_battery_ramps(m: pyo.ConcreteModel, fleet: Fleet, p_max_mw: list[float], step_h: float) -> None:
    """Largest change of net power; no row where a ramp can cross the whole range in one period."""
    ramp_mw = fleet.battery_ramp_mw_per_h * step_h
    ramped = [s for s, power in enumerate(p_max_mw) if ramp_mw[s] < power + fleet.charge_mw[s]]

    def change(m: pyo.ConcreteModel, s: int, t: int) -> pyo.Expression:
        now = m.discharge[s, t] - m.charge[s, t]
        return now - (m.discharge[s, t - 1] - m.charge[s, t - 1]) if t else now

    m.max_swing = pyo.Constraint(ramped, m.periods, rule=lambda m, s, t: change(m, s, t) <= ramp_mw[s])
    m.min_swing = pyo.Constraint(ramped, m.periods, rule=lambda m, s, t: change(m, s, t) >= -ramp_mw[s])


def _add_held(m: pyo.ConcreteModel, fleet: Fleet, p_max_mw: list[float]) -> None:
    """Reserve of batteries and tanks: power that is left, for an hour from what is stored at the period's end."""
    batteries, first_tank = range(len(fleet.battery_asset)), len(fleet.battery_asset)
    tanks = range(first_tank, len(fleet.store_asset))
    m.held_battery = pyo.Var(batteries, m.periods, bounds=(0, None))
    m.max_held = pyo.Constraint(
        batteries,
        m.periods,
        rule=lambda m, s, t: m.held_battery[s, t] + m.discharge[s, t] - m.charge[s, t] <= p_max_mw[s],
    )
    m.max_held_energy = pyo.Constraint(
        batteries,
        m.periods,
        rule=lambda m, s, t: m.held_battery[s, t] - fleet.discharge_efficiency[s] * m.energy[s, t] <= 0,
    )
    m.max_held_tank = pyo.Constraint(
        tanks,
        m.periods,
        rule=lambda m, s, t: (
            m.held[int(fleet.csp_unit[s - first_tank]), t] - fleet.discharge_efficiency[s] * m.energy[s, t] <= 0
        ),
    )
    # Downward only where a product asks it of the battery.
    asked = sorted({s for group in fleet.groups if not group.is_up for s in group.batteries.tolist()})
    m.held_down = pyo.Var(asked, m.periods, bounds=(0, None))
    m.max_held_down = pyo.Constraint(
        asked,
        m.periods,
        rule=lambda m, s, t: m.held_down[s, t] + m.charge[s, t] - m.discharge[s, t] <= fleet.charge_mw[s],
    )
    m.max_held_room = pyo.Constraint(
        asked,
        m.periods,
        rule=lambda m, s, t: fleet.charge_efficiency[s] * m.held_down[s, t] + m.energy[s, t] <= fleet.energy_mwh[s],
    )

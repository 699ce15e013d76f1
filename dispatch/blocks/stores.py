"""Stores: batteries and the heat tanks of CSP plants.

Source: Xu, Pozo & Strbac family of storage models as in ANL-CEEESA/UnitCommitment.jl,
src/model/formulations/base/storage.jl (energy balance with charge and discharge efficiency).
"""

from __future__ import annotations

import pyomo.environ as pyo

from dispatch.fleet import Fleet


def add_stores(m: pyo.ConcreteModel, fleet: Fleet, p_max_mw: list[float], step_h: float) -> None:
    """Energy of each store at the period's end, the power limits of batteries, the shortfall against an end target.

    Stores are the batteries, then the CSP tanks; a tank is filled by its field's inflow (`charge`) and emptied by its
    unit's output. The energy at the start stands on the right-hand side of period 0.

    Args:
        m: The model, with `on` and `above` of the units.
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
    m.held_battery = pyo.Var(batteries, m.periods, bounds=(0, None))
    m.max_held = pyo.Constraint(
        batteries,
        m.periods,
        rule=lambda m, s, t: m.held_battery[s, t] + m.discharge[s, t] - m.charge[s, t] <= p_max_mw[s],
    )
    # Reserve must last an hour from what is stored at the period's end.
    m.max_held_energy = pyo.Constraint(
        batteries,
        m.periods,
        rule=lambda m, s, t: m.held_battery[s, t] - fleet.discharge_efficiency[s] * m.energy[s, t] <= 0,
    )

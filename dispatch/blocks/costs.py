"""Costs: fuel and upkeep, starts and stops, and the prices of shortfalls that order what is given up first.

Available wind and PV is a constant of the objective: taking up a MWh earns the curtailment price.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyomo.environ as pyo

from dispatch.fleet import MARGIN, Fleet
from dispatch.settings import DispatchSettings


def add_costs(m: pyo.ConcreteModel, fleet: Fleet, settings: DispatchSettings, step_h: float) -> None:
    """The one objective: energy by the hour, switching by the event, the value of energy left at the end."""
    energy = [*_running(m, fleet), *_shortfalls(m, fleet, settings)]
    switching = _switching(m, fleet) if hasattr(m, "start") else iter(())
    last = m.periods.last()
    end = []
    for s in range(len(fleet.store_asset)):
        end.append(-settings.stored_energy_value_per_mwh * m.energy[s, last])
        end.append(settings.soc_target_price_per_mwh * m.end_short[s])
    terms = [step_h * price * variable for price, variable in energy]
    m.cost = pyo.Objective(expr=pyo.quicksum([*terms, *switching, *end]))


def _running(m: pyo.ConcreteModel, fleet: Fleet) -> Iterator[tuple[float, pyo.Var]]:
    """(price per hour and MW or state, variable) of fuel, upkeep and battery wear."""
    for (k, _), variable in m.segment.items():
        yield float(fleet.segment_cost[k]), variable
    for (u, _), variable in m.on.items():
        yield float(fleet.on_cost_per_h[u]), variable


def _shortfalls(m: pyo.ConcreteModel, fleet: Fleet, settings: DispatchSettings) -> Iterator[tuple[float, pyo.Var]]:
    """(price per MWh, variable) of what is given up, and of idle battery cycling."""
    for variable in m.used.values():
        yield -settings.curtailment_price_per_mwh, variable
    for variable in m.shed.values():
        yield settings.voll_per_mwh, variable
    for variable in m.over_generation.values():
        yield settings.over_generation_per_mwh, variable
    for (g, _), variable in m.short.items():
        is_margin = fleet.groups[g].name == MARGIN
        yield settings.margin_price_per_mwh if is_margin else settings.reserve_price_per_mwh, variable
    for (s, _), variable in m.charge.items():
        if s < len(fleet.battery_asset):
            yield settings.wear_per_mwh, variable
    for variable in m.discharge.values():
        yield settings.wear_per_mwh, variable


def _switching(m: pyo.ConcreteModel, fleet: Fleet) -> Iterator[pyo.Expression]:
    for (j, _), variable in m.start_category.items():
        yield float(fleet.start_cost[j]) * variable
    for (u, _), variable in m.stop.items():
        if fleet.stop_cost[u]:
            yield float(fleet.stop_cost[u]) * variable

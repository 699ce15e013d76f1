"""The network: net injection at each bus, its balance over the grid, DC lines, and the last resorts at each bus.

Line limits are not here: flows are the PTDF times `injection`, and only violated limits are added, as rows
(`dispatch/lines.py`). The dual of `eq_injection` is the bus's price.
"""

from __future__ import annotations

import pyomo.environ as pyo

from dispatch.fleet import Fleet
from gridcore.network import Network


def add_network(m: pyo.ConcreteModel, network: Network, fleet: Fleet) -> None:
    """Bus injections and their balance; fixed output less load stands on the right-hand side of `eq_injection`."""
    buses = range(len(network.buses))
    bus_of = network.asset_bus
    dc_ends = [(network.bus_index[d.from_bus], network.bus_index[d.to_bus]) for d in network.dc_lines]
    m.used = pyo.Var(range(len(fleet.vre_asset)), m.periods, bounds=(0, None))
    m.dc_flow = pyo.Var(
        range(len(network.dc_lines)),
        m.periods,
        bounds=lambda m, d, t: (-network.dc_lines[d].limit_mw, network.dc_lines[d].limit_mw),
    )
    m.shed = pyo.Var(buses, m.periods, bounds=(0, None))
    m.over_generation = pyo.Var(buses, m.periods, bounds=(0, None))
    m.injection = pyo.Var(buses, m.periods, bounds=(None, None))
    units_at = _members(bus_of[fleet.unit_asset].tolist(), len(network.buses))
    vre_at = _members(bus_of[fleet.vre_asset].tolist(), len(network.buses))
    batteries_at = _members(bus_of[fleet.battery_asset].tolist(), len(network.buses))

    def injection(m: pyo.ConcreteModel, b: int, t: int) -> pyo.Expression:
        terms = [m.injection[b, t], -m.shed[b, t], m.over_generation[b, t]]
        terms += [-fleet.p_min_mw[u] * m.on[u, t] for u in units_at[b]]
        terms += [-m.above[u, t] for u in units_at[b]]
        terms += [-m.used[w, t] for w in vre_at[b]]
        terms += [m.charge[s, t] - m.discharge[s, t] for s in batteries_at[b]]
        terms += [m.dc_flow[d, t] for d, ends in enumerate(dc_ends) if ends[0] == b]
        terms += [-m.dc_flow[d, t] for d, ends in enumerate(dc_ends) if ends[1] == b]
        return pyo.quicksum(terms) == 0

    m.eq_injection = pyo.Constraint(buses, m.periods, rule=injection)
    m.eq_balance = pyo.Constraint(m.periods, rule=lambda m, t: pyo.quicksum(m.injection[b, t] for b in buses) == 0)


def _members(group_of: list[int], groups: int) -> list[list[int]]:
    members: list[list[int]] = [[] for _ in range(groups)]
    for member, group in enumerate(group_of):
        members[group].append(member)
    return members

"""Reserves: the requirement rows of each group of products, soft and priced.

Upward reserve is what units hold (`held`), what batteries hold and the curtailed power of wind and PV; downward reserve
is output above the least, the output of wind and PV and what batteries can take up. Available wind and PV, quick-start
capacity and the requirement itself stand on the right-hand side. How rows of nested areas share what is held:
`dispatch/fleet.py`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyomo.environ as pyo

from dispatch.fleet import Fleet


def add_reserves(m: pyo.ConcreteModel, fleet: Fleet, is_quick: npt.NDArray[np.bool_]) -> None:
    """One row for each group and period, its shortfall a variable.

    Args:
        m: The model, with units, stores and network.
        fleet: The fleet and its reserve groups.
        is_quick: Units that count while off in a group with `counts_quick_starts`, shape (units,).
    """
    groups = range(len(fleet.groups))
    m.short = pyo.Var(groups, m.periods, bounds=(0, None))
    # One quantity for all quick units that are off: its bound says from when on in the window it counts at all.
    m.standby = pyo.Var(m.periods, bounds=(0, None))
    quick = np.flatnonzero(is_quick).tolist()
    capacity = fleet.p_min_mw + fleet.range_mw
    m.max_standby = pyo.Constraint(
        m.periods, rule=lambda m, t: m.standby[t] + pyo.quicksum(capacity[u] * m.on[u, t] for u in quick) <= 0
    )

    def requirement(m: pyo.ConcreteModel, g: int, t: int) -> pyo.Expression:
        group = fleet.groups[g]
        terms = [m.short[g, t]]
        if group.is_up:
            terms += [m.held[u, t] for u in group.units.tolist()]
            terms += [m.held_battery[s, t] for s in group.batteries.tolist()]
            terms += [-m.used[w, t] for w in group.vre.tolist()]
            if group.counts_quick_starts:
                terms.append(m.standby[t])
        else:
            terms += [m.above[u, t] for u in group.units.tolist()]
            terms += [m.used[w, t] for w in group.vre.tolist()]
            terms += [m.held_down[s, t] for s in group.batteries.tolist()]
        return pyo.quicksum(terms) >= 0

    m.min_reserve = pyo.Constraint(groups, m.periods, rule=requirement)

"""Units: output in convex cost segments above the least output, reserve, ramps, and the on/off state.

Source: Morales-Espana, Latorre & Ramos (2013), IEEE Trans. Power Syst. 28(4), 4897-4908,
doi:10.1109/TPWRS.2013.2251373: (2) logic, (3)-(4) minimum up and down times, (6)-(9) limits, start categories (5);
Rajan & Takriti (2005), IBM Research Report RC23628 (the up and down time polytope).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pyomo.environ as pyo

from dispatch.fleet import Fleet


def add_units(m: pyo.ConcreteModel, fleet: Fleet, step_h: float) -> None:
    """Output above the least, its limit while on together with the reserve held, and ramps.

    `above[u, t]` is an expression, the sum of the unit's segments; the ramp of period 0 counts from the state, whose
    output stands on the right-hand side.
    """
    units = range(len(fleet.unit_asset))
    m.on = pyo.Var(units, m.periods, bounds=(0, 1))
    m.segment = pyo.Var(range(len(fleet.segment_unit)), m.periods, bounds=lambda m, k, t: (0, fleet.segment_mw[k]))
    m.held = pyo.Var(units, m.periods, bounds=(0, None))
    segments_of = [np.flatnonzero(fleet.segment_unit == u).tolist() for u in units]
    m.above = pyo.Expression(
        units, m.periods, rule=lambda m, u, t: pyo.quicksum(m.segment[k, t] for k in segments_of[u])
    )
    m.max_output = pyo.Constraint(
        units, m.periods, rule=lambda m, u, t: m.above[u, t] + m.held[u, t] - fleet.range_mw[u] * m.on[u, t] <= 0
    )
    # A ramp that can cross the whole range in one period never binds: no row for it.
    ramped = np.flatnonzero(fleet.ramp_mw_per_h * step_h < fleet.range_mw).tolist()

    def change(m: pyo.ConcreteModel, u: int, t: int) -> pyo.Expression:
        return m.above[u, t] - m.above[u, t - 1] if t else m.above[u, t]

    m.max_rise = pyo.Constraint(
        ramped, m.periods, rule=lambda m, u, t: change(m, u, t) <= fleet.ramp_mw_per_h[u] * step_h
    )
    m.min_rise = pyo.Constraint(
        ramped, m.periods, rule=lambda m, u, t: change(m, u, t) >= -fleet.ramp_mw_per_h[u] * step_h
    )


def add_commitment(m: pyo.ConcreteModel, fleet: Fleet, step_h: float) -> None:
    """Starts and stops, minimum up and down times, start categories; `on` and `start` become binary."""
    units = range(len(fleet.unit_asset))
    m.start = pyo.Var(units, m.periods, bounds=(0, 1))
    m.stop = pyo.Var(units, m.periods, bounds=(0, 1))
    m.eq_switch = pyo.Constraint(
        units,
        m.periods,
        rule=lambda m, u, t: m.on[u, t] - (m.on[u, t - 1] if t else 0) - m.start[u, t] + m.stop[u, t] == 0,
    )
    up = periods_of(fleet.min_up_h, step_h)
    down = periods_of(fleet.min_down_h, step_h)
    m.min_up = pyo.Constraint(
        units,
        m.periods,
        rule=lambda m, u, t: pyo.quicksum(m.start[u, i] for i in range(max(0, t - up[u] + 1), t + 1)) <= m.on[u, t],
    )
    m.min_down = pyo.Constraint(
        units,
        m.periods,
        rule=lambda m, u, t: (
            pyo.quicksum(m.stop[u, i] for i in range(max(0, t - down[u] + 1), t + 1)) + m.on[u, t] <= 1
        ),
    )
    # Without this limit a relaxed unit, half on, runs its cheapest segment in full. Only the first segment has rows:
    # `max_output` scales the sum, and on RTS-GMLC rows for all segments moved the bound by 0.01 % and tripled them.
    first = [k for k in range(len(fleet.segment_unit)) if k == 0 or fleet.segment_unit[k - 1] != fleet.segment_unit[k]]
    m.max_segment = pyo.Constraint(
        first,
        m.periods,
        rule=lambda m, k, t: m.segment[k, t] - fleet.segment_mw[k] * m.on[fleet.segment_unit[k], t] <= 0,
    )
    _add_start_categories(m, fleet, step_h)


def periods_of(hours: npt.NDArray[np.float64], step_h: float) -> list[int]:
    """Whole periods that cover a time, at least 1, shape (units,)."""
    return [max(1, math.ceil(hour / step_h - 1e-9)) for hour in hours.tolist()]


def _add_start_categories(m: pyo.ConcreteModel, fleet: Fleet, step_h: float) -> None:
    """A start takes one category; a category that ends needs a stop recent enough, or a state that was off so long.

    The state's part stands on the right-hand side of `max_category`.
    """
    categories = range(len(fleet.start_unit))
    starting = sorted(set(fleet.start_unit.tolist()))
    of_unit = {u: np.flatnonzero(fleet.start_unit == u).tolist() for u in starting}
    m.start_category = pyo.Var(categories, m.periods, bounds=(0, 1))
    m.eq_category = pyo.Constraint(
        starting,
        m.periods,
        rule=lambda m, u, t: pyo.quicksum(m.start_category[j, t] for j in of_unit[u]) - m.start[u, t] == 0,
    )
    ending = [j for j in categories if np.isfinite(fleet.start_until_h[j])]

    def recent_stop(m: pyo.ConcreteModel, j: int, t: int) -> pyo.Expression:
        # Off from period i on and started in t: off for (t - i) periods.
        u = int(fleet.start_unit[j])
        inside = [i for i in range(t) if fleet.start_off_h[j] <= (t - i) * step_h < fleet.start_until_h[j]]
        return m.start_category[j, t] - pyo.quicksum(m.stop[u, i] for i in inside) <= 0

    m.max_category = pyo.Constraint(ending, m.periods, rule=recent_stop)

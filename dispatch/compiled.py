"""The compiled problem: a Pyomo model turned once into sparse arrays, with a map from (family, index) to row or column.

Pyomo is the meaning; what solves is arrays. Each tick writes bounds and right-hand sides at mapped positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

from dispatch.blocks.costs import add_costs
from dispatch.blocks.network import add_network
from dispatch.blocks.reserves import add_reserves
from dispatch.blocks.stores import add_stores
from dispatch.blocks.units import add_commitment, add_units
from dispatch.fleet import Fleet, fleet_of
from dispatch.settings import DispatchSettings
from gridcore.errors import BrokenInvariantError
from gridcore.network import Network

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

AT_END = frozenset({"end_short", "min_end"})
"""Families by store alone, about the end of the horizon; all others are by member and period."""


@dataclass(frozen=True)
class Compiled:
    """The arrays of one problem: minimise cost x, row_lower <= A x <= row_upper, lower <= x <= upper."""

    network: Network
    """The grid."""

    fleet: Fleet
    """Its columns of structure."""

    step_h: float
    """Period length [h]."""

    periods: int
    """Number of periods."""

    matrix: sp.csr_array
    """A, shape (rows, columns)."""

    cost: Floats
    """Shape (columns,)."""

    lower: Floats
    """Shape (columns,)."""

    upper: Floats
    """Shape (columns,)."""

    row_lower: Floats
    """Shape (rows,)."""

    row_upper: Floats
    """Shape (rows,)."""

    columns: dict[str, Ints]
    """Column of each variable family, by its own indices, e.g. `on`: shape (units, periods); -1 where it has none."""

    rows: dict[str, Ints]
    """Row of each constraint family, in the same way."""

    is_quick: npt.NDArray[np.bool_]
    """Units that are re-committed within the day, shape (units,)."""


@lru_cache(maxsize=8)
def compiled(
    network: Network, periods: int, resolution: timedelta, settings: DispatchSettings, *, with_commitment: bool
) -> Compiled:
    """Build and compile the problem; kept by its arguments, so that it is done once in a process.

    Args:
        network: The grid.
        periods: Number of periods.
        resolution: Period length.
        settings: Prices and limits.
        with_commitment: The on/off states are decided rather than given.
    """
    fleet = fleet_of(network)
    step_h = resolution / timedelta(hours=1)
    is_quick = (np.maximum(fleet.min_up_h, fleet.min_down_h) <= settings.quick_start_h) & ~fleet.must_run
    is_quick[fleet.csp_unit] = False
    model = model_of(network, fleet, periods, step_h, settings, is_quick, with_commitment=with_commitment)
    form = LinearStandardFormCompiler().write(model, mixed_form=True)
    sense = np.array([row.bound_type for row in form.rows])
    rhs = np.asarray(form.rhs, dtype=np.float64)
    lower = np.array([-np.inf if v.lb is None else v.lb for v in form.columns], dtype=np.float64)
    upper = np.array([np.inf if v.ub is None else v.ub for v in form.columns], dtype=np.float64)
    return Compiled(
        network=network,
        fleet=fleet,
        step_h=step_h,
        periods=periods,
        matrix=sp.csr_array(form.A),
        cost=np.asarray(sp.csr_array(form.c).toarray()[0], dtype=np.float64),
        lower=lower,
        upper=upper,
        row_lower=np.where(sense <= 0, rhs, -np.inf),
        row_upper=np.where(sense >= 0, rhs, np.inf),
        columns=_positions(form.columns, model, pyo.Var, periods),
        rows=_positions([row.constraint for row in form.rows], model, pyo.Constraint, periods),
        is_quick=is_quick,
    )


def model_of(
    network: Network,
    fleet: Fleet,
    periods: int,
    step_h: float,
    settings: DispatchSettings,
    is_quick: npt.NDArray[np.bool_],
    *,
    with_commitment: bool,
) -> pyo.ConcreteModel:
    """The Pyomo model: one block per constraint family."""
    m = pyo.ConcreteModel()
    m.periods = pyo.RangeSet(0, periods - 1)
    add_units(m, fleet, step_h)
    if with_commitment:
        add_commitment(m, fleet, step_h)
    add_stores(m, fleet, [network.assets[row].p_max_mw for row in fleet.battery_asset], step_h)
    add_network(m, network, fleet)
    add_reserves(m, fleet, is_quick)
    add_costs(m, fleet, settings, step_h)
    return m


def _positions(
    members: list[pyo.Component], model: pyo.ConcreteModel, kind: type[pyo.Component], periods: int
) -> dict[str, Ints]:
    """Position of each member of a family, by its index; a family's array has its largest indices plus one.

    A family that the grid has no member of is there too, with no rows.
    """
    found: dict[str, list[tuple[tuple[int, ...], int]]] = {c.local_name: [] for c in model.component_objects(kind)}
    for position, member in enumerate(members):
        index = member.index()
        pair = (index if isinstance(index, tuple) else (index,), position)
        found[member.parent_component().local_name].append(pair)
    positions = {}
    for family, pairs in found.items():
        indices = np.array([index for index, _ in pairs], dtype=np.int64)
        empty = (0,) if family in AT_END else (0, periods)
        shape = tuple(indices.max(axis=0) + 1) if pairs else empty
        array = np.full(shape, -1, dtype=np.int64)
        where = tuple(indices.T)
        if len({index for index, _ in pairs}) != len(pairs):
            # A constraint with two bounds makes two rows, and bounds would be written to one of them alone.
            raise BrokenInvariantError("two rows of one constraint", asset=family, wanted="one row each")
        if pairs:
            array[where] = [position for _, position in pairs]
        positions[family] = array
    return positions

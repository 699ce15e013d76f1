"""The fleet: a network's assets as columns, sorted by what the optimisation does with them.

Everything here is structure: it changes only when the network does. What changes from tick to tick is in `frame.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gridcore.asset import COMMITTED, CURTAILABLE, Asset, Commitment, Family
from gridcore.network import Network, ReserveProduct

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MARGIN = "margin"
"""Name of the reserve row that covers forecast uncertainty."""


@dataclass(frozen=True)
class ReserveGroup:
    """Reserve products that one requirement row covers."""

    name: str
    """Place named in a shortfall: product names joined by `+`, or `margin`."""

    products: tuple[int, ...]
    """Rows of the products whose requirements add up."""

    is_up: bool
    """Upward or downward."""

    units: Ints
    """Rows of the fleet's units that count."""

    vre: Ints
    """Rows of the fleet's wind farms and PV plants whose curtailed power counts."""

    batteries: Ints
    """Rows of the fleet's batteries that count."""

    counts_quick_starts: bool = False
    """A quick-start unit that is off counts with its capacity, in periods in which it could run."""


@dataclass(frozen=True)
class Fleet:
    """Columns of structure; `*_asset` are rows of `network.assets`."""

    unit_asset: Ints
    """Units that are switched on and off, shape (units,)."""

    p_min_mw: Floats
    """Least output while on, shape (units,) [MW]."""

    range_mw: Floats
    """Output above the least, at most, shape (units,) [MW]."""

    ramp_mw_per_h: Floats
    """Ramp limit, shape (units,) [MW/h]."""

    min_up_h: Floats
    """Shortest time on, shape (units,) [h]."""

    min_down_h: Floats
    """Shortest time off, shape (units,) [h]."""

    must_run: Bools
    """Never switched off, shape (units,)."""

    on_cost_per_h: Floats
    """Cost of being on at the least output, shape (units,) [currency/h]."""

    stop_cost: Floats
    """Cost of a shut-down, shape (units,) [currency]."""

    segment_unit: Ints
    """Unit of each cost segment, shape (segments,)."""

    segment_mw: Floats
    """Width of each segment, shape (segments,) [MW]."""

    segment_cost: Floats
    """Cost in each segment, ascending within a unit, shape (segments,) [currency/MWh]."""

    start_unit: Ints
    """Unit of each start category, hot to cold within a unit, shape (starts,)."""

    start_off_h: Floats
    """Shortest time off of each category, shape (starts,) [h]."""

    start_until_h: Floats
    """Time off at which the next, dearer category begins; inf for the last, shape (starts,) [h]."""

    start_cost: Floats
    """Cost of a start, fuel and other, shape (starts,) [currency]."""

    vre_asset: Ints
    """Wind farms and PV plants, shape (vre,)."""

    battery_asset: Ints
    """Stores of electric energy, shape (batteries,)."""

    battery_ramp_mw_per_h: Floats
    """Largest change of a battery's net power, shape (batteries,) [MW/h]."""

    csp_unit: Ints
    """Rows of units with a heat tank, shape (csp,)."""

    store_asset: Ints
    """Batteries, then CSP tanks, shape (stores,)."""

    energy_mwh: Floats
    """Capacity of each store, shape (stores,) [MWh]."""

    charge_mw: Floats
    """Largest charging power or inflow of each store, shape (stores,) [MW]."""

    charge_efficiency: Floats
    """Stored / drawn, shape (stores,)."""

    discharge_efficiency: Floats
    """Delivered / taken, shape (stores,)."""

    fixed_asset: Ints
    """Assets whose output is given and never curtailed: rooftop PV, hydro and what has no output, shape (fixed,)."""

    groups: tuple[ReserveGroup, ...]
    """Reserve requirement rows; the last upward one is the uncertainty margin."""


@lru_cache(maxsize=8)
def fleet_of(network: Network) -> Fleet:
    """The columns of a network's assets."""
    assets = network.assets
    units = [row for row, a in enumerate(assets) if a.technology in COMMITTED]
    vre = [row for row, a in enumerate(assets) if a.technology in CURTAILABLE]
    batteries = [row for row, a in enumerate(assets) if a.family is Family.STORE and a.store is not None]
    csp = [index for index, row in enumerate(units) if assets[row].store is not None]
    tanks = batteries + [units[index] for index in csp]
    known = {*units, *vre, *batteries}
    fixed = [row for row in range(len(assets)) if row not in known]
    stores = [assets[row].store for row in tanks]
    # A unit without commitment data is always on.
    commitments = [assets[row].commitment or Commitment(must_run=True) for row in units]
    segments = [piece for index, row in enumerate(units) for piece in _segments(index, assets[row])]
    starts = [piece for index, row in enumerate(units) for piece in _starts(index, assets[row])]
    p_min = np.array([assets[row].p_min_mw for row in units])
    return Fleet(
        unit_asset=np.array(units, dtype=np.int64),
        p_min_mw=p_min,
        range_mw=np.array([assets[row].p_max_mw for row in units]) - p_min,
        ramp_mw_per_h=60.0 * np.array([assets[row].ramp_mw_per_min for row in units]),
        min_up_h=np.array([limits.min_up_h for limits in commitments]),
        min_down_h=np.array([limits.min_down_h for limits in commitments]),
        must_run=np.array([limits.must_run for limits in commitments], dtype=np.bool_),
        on_cost_per_h=np.array([_on_cost(assets[row]) for row in units]),
        stop_cost=np.array([limits.shut_down_cost for limits in commitments]),
        segment_unit=np.array([segment.unit for segment in segments], dtype=np.int64),
        segment_mw=np.array([segment.size for segment in segments]),
        segment_cost=np.array([segment.cost for segment in segments]),
        start_unit=np.array([start.unit for start in starts], dtype=np.int64),
        start_off_h=np.array([start.size for start in starts]),
        start_until_h=np.array([start.until for start in starts]),
        start_cost=np.array([start.cost for start in starts]),
        vre_asset=np.array(vre, dtype=np.int64),
        battery_asset=np.array(batteries, dtype=np.int64),
        battery_ramp_mw_per_h=60.0 * np.array([assets[row].ramp_mw_per_min for row in batteries]),
        csp_unit=np.array(csp, dtype=np.int64),
        store_asset=np.array(tanks, dtype=np.int64),
        energy_mwh=np.array([s.energy_mwh for s in stores if s]),
        charge_mw=np.array([s.charge_mw for s in stores if s]),
        charge_efficiency=np.array([s.charge_efficiency for s in stores if s]),
        discharge_efficiency=np.array([s.discharge_efficiency for s in stores if s]),
        fixed_asset=np.array(fixed, dtype=np.int64),
        groups=_groups(network, units, vre, batteries),
    )


class Piece(NamedTuple):
    """A cost segment or a start category of a unit."""

    unit: int
    """Row of the unit."""

    size: float
    """Width of a segment [MW]; shortest time off of a start category [h]."""

    cost: float
    """Per MWh, or per start [currency]."""

    until: float = np.inf
    """Time off at which a start category ends [h]."""


def _on_cost(unit: Asset) -> float:
    """Cost of an hour at the least output [currency/h]."""
    heat = unit.heat_rate.heat_mmbtu_per_h[0] if unit.heat_rate else 0.0
    return heat * unit.fuel_price_per_mmbtu + unit.vom_per_mwh * unit.p_min_mw


def _segments(index: int, unit: Asset) -> list[Piece]:
    points = [(unit.p_min_mw, 0.0), (unit.p_max_mw, 0.0)]
    if unit.heat_rate is not None:
        points = list(zip(unit.heat_rate.power_mw, unit.heat_rate.heat_mmbtu_per_h, strict=True))
    pieces = []
    for (low, heat_low), (high, heat_high) in pairwise(points):
        if high > low:
            slope = (heat_high - heat_low) / (high - low)
            pieces.append(Piece(index, high - low, slope * unit.fuel_price_per_mmbtu + unit.vom_per_mwh))
    return pieces


def _starts(index: int, unit: Asset) -> list[Piece]:
    """Categories, hot to cold; the hottest holds from 0 h off, whatever its own `off_h` says."""
    categories = unit.commitment.start_ups if unit.commitment else ()
    ends = [*(category.off_h for category in categories[1:]), np.inf]
    pieces = []
    for rank, (category, until) in enumerate(zip(categories, ends, strict=False)):
        cost = category.heat_mmbtu * unit.fuel_price_per_mmbtu + category.cost
        pieces.append(Piece(index, category.off_h if rank else 0.0, cost, until))
    return pieces


def _groups(network: Network, units: list[int], vre: list[int], batteries: list[int]) -> tuple[ReserveGroup, ...]:
    """One row for each set of areas that a product names, covering every product whose areas lie within it.

    Held reserve is one quantity per asset that all products share, so a wider set must cover the narrower sets'
    requirements as well as its own. Where the sets are nested and the eligible assets equal (RTS-GMLC), these rows are
    exactly what sharing asks for.
    """

    def counts(rows: list[int], products: list[ReserveProduct]) -> Ints:
        chosen = [
            index
            for index, row in enumerate(rows)
            if any(
                network.area_of(network.assets[row]) in p.areas and _is_eligible(p, network.assets[row])
                for p in products
            )
        ]
        return np.array(chosen, dtype=np.int64)

    groups = []
    for direction in ("up", "down"):
        of_direction = [(row, p) for row, p in enumerate(network.reserves) if p.direction == direction]
        for areas in dict.fromkeys(frozenset(p.areas) for _, p in of_direction):
            inside = [(row, p) for row, p in of_direction if frozenset(p.areas) <= areas]
            products = [p for _, p in inside]
            name = "+".join(p.name for p in products)
            groups.append(
                ReserveGroup(
                    name,
                    tuple(row for row, _ in inside),
                    direction == "up",
                    counts(units, products),
                    counts(vre, products),
                    counts(batteries, products),
                )
            )
    everyone = np.arange(len(units)), np.zeros(0, dtype=np.int64), np.arange(len(batteries))
    groups.append(ReserveGroup(MARGIN, (), True, *everyone, counts_quick_starts=True))
    return tuple(groups)


def _is_eligible(product: ReserveProduct, asset: Asset) -> bool:
    return not set(asset.tags).isdisjoint(product.eligible)

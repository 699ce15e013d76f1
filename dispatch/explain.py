"""Why: the cause of each curtailment and last resort, from the prices of the linear solve.

The price of a bus is what one MWh more of load there would cost. Where wind or PV is curtailed it is minus the
curtailment price. If load at large is worth as little (the load-weighted mean price, which does not depend on the
choice of a slack bus), the grid has more than it can take: a surplus, or thermal units that can't come down fast
enough. If not, full lines keep the power from the load: congestion. A price above minus the curtailment price means
that the curtailed power stands by as reserve.
Source: Schweppe, Caramanis, Tabors & Bohn (1988), Spot Pricing of Electricity, chapter 2 (price components).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dispatch.compiled import Compiled
from dispatch.lazy import LazyAnswer
from dispatch.outlook import Outlook
from dispatch.planning import Causes
from dispatch.settings import DispatchSettings
from gridcore.plan import Cause

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ROUNDING = 1e-6
"""Relative rounding of prices."""

MOVED_MW = 1e-6
"""Output above the least from which a unit could still come down."""


def bus_prices(problem: Compiled, solved: LazyAnswer) -> Floats:
    """Price of each bus, shape (buses, periods) [currency/MWh].

    The right-hand side of a bus's injection row is given power less load: its dual is minus the price.
    """
    prices: Floats = -solved.answer.row_duals[problem.rows["eq_injection"]] / problem.step_h
    return prices


def causes_of(problem: Compiled, outlook: Outlook, solved: LazyAnswer, settings: DispatchSettings) -> Causes:
    """Causes by asset or bus and period, wherever power might be curtailed or a last resort used."""
    prices = bus_prices(problem, solved)
    general = _mean_price(prices, outlook.load_mw)
    worth_nothing = -settings.curtailment_price_per_mwh
    at_farm = prices[problem.network.asset_bus[problem.fleet.vre_asset]]
    # Half way between "as little as at the farm" and "nothing": in between, part of the load is cut off too.
    is_general = np.broadcast_to(general <= worth_nothing / 2, at_farm.shape)
    curtailment = np.full(at_farm.shape, Cause.CONGESTION.value, dtype=object)
    curtailment[is_general] = Cause.SURPLUS.value
    curtailment[is_general & _is_falling(problem, solved)] = Cause.RAMP.value
    curtailment[at_farm > worth_nothing * (1 - ROUNDING) + ROUNDING] = Cause.RESERVE.value
    shed = _local_or(Cause.SHORTAGE, general >= settings.voll_per_mwh / 2, prices.shape)
    dumped = _local_or(Cause.SURPLUS, general <= worth_nothing / 2, prices.shape)
    return Causes(curtailment, shed, dumped)


def no_causes(problem: Compiled) -> Causes:
    """Causes of a plan without prices: what it lacks is a shortage, what is left over a surplus."""
    buses = problem.columns["injection"].shape

    def all_of(cause: Cause, shape: tuple[int, ...]) -> npt.NDArray[np.object_]:
        return np.full(shape, cause.value, dtype=object)

    farms = all_of(Cause.SURPLUS, problem.columns["used"].shape)
    return Causes(farms, all_of(Cause.SHORTAGE, buses), all_of(Cause.SURPLUS, buses))


def _mean_price(prices: Floats, load_mw: Floats) -> Floats:
    """Load-weighted mean, plain where there is no load, shape (periods,)."""
    weights = np.where(load_mw.sum(axis=0) > 0, np.maximum(load_mw, 0.0), 1.0)
    mean: Floats = (prices * weights).sum(axis=0) / weights.sum(axis=0)
    return mean


def _is_falling(problem: Compiled, solved: LazyAnswer) -> Bools:
    """Periods in which a unit above its least output is held up by its ramp, shape (periods,)."""
    rows = problem.rows["min_rise"]
    units = np.flatnonzero(rows[:, 0] >= 0)
    binds = np.abs(solved.answer.row_duals[rows[units]]) > ROUNDING
    above = np.zeros(problem.columns["on"].shape)
    np.add.at(above, problem.fleet.segment_unit, solved.answer.values[problem.columns["segment"]])
    return np.asarray((binds & (above[units] > MOVED_MW)).any(axis=0))


def _local_or(general: Cause, is_general: Bools, shape: tuple[int, ...]) -> npt.NDArray[np.object_]:
    words = np.where(np.broadcast_to(is_general, shape), general.value, Cause.CONGESTION.value)
    return words.astype(object)

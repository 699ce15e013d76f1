"""The real-time balance within line limits: a small linear program by B-theta, kept in HiGHS, solved from one basis.

It is asked only when the copper-plate spread overloads a line. Its costs never change, only bounds do, so that the
nominal basis stays dual feasible and the dual simplex needs few steps; the solver is cleared before each solve, so that
an answer depends on its arguments alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np
import numpy.typing as npt
from scipy.sparse import block_array, coo_array, csc_array, eye_array

from dispatch.balance_means import Means, Spread, means_of
from gridcore.errors import BrokenInvariantError
from gridcore.network import Network

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

RELEASE_PRICE, REGULATION_PRICE, DC_PRICE, STORAGE_PRICE, CURTAILMENT_PRICE, SLACK_PRICE = 0.01, 1.0, 3.0, 1e2, 1e4, 1e6
"""Prices of a megawatt of each means, 100 apart: a means is passed over only where a line makes it less than a
hundredth as effective as the next. They order means and are no money. A DC line leaves its plan for about what two
units' moves cost, one up and one down, and before a battery does. Wider apart, HiGHS lost its dual feasibility: at 3e7
for a slack it called a step of RTS-GMLC unbounded."""

SECOND_HALF = 1.5
"""The second half of a unit's room costs this much more, so that redispatch spreads over units."""

MARGIN_MW = 1e-4
"""Flows stay this far below their limit: solver tolerance (1e-7) and the last repair must not break it."""

INFINITE = highspy.kHighsInf


@dataclass(frozen=True)
class Reach:
    """What one step asks and allows; arrays have shape (assets,) unless said otherwise [MW]."""

    base_mw: Floats
    """Base points, within the bounds."""

    lower_mw: Floats
    """Least reachable output."""

    upper_mw: Floats
    """Largest reachable output."""

    load_mw: Floats
    """Load, shape (buses,)."""

    dc_mw: Floats
    """Target of each DC line, within its limit, shape (dc_lines,)."""

    branch_out: Bools
    """Branches and then DC lines out of service, shape (branches + dc_lines,)."""


class LineProgram:
    """The kept program: columns angle, flow, DC line up, DC line down, asset moves (two tiers each way), shed, dumped.

    Rows: balance of each bus; flow of each branch. Angles are in p.u. times the MVA base, so that coefficients stay
    near 1.

    Args:
        network: The grid.
    """

    def __init__(self, network: Network) -> None:
        self._means = means_of(network)
        self._moves = np.flatnonzero(self._means != Means.FIXED)
        self._asset_bus = network.asset_bus
        self._buses, self._branches = len(network.buses), len(network.branches)
        self._limit = np.array([branch.limit_mw for branch in network.branches])
        self._dc_limit = np.array([line.limit_mw for line in network.dc_lines])
        self._dc_from = np.array([network.bus_index[d.from_bus] for d in network.dc_lines], dtype=np.int64)
        self._dc_to = np.array([network.bus_index[d.to_bus] for d in network.dc_lines], dtype=np.int64)
        self._highs = _quiet_solver()
        self._highs.passModel(self._model(network))
        self._basis: highspy.HighsBasis | None = None
        self._basis = self._nominal_basis(network)

    def solve(self, reach: Reach, spread: Spread) -> tuple[Spread, Floats]:
        """The balance within line limits that is nearest to the copper-plate spread.

        Args:
            reach: The step.
            spread: The copper-plate spread; regulation is priced from it, the other means from their base points.

        Returns:
            The balance, and the flow of each DC line, shape (dc_lines,) [MW]. Balanced to solver tolerance only.

        Raises:
            BrokenInvariantError: HiGHS finds no optimum, though shedding all load is always a feasible answer.
        """
        lower, upper, anchor = self._column_bounds(reach, spread)
        columns = np.arange(len(lower), dtype=np.int32)
        rows = np.arange(self._buses + self._branches, dtype=np.int32)
        fixed = anchor.copy()
        balance = reach.load_mw - np.bincount(self._asset_bus, weights=fixed, minlength=self._buses)
        np.add.at(balance, self._dc_from, reach.dc_mw)
        np.subtract.at(balance, self._dc_to, reach.dc_mw)
        # A branch out of service carries nothing, and its angles are free: its row stays, without effect.
        loose = np.where(reach.branch_out[: self._branches], INFINITE, 0.0)
        self._highs.changeColsBounds(len(columns), columns, lower, upper)
        low, high = np.concatenate([balance, -loose]), np.concatenate([balance, loose])
        self._highs.changeRowsBounds(len(rows), rows, low, high)  # type: ignore[attr-defined]
        self._run()
        return self._read(np.array(self._highs.getSolution().col_value), anchor, reach)

    def _run(self) -> None:
        """From the nominal basis; where that fails on its numbers, cold, then after presolve."""
        status = highspy.HighsModelStatus.kNotset
        for presolve, is_warm in (("off", True), ("off", False), ("on", False)):
            self._highs.clearSolver()
            self._highs.setOptionValue("presolve", presolve)
            if is_warm and self._basis is not None:
                self._highs.setBasis(self._basis)
            self._highs.run()
            status = self._highs.getModelStatus()
            if status == highspy.HighsModelStatus.kOptimal:
                return
        raise BrokenInvariantError("the real-time balance", got=str(status), wanted="an optimum")

    def _read(self, values: Floats, anchor: Floats, reach: Reach) -> tuple[Spread, Floats]:
        start = self._buses + self._branches
        lines = len(reach.dc_mw)
        dc = reach.dc_mw + values[start : start + lines] - values[start + lines : start + 2 * lines]
        start += 2 * lines
        count = len(self._moves)
        tiers = values[start : start + 4 * count].reshape(4, count)
        power = anchor.copy()
        power[self._moves] += tiers[0] + tiers[1] - tiers[2] - tiers[3]
        power = np.clip(power, reach.lower_mw, reach.upper_mw)
        start += 4 * count
        shed = np.clip(values[start : start + self._buses], 0.0, np.maximum(reach.load_mw, 0.0))
        return Spread(power, shed, np.maximum(values[start + self._buses :], 0.0)), dc

    def _column_bounds(self, reach: Reach, spread: Spread) -> tuple[Floats, Floats, Floats]:
        regulates = self._means == Means.REGULATION
        anchor = np.where(regulates, spread.power_mw, reach.base_mw)
        up, down = (reach.upper_mw - anchor)[self._moves], (anchor - reach.lower_mw)[self._moves]
        half = np.where(regulates[self._moves], 0.5, 1.0)
        in_service = ~reach.branch_out[: self._branches]
        flow = np.where(in_service, self._limit - MARGIN_MW, 0.0)
        dc = np.where(reach.branch_out[self._branches :], 0.0, self._dc_limit - MARGIN_MW)
        # A line out of service, or with its target at the limit, has to leave its target: a lower bound above zero.
        most_up, most_down = dc - reach.dc_mw, dc + reach.dc_mw
        dc_lower = np.maximum(np.concatenate([-most_down, -most_up]), 0.0)
        dc_upper = np.maximum(np.concatenate([most_up, most_down]), 0.0)
        angle, bus_zero = np.full(self._buses, INFINITE), np.zeros(self._buses)
        # One angle is the reference; free, its reduced cost is rounding times the slack price, and HiGHS sees no bound.
        angle[0] = 0.0
        unlimited, moves_zero = np.full(self._buses, INFINITE), np.zeros(4 * len(self._moves))
        widths = np.concatenate([half * up, (1 - half) * up, half * down, (1 - half) * down])
        lower = np.concatenate([-angle, -flow, dc_lower, moves_zero, bus_zero, bus_zero])
        most_shed = np.maximum(reach.load_mw, 0.0)
        upper = np.concatenate([angle, flow, dc_upper, np.maximum(widths, 0.0), most_shed, unlimited])
        return lower, upper, anchor

    def _model(self, network: Network) -> highspy.HighsLp:
        matrix = self._matrix(network)
        lp = highspy.HighsLp()
        lp.num_row_, lp.num_col_ = matrix.shape
        lp.col_cost_ = self._prices(network)
        lp.col_lower_, lp.col_upper_ = np.zeros(lp.num_col_), np.zeros(lp.num_col_)
        lp.row_lower_, lp.row_upper_ = np.zeros(lp.num_row_), np.zeros(lp.num_row_)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
        lp.a_matrix_.value_ = matrix.data
        return lp

    def _prices(self, network: Network) -> Floats:
        table = {
            Means.VARIABLE: (RELEASE_PRICE, CURTAILMENT_PRICE),
            Means.REGULATION: (REGULATION_PRICE, REGULATION_PRICE),
            Means.STORAGE: (STORAGE_PRICE, STORAGE_PRICE),
        }
        up = np.array([table[Means(int(one))][0] for one in self._means[self._moves]])
        down = np.array([table[Means(int(one))][1] for one in self._means[self._moves]])
        angles_and_flows, dc = np.zeros(self._buses + self._branches), np.full(2 * len(network.dc_lines), DC_PRICE)
        moves = np.concatenate([up, SECOND_HALF * up, down, SECOND_HALF * down])
        return np.concatenate([angles_and_flows, dc, moves, np.full(2 * self._buses, SLACK_PRICE)])

    def _matrix(self, network: Network) -> csc_array:
        f = np.array([network.bus_index[b.from_bus] for b in network.branches], dtype=np.int64)
        t = np.array([network.bus_index[b.to_bus] for b in network.branches], dtype=np.int64)
        x = np.array([b.x_pu * b.ratio for b in network.branches])
        incidence = _incidence(f, t, self._buses)
        dc = _incidence(self._dc_from, self._dc_to, self._buses)
        count = len(self._moves)
        at = csc_array((np.ones(count), (self._asset_bus[self._moves], np.arange(count))), (self._buses, count))
        one = eye_array(self._buses)
        balance = [None, -incidence, -dc, dc, at, at, -at, -at, one, -one]
        diagonal = coo_array((-x, (np.arange(len(x)), np.arange(len(x)))), (len(x), len(x)))
        none = [csc_array((len(x), block.shape[1])) for block in balance[2:] if block is not None]
        matrix = csc_array(block_array([balance, [incidence.T, diagonal, *none]], format="csc"))
        matrix.sort_indices()
        return matrix

    def _nominal_basis(self, network: Network) -> highspy.HighsBasis:
        """Basis of a balanced mid-load case made from the network alone: the start of every solve."""
        capacity = np.array([asset.p_max_mw for asset in network.assets])
        regulates, variable = self._means == Means.REGULATION, self._means == Means.VARIABLE
        base = np.where(regulates, 0.5 * capacity, np.where(variable, 0.3 * capacity, 0.0))
        storage = np.where(self._means == Means.STORAGE, capacity, 0.0)
        upper = np.where(regulates, capacity, np.where(variable, base, storage))
        weights = network.area_shares.sum(axis=1)
        total = weights.sum()
        load = base.sum() * (weights / total if total > 0 else np.full(self._buses, 1 / self._buses))
        none_out = np.zeros(self._branches + len(network.dc_lines), bool)
        reach = Reach(base, -storage, upper, load, np.zeros(len(network.dc_lines)), none_out)
        zero = np.zeros(self._buses)
        self.solve(reach, Spread(base, zero, zero))
        return self._highs.getBasis()


def _incidence(from_bus: npt.NDArray[np.int64], to_bus: npt.NDArray[np.int64], buses: int) -> csc_array:
    """+1 at the from-bus, -1 at the to-bus, shape (buses, lines)."""
    lines = np.arange(len(from_bus))
    values = np.concatenate([np.ones(len(lines)), -np.ones(len(lines))])
    places = (np.concatenate([from_bus, to_bus]), np.concatenate([lines, lines]))
    return csc_array((values, places), (buses, len(lines)))


def _quiet_solver() -> highspy.Highs:
    """HiGHS with every choice fixed that could differ between runs."""
    highs = highspy.Highs()
    options: dict[str, bool | int | str] = {
        "output_flag": False,
        "threads": 1,
        "parallel": "off",
        "solver": "simplex",
        "simplex_strategy": 1,
        "random_seed": 0,
    }
    for name, value in options.items():
        highs.setOptionValue(name, value)
    return highs

"""Line limits, added only where they are violated: the loop of solving, looking at the flows, and adding rows.

Where outages split the grid, the balance of each island but the first is such a row too, an imbalance with limit 0: the
compiled problem has the balance of the whole grid. The optimum is that of the full problem, since what is left out
holds. Source of limits as lazy rows: Tejada-Arango, Sanchez-Martin & Ramos (2018), "Security Constrained Unit
Commitment Using Line Outage Distribution Factors", IEEE Trans. Power Syst. 33(1), 329-337,
doi:10.1109/TPWRS.2017.2686701.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from dispatch.compiled import Compiled
from dispatch.ptdf import branch_limits, ptdf_of
from gridcore.network import Network

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

TOLERANCE_MW = 1e-5
"""Overload that counts as one: above the solver's feasibility tolerance, below anything a meter sees."""

NEAR = 0.97
"""Share of its limit from which a violated line's other periods are added along with it, to save rounds."""


@dataclass(frozen=True)
class Topology:
    """The PTDF of each period, where branches may go out of service in between."""

    factors: tuple[Floats, ...]
    """One matrix for each distinct topology, each of shape (rows, buses): branches, then islands but the first.

    All have the rows of the one with most islands; a row without an island is zero."""

    of_period: Ints
    """Topology of each period, shape (periods,)."""

    limits_mw: Floats
    """Limit of each row, 0 for an island, shape (rows,) [MW]."""

    def flows(self, injection_mw: Floats) -> Floats:
        """Flows of net injections, and imbalances of islands, shape (rows, periods) [MW]."""
        flows = np.zeros((len(self.limits_mw), injection_mw.shape[1]))
        for which, factors in enumerate(self.factors):
            periods = self.of_period == which
            flows[:, periods] = factors @ injection_mw[:, periods]
        return flows


def topology_of(network: Network, branch_out: Bools) -> Topology:
    """Topologies of a run of periods.

    Args:
        network: The grid.
        branch_out: Branches (then DC lines) out of service, shape (branches + DC lines, periods).
    """
    out = branch_out[: len(network.branches)]
    if (out == out[:, :1]).all():
        # The usual case, told apart in a hundredth of the time of sorting.
        patterns, of_period = out[:, :1].T, np.zeros(out.shape[1], dtype=np.int64)
    else:
        patterns, of_period = np.unique(out.T, axis=0, return_inverse=True)
    factors = [ptdf_of(network, np.ascontiguousarray(pattern)) for pattern in patterns]
    rows = max(len(matrix) for matrix in factors)
    limits = branch_limits(network)
    limits = np.concatenate([limits, np.zeros(rows - len(limits))])
    return Topology(tuple(_with_rows(m, rows) for m in factors), of_period.reshape(-1).astype(np.int64), limits)


def _with_rows(matrix: Floats, rows: int) -> Floats:
    if len(matrix) == rows:
        return matrix
    return np.vstack([matrix, np.zeros((rows - len(matrix), matrix.shape[1]))])


def line_rows(problem: Compiled, topology: Topology, pairs: Ints) -> tuple[sp.csr_array, Floats]:
    """Rows of line limits over the injections, and their limits.

    Args:
        problem: The compiled problem.
        topology: PTDF by period.
        pairs: (row of the topology, period) of each row, shape (rows, 2).
    """
    columns = problem.columns["injection"]
    buses = columns.shape[0]
    rows = len(pairs)
    values = np.empty((rows, buses))
    for which, factors in enumerate(topology.factors):
        mine = topology.of_period[pairs[:, 1]] == which
        values[mine] = factors[pairs[mine, 0]]
    starts = np.arange(rows + 1) * buses
    indices = columns[:, pairs[:, 1]].T.reshape(-1)
    shape = (rows, problem.matrix.shape[1])
    return sp.csr_array((values.reshape(-1), indices, starts), shape=shape), topology.limits_mw[pairs[:, 0]]


def violated(topology: Topology, flows_mw: Floats, pairs: Ints) -> Ints:
    """New (row of the topology, period) pairs that the flows ask for, sorted, shape (rows, 2)."""
    over: Bools = np.greater(np.abs(flows_mw), topology.limits_mw[:, None] + TOLERANCE_MW)
    over[pairs[:, 0], pairs[:, 1]] = False
    is_near: Bools = np.greater_equal(np.abs(flows_mw), NEAR * topology.limits_mw[:, None])
    # In periods without the island, a row of zeros would be "near" its limit of zero.
    wanted = is_near & (flows_mw != 0) & over.any(axis=1, keepdims=True)
    wanted[pairs[:, 0], pairs[:, 1]] = False
    return np.argwhere(wanted).astype(np.int64)


NO_PAIRS = np.zeros((0, 2), dtype=np.int64)
"""No line rows."""

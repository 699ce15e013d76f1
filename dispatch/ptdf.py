"""PTDF: how much of a MW injected at a bus and taken at the slack bus flows over each branch.

Source: Wood, Wollenberg & Sheble (2013), Power Generation, Operation and Control, 3rd ed., section 7.4 (DC model).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from gridcore.errors import BadInputError
from gridcore.network import Network

Floats = npt.NDArray[np.float64]


def susceptances(network: Network) -> Floats:
    """Susceptance of each branch, 1 / (x ratio), shape (branches,) [p.u.]."""
    return np.array([1.0 / (branch.x_pu * branch.ratio) for branch in network.branches])


def incidence(network: Network) -> sp.csr_array:
    """+1 at a branch's from-bus, -1 at its to-bus, shape (branches, buses)."""
    rows = np.arange(len(network.branches))
    from_bus = [network.bus_index[branch.from_bus] for branch in network.branches]
    to_bus = [network.bus_index[branch.to_bus] for branch in network.branches]
    ones = np.ones(len(rows))
    cells = (np.concatenate([rows, rows]), np.concatenate([from_bus, to_bus]).astype(np.int64))
    shape = (len(rows), len(network.buses))
    return sp.csr_array(sp.coo_array((np.concatenate([ones, -ones]), cells), shape=shape))


def ptdf(network: Network, slack_bus: int = 0, out: npt.NDArray[np.bool_] | None = None) -> Floats:
    """Power transfer distribution factors.

    Args:
        network: The grid, one AC island.
        slack_bus: Row of the bus that takes what is injected; its column is zero.
        out: Branches out of service, shape (branches,); None where all are in.

    Returns:
        Shape (branches, buses): flow over a branch per MW injected at a bus; rows of branches out are zero.

    Raises:
        BadInputError: The branches in service leave the grid in islands.
    """
    buses = len(network.buses)
    if not network.branches:
        return np.zeros((0, buses))
    weight = susceptances(network)
    if out is not None:
        weight = np.where(out, 0.0, weight)
    arcs = incidence(network)
    flows = sp.diags_array(weight) @ arcs
    keep = np.flatnonzero(np.arange(buses) != slack_bus)
    reduced = sp.csc_array((arcs.T @ flows)[keep][:, keep])
    try:
        angles = splu(reduced).solve(np.eye(buses - 1))
    except RuntimeError as cause:
        raise BadInputError("branches out of service leave islands", asset=network.name, wanted="one island") from cause
    factors = np.zeros((len(network.branches), buses))
    factors[:, keep] = flows[:, keep] @ angles
    return factors


@lru_cache(maxsize=16)
def _kept(network: Network, out: bytes) -> Floats:
    mask = np.frombuffer(out, dtype=np.bool_)
    factors = ptdf(network, 0, mask if mask.any() else None)
    factors.setflags(write=False)
    return factors


def ptdf_of(network: Network, out: npt.NDArray[np.bool_]) -> Floats:
    """`ptdf` for a set of branches out of service, kept from call to call (read-only)."""
    return _kept(network, out.tobytes())


def branch_limits(network: Network) -> Floats:
    """Continuous rating of each branch, shape (branches,) [MW]."""
    return np.array([branch.limit_mw for branch in network.branches])

"""PTDF: how much of a MW injected at a bus and taken at the slack bus of its island flows over each branch.

Flows are those of the DC model: susceptance times the difference of bus angles, no losses. With B' the nodal matrix
without slack buses and C the branches' susceptances times incidence, angles are B'^-1 p and the factors C B'^-1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from gridcore.network import Network

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


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


def islands(network: Network, out: npt.NDArray[np.bool_] | None = None) -> Ints:
    """Island of each bus as the branches in service make them, numbered by their first buses, shape (buses,).

    Args:
        network: The grid.
        out: Branches out of service, shape (branches,); None where all are in.
    """
    arcs = abs(incidence(network))
    if out is not None:
        arcs = arcs[np.flatnonzero(~out)]
    labels: Ints = connected_components(arcs.T @ arcs, directed=False)[1].astype(np.int64)
    first = np.unique(labels, return_index=True)[1]
    order = np.empty_like(first)
    order[np.argsort(first)] = np.arange(len(first))
    return order[labels]


def ptdf(network: Network, slack_bus: int = 0, out: npt.NDArray[np.bool_] | None = None) -> Floats:
    """Power transfer distribution factors.

    Args:
        network: The grid.
        slack_bus: Row of the bus that takes what is injected in its island; in others it is the first bus. The columns
            of slack buses are zero.
        out: Branches out of service, shape (branches,); None where all are in.

    Returns:
        Shape (branches, buses): flow over a branch per MW injected at a bus; rows of branches out are zero, and so are
        those of one island in the columns of another.
    """
    buses = len(network.buses)
    if not network.branches:
        return np.zeros((0, buses))
    weight = susceptances(network)
    if out is not None:
        weight = np.where(out, 0.0, weight)
    arcs = incidence(network)
    flows = sp.diags_array(weight) @ arcs
    island = islands(network, out)
    slack_buses = np.unique(island, return_index=True)[1]
    slack_buses[island[slack_bus]] = slack_bus
    keep = np.setdiff1d(np.arange(buses), slack_buses)
    factors = np.zeros((len(network.branches), buses))
    if len(keep):
        reduced = sp.csc_array((arcs.T @ flows)[keep][:, keep])
        factors[:, keep] = flows[:, keep] @ splu(reduced).solve(np.eye(len(keep)))
    return factors


@lru_cache(maxsize=16)
def _kept(network: Network, out: bytes) -> Floats:
    mask = np.frombuffer(out, dtype=np.bool_)
    island = islands(network, mask)
    extra = [island == one for one in range(1, island.max() + 1)]
    factors = np.vstack([ptdf(network, 0, mask), *extra]).astype(np.float64)
    factors.setflags(write=False)
    return factors


def ptdf_of(network: Network, out: npt.NDArray[np.bool_]) -> Floats:
    """`ptdf` for a set of branches out of service, kept from call to call (read-only).

    Below it a row for each island but the first, 1 at its buses: its product with the injections is the island's
    imbalance, shape (branches + islands - 1, buses).
    """
    return _kept(network, out.tobytes())


def branch_limits(network: Network) -> Floats:
    """Continuous rating of each branch, shape (branches,) [MW]."""
    return np.array([branch.limit_mw for branch in network.branches])

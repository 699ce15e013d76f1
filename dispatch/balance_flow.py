"""Flows of the DC network by B-theta: bus angles from a sparse factorised susceptance matrix, flows from angles.

The optimisers use PTDF (`dispatch/ptdf.py`), the simulated plant does not: neither can hide an error of the other.

The DC model: the flow of a branch is its susceptance times the difference of its ends' angles, without losses.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csc_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from gridcore.network import Network

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

TOPOLOGIES_KEPT = 32
"""Factorisations kept for recent sets of branches out of service; a year of outages must not fill the memory."""


class Topology:
    """The AC branches in service, the islands they make, and the factorised susceptance matrix.

    Args:
        network: The grid.
        in_service: Branches in service, shape (branches,).
    """

    def __init__(self, network: Network, in_service: Bools) -> None:
        buses = len(network.buses)
        self._from = np.array([network.bus_index[b.from_bus] for b in network.branches], dtype=np.int64)
        self._to = np.array([network.bus_index[b.to_bus] for b in network.branches], dtype=np.int64)
        per_unit = np.array([network.base_mva / (b.x_pu * b.ratio) for b in network.branches])
        self._susceptance = np.where(in_service, per_unit, 0.0)
        links = coo_array((np.ones(in_service.sum()), (self._from[in_service], self._to[in_service])), (buses, buses))
        count, labels = connected_components(links, directed=False)
        self.island: npt.NDArray[np.int64] = labels.astype(np.int64)
        """Island of each bus, shape (buses,)."""
        self.islands = int(count)
        """Number of islands: 1 as long as no outage splits the grid."""
        first = np.unique(self.island, return_index=True)[1]
        self._free = np.setdiff1d(np.arange(buses), first)
        self._solve = self._factorise(buses)

    def _factorise(self, buses: int) -> Callable[[Floats], Floats]:
        f, t, b = self._from, self._to, self._susceptance
        rows, columns = np.concatenate([f, t, f, t]), np.concatenate([f, t, t, f])
        full = csc_array((np.concatenate([b, b, -b, -b]), (rows, columns)), (buses, buses))
        if not len(self._free):
            return lambda injection: injection
        reduced = csc_array(full[self._free, :][:, self._free])
        solve: Callable[[Floats], Floats] = splu(reduced).solve
        return solve

    def flows(self, injection_mw: Floats) -> Floats:
        """Flow of each branch, positive from its from-bus, shape (branches,) [MW].

        Args:
            injection_mw: Net injection of each bus, its sum zero in each island, shape (buses,) [MW].
        """
        angle = np.zeros(len(self.island))
        angle[self._free] = self._solve(injection_mw[self._free])
        return self._susceptance * (angle[self._from] - angle[self._to])


class Topologies:
    """The topologies of a network by the branches out of service; factorised once, then kept."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._kept: OrderedDict[bytes, Topology] = OrderedDict()

    def of(self, out: Bools) -> Topology:
        """The topology with some branches out of service.

        Args:
            out: Branches out of service, shape (branches,).
        """
        key = out.tobytes()
        if key not in self._kept:
            self._kept[key] = Topology(self._network, ~out)
            if len(self._kept) > TOPOLOGIES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

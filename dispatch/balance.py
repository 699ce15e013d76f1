"""Real-time balance of one plant step: base points and what came in, power within line limits out.

The imbalance is met by the means of `dispatch.balance_means`, in their order, first on a copper plate; where that
overloads a line, the linear program of `dispatch.balance_lines` finds the nearest answer within the limits. At the end
angles are recomputed from the final injections, so that every bus balances to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dispatch.balance_flow import Topologies, Topology
from dispatch.balance_lines import MARGIN_MW, LineProgram, Reach
from dispatch.balance_means import Demand, Island, Means, Spread, means_of, spread_over
from gridcore.network import Network
from gridcore.plan import Cause

Floats = npt.NDArray[np.float64]

__all__ = ["Balance", "Reach", "RealTimeBalance"]


@dataclass(frozen=True)
class Balance:
    """A balanced step: each bus's assets - load + shed - over-generation equal its outgoing flows."""

    power_mw: Floats
    """Output of each asset, shape (assets,) [MW]."""

    shed_mw: Floats
    """Load shed at each bus, shape (buses,) [MW]."""

    over_generation_mw: Floats
    """Power without a taker at each bus, shape (buses,) [MW]."""

    flow_mw: Floats
    """Flow of each branch, then each DC line, shape (branches + dc_lines,) [MW]."""

    copper_plate_mw: Floats
    """Output without any line limit, shape (assets,) [MW]: where it is higher, lines force the rest down."""

    copper_plate_shed_mw: float
    """Load shed without any line limit, whole grid [MW]."""

    is_line_bound: bool
    """Lines changed the answer."""


class RealTimeBalance:
    """Balances steps of one grid; an answer depends on its arguments alone, whatever was asked before.

    Args:
        network: The grid.
    """

    def __init__(self, network: Network) -> None:
        self._means = means_of(network)
        self._asset_bus = network.asset_bus
        self._buses, self._branches = len(network.buses), len(network.branches)
        self._limit = np.array([branch.limit_mw for branch in network.branches])
        self._dc_from = np.array([network.bus_index[d.from_bus] for d in network.dc_lines], dtype=np.int64)
        self._dc_to = np.array([network.bus_index[d.to_bus] for d in network.dc_lines], dtype=np.int64)
        self._topologies = Topologies(network)
        self._program = LineProgram(network)

    def solve(self, reach: Reach) -> Balance:
        """Balance one step within line limits.

        Args:
            reach: Base points, reachable output, load and DC targets of the step.

        Raises:
            BrokenInvariantError: HiGHS finds no optimum.
        """
        topology = self._topologies.of(reach.branch_out[: self._branches])
        islands = self._islands(topology)
        dc = np.where(reach.branch_out[self._branches :], 0.0, reach.dc_mw)
        spread, is_balanced = self._copper_plate(reach, islands, dc)
        flow = topology.flows(self._injection(spread, reach.load_mw, dc))
        # Between islands a DC line can bring what a copper plate of each alone can't know of.
        is_parted = topology.islands > 1 and len(dc) > 0
        is_line_bound = not is_balanced or is_parted or bool((np.abs(flow) > self._limit - MARGIN_MW).any())
        answer = spread
        if is_line_bound:
            answer, dc = self._program.solve(reach, spread)
            self._repair(answer, reach, islands, dc)
            flow = topology.flows(self._injection(answer, reach.load_mw, dc))
        return Balance(
            answer.power_mw,
            answer.shed_mw,
            answer.over_generation_mw,
            np.concatenate([flow, dc]),
            spread.power_mw,
            float(spread.shed_mw.sum()),
            is_line_bound,
        )

    def obstacle(self, reach: Reach, power_mw: Floats) -> Cause | None:
        """What stands against an output of all assets, the grid balanced by regulation alone; None where nothing does.

        Args:
            reach: The step; only regulating units move, within their reach.
            power_mw: Output to try, shape (assets,) [MW].

        Returns:
            SURPLUS where regulation has no room for it, CONGESTION where a line has none.
        """
        regulates = self._means == Means.REGULATION
        base = np.where(regulates, reach.base_mw, power_mw)
        lower, upper = np.where(regulates, reach.lower_mw, base), np.where(regulates, reach.upper_mw, base)
        trial = Reach(base, lower, upper, reach.load_mw, reach.dc_mw, reach.branch_out)
        topology = self._topologies.of(reach.branch_out[: self._branches])
        dc = np.where(reach.branch_out[self._branches :], 0.0, reach.dc_mw)
        spread, is_balanced = self._copper_plate(trial, self._islands(topology), dc)
        if not is_balanced or spread.shed_mw.any() or spread.over_generation_mw.any():
            return Cause.SURPLUS
        flow = topology.flows(self._injection(spread, reach.load_mw, dc))
        return Cause.CONGESTION if (np.abs(flow) > self._limit - MARGIN_MW).any() else None

    def _islands(self, topology: Topology) -> list[Island]:
        at = topology.island[self._asset_bus]
        return [
            Island(np.flatnonzero(topology.island == one), np.flatnonzero(at == one)) for one in range(topology.islands)
        ]

    def _copper_plate(self, reach: Reach, islands: list[Island], dc: Floats) -> tuple[Spread, bool]:
        zero = np.zeros(self._buses)
        spread = Spread(reach.base_mw.copy(), zero.copy(), zero.copy())
        demand = Demand(reach.load_mw, self._dc_taken(dc))
        bounds = (reach.lower_mw, reach.upper_mw)
        left = [spread_over(island, self._means, bounds, spread, demand) for island in islands]
        return spread, not any(left)

    def _dc_taken(self, dc: Floats) -> Floats:
        taken = np.zeros(self._buses)
        np.add.at(taken, self._dc_from, dc)
        np.subtract.at(taken, self._dc_to, dc)
        return taken

    def _injection(self, spread: Spread, load_mw: Floats, dc: Floats) -> Floats:
        made = np.bincount(self._asset_bus, weights=spread.power_mw, minlength=self._buses)
        return made - load_mw + spread.shed_mw - spread.over_generation_mw - self._dc_taken(dc)

    def _repair(self, answer: Spread, reach: Reach, islands: list[Island], dc: Floats) -> None:
        """Put what solver tolerance left of each island's balance (about 1e-7 MW) where there is room, in place.

        A unit or battery that stands off its bounds takes it, else a bus's shed or over-generation, so that no unit is
        moved beyond its reach and no flow by more than the margin.
        """
        for island in islands:
            missing = -float(self._injection(answer, reach.load_mw, dc)[island.buses].sum())
            if missing == 0:
                continue
            movable = island.assets[np.isin(self._means[island.assets], (Means.REGULATION, Means.STORAGE))]
            bound = reach.upper_mw if missing > 0 else reach.lower_mw
            room = np.abs(bound[movable] - answer.power_mw[movable])
            if len(movable) and room.max() >= abs(missing):
                answer.power_mw[movable[int(room.argmax())]] += missing
            else:
                self._repair_by_slack(answer, reach, island, missing)

    @staticmethod
    def _repair_by_slack(answer: Spread, reach: Reach, island: Island, missing: float) -> None:
        buses = island.buses
        over, shed = answer.over_generation_mw, answer.shed_mw
        if missing < 0 and shed[buses].max() >= -missing:
            shed[buses[int(shed[buses].argmax())]] += missing
        elif missing < 0:
            over[buses[0]] -= missing
        elif over[buses].max() >= missing:
            over[buses[int(over[buses].argmax())]] -= missing
        else:
            room = np.maximum(reach.load_mw[buses], 0.0) - shed[buses]
            shed[buses[int(room.argmax())]] += missing

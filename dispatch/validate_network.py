"""Rules of the validator on the network: power balance of each period, shed load, and branch flows by bus angles.

The flows come from the nodal equations themselves (B theta = injection), not from transfer factors.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dispatch.outlook import Outlook
from dispatch.validate_rules import TOLERANCE_MW, Fault, Sheet
from gridcore.network import Network

Floats = npt.NDArray[np.float64]


FLOW_MW = 1e-3
"""How far a flow may stand above its limit: the tolerance of a balance, summed over buses and line sensitivities."""


def network_faults(sheet: Sheet, outlook: Outlook, shed_mw: Floats, over_generation_mw: Floats) -> list[Fault]:
    """Balance of every period, limits of every branch, and shed load within the load.

    Args:
        sheet: The plan.
        outlook: Load and outages in the sheet's periods.
        shed_mw: Shed load, shape (buses, periods) [MW].
        over_generation_mw: Power without a taker, same shape [MW].
    """
    network = sheet.network
    assets = len(network.assets)
    injection = shed_mw - over_generation_mw - outlook.load_mw
    np.add.at(injection, network.asset_bus, sheet.power_mw[:assets])
    for row, line in enumerate(network.dc_lines):
        injection[network.bus_index[line.from_bus]] -= sheet.power_mw[assets + row]
        injection[network.bus_index[line.to_bus]] += sheet.power_mw[assets + row]
    total = injection.sum(axis=0)
    # Not ">": a NaN is a fault too.
    faults = [
        Fault("balance", network.name, int(t), float(total[t]), 0.0)
        for t in np.flatnonzero(~(np.abs(total) <= TOLERANCE_MW))
    ]
    flows = np.abs(angle_flows(network, injection, outlook.branch_out[: len(network.branches)]))
    limits = np.array([branch.limit_mw for branch in network.branches])
    for row, t in np.argwhere(~(flows <= limits[:, None] + FLOW_MW)):
        faults.append(Fault("line_limit", network.branches[row].name, int(t), float(flows[row, t]), float(limits[row])))
    most = np.maximum(outlook.load_mw, 0.0)
    for row, t in np.argwhere(~(shed_mw <= most + TOLERANCE_MW)):
        faults.append(Fault("shed", network.buses[row].name, int(t), float(shed_mw[row, t]), float(most[row, t])))
    return faults


def angle_flows(network: Network, injection_mw: Floats, out: npt.NDArray[np.bool_]) -> Floats:
    """Flows of net injections, angle of the last bus 0, shape (branches, periods) [MW].

    Args:
        network: The grid; what is in service must reach every bus.
        injection_mw: Net injection, shape (buses, periods) [MW].
        out: Branches out of service, shape (branches, periods).
    """
    buses = len(network.buses)
    incidence = np.zeros((len(network.branches), buses))
    for row, branch in enumerate(network.branches):
        incidence[row, network.bus_index[branch.from_bus]] = 1.0
        incidence[row, network.bus_index[branch.to_bus]] = -1.0
    weight = np.array([1.0 / (branch.x_pu * branch.ratio) for branch in network.branches])
    flows = np.zeros(out.shape)
    patterns, pattern_of = np.unique(out, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        periods = np.flatnonzero(pattern_of.reshape(-1) == number)
        weighted = np.where(patterns[:, number], 0.0, weight)[:, None] * incidence
        nodal = incidence.T @ weighted
        angle = np.zeros((buses, len(periods)))
        if buses > 1:
            angle[:-1] = np.linalg.solve(nodal[:-1, :-1], injection_mw[:-1, periods])
        flows[:, periods] = weighted @ angle
    return flows

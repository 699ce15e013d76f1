"""Rules of the validator on the network: power balance of each period and branch flows by bus angles.

The flows come from the nodal equations themselves (B theta = injection), not from transfer factors.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dispatch.outlook import Outlook
from dispatch.validate_rules import TOLERANCE_MW, Fault, Sheet
from gridcore.network import Network

Floats = npt.NDArray[np.float64]


def network_faults(sheet: Sheet, outlook: Outlook, served_mw: Floats) -> list[Fault]:
    """Balance of every period and limits of every branch.

    Args:
        sheet: The plan.
        outlook: Load and outages in the sheet's periods.
        served_mw: Shed load less over-generation, shape (buses, periods) [MW].
    """
    network = sheet.network
    assets = len(network.assets)
    injection = served_mw - outlook.load_mw
    for row, asset in enumerate(network.assets):
        injection[network.bus_index[asset.bus]] += sheet.power_mw[row]
    for row, line in enumerate(network.dc_lines):
        injection[network.bus_index[line.from_bus]] -= sheet.power_mw[assets + row]
        injection[network.bus_index[line.to_bus]] += sheet.power_mw[assets + row]
    faults = []
    for period, total in enumerate(injection.sum(axis=0)):
        if not abs(total) <= TOLERANCE_MW:
            faults.append(Fault("balance", network.name, period, float(total), 0.0))
        out = outlook.branch_out[:, period]
        flows = angle_flows(network, injection[:, period], out)
        for row, branch in enumerate(network.branches):
            if not abs(flows[row]) <= branch.limit_mw + TOLERANCE_MW:
                faults.append(Fault("line_limit", branch.name, period, float(abs(flows[row])), branch.limit_mw))
    return faults


def angle_flows(network: Network, injection_mw: Floats, out: npt.NDArray[np.bool_]) -> Floats:
    """Flows of one period's net injections, angle of the last bus 0, shape (branches,) [MW].

    Args:
        network: The grid.
        injection_mw: Net injection, shape (buses,) [MW].
        out: Branches (and what follows them) out of service.
    """
    buses = len(network.buses)
    nodal = np.zeros((buses, buses))
    ends = []
    for row, branch in enumerate(network.branches):
        start, end = network.bus_index[branch.from_bus], network.bus_index[branch.to_bus]
        weight = 0.0 if out[row] else 1.0 / (branch.x_pu * branch.ratio)
        ends.append((start, end, weight))
        nodal[start, start] += weight
        nodal[end, end] += weight
        nodal[start, end] -= weight
        nodal[end, start] -= weight
    angle = np.zeros(buses)
    if buses > 1:
        angle[:-1] = np.linalg.solve(nodal[:-1, :-1], injection_mw[:-1])
    return np.array([weight * (angle[start] - angle[end]) for start, end, weight in ends])

"""A second formulation of the economic dispatch, for small grids: bus angles, every limit at once, SciPy's solver."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from dispatch.outlook import Outlook
from dispatch.settings import DispatchSettings
from gridcore.asset import CURTAILABLE, Technology
from gridcore.network import Network
from gridcore.plan import Plan
from gridcore.state import GridState


class Rows:
    """A linear problem by named variables."""

    def __init__(self) -> None:
        self.index: dict[object, int] = {}
        self.cost: list[float] = []
        self.bounds: list[tuple[float | None, float | None]] = []
        self.equal: list[tuple[dict[int, float], float]] = []
        self.most: list[tuple[dict[int, float], float]] = []

    def add(self, name: object, low: float | None, high: float | None, cost: float = 0.0) -> int:
        self.index[name] = len(self.cost)
        self.cost.append(cost)
        self.bounds.append((low, high))
        return self.index[name]

    def solve(self) -> float:
        def dense(rows: list[tuple[dict[int, float], float]]) -> tuple[np.ndarray, np.ndarray]:
            matrix = np.zeros((len(rows), len(self.cost)))
            for r, (terms, _) in enumerate(rows):
                for column, value in terms.items():
                    matrix[r, column] += value
            return matrix, np.array([rhs for _, rhs in rows])

        a_eq, b_eq = dense(self.equal)
        a_ub, b_ub = dense(self.most)
        answer = linprog(self.cost, A_ub=a_ub, b_ub=b_ub, A_eq=a_eq, b_eq=b_eq, bounds=self.bounds, method="highs-ipm")
        assert answer.status == 0, answer.message
        return float(answer.fun)


def nodal_optimum(
    network: Network,
    expected: Outlook,
    start: GridState,
    prices: DispatchSettings,
    end_mwh: float,
    directions: Plan,
) -> float:
    """Least cost with every unit on, one cost segment per unit and one battery, penalties included [currency].

    A linear problem may burn surplus by charging and discharging at once. Where `directions` uses one of the two, the
    other is closed here as well; where it uses neither, both are, so that this optimum is not below that plan's own
    restricted problem and not above what the plan costs.
    """
    lp, h = Rows(), 0.25
    constant = 0.0
    periods = range(len(expected.valid_time))
    for t in periods:
        balance: dict[int, dict[int, float]] = {bus: {} for bus in range(len(network.buses))}
        given = {bus: -expected.load_mw[bus, t] for bus in balance}
        for bus, terms in balance.items():
            lp.add(("angle", bus, t), 0.0 if bus == 0 else None, 0.0 if bus == 0 else None)
            terms[lp.add(("shed", bus, t), 0.0, expected.load_mw[bus, t], h * prices.voll_per_mwh)] = 1.0
            terms[lp.add(("dump", bus, t), 0.0, None, h * prices.over_generation_per_mwh)] = -1.0
        for row, asset in enumerate(network.assets):
            bus = network.bus_index[asset.bus]
            available = expected.available_mw[row, t]
            if asset.technology is Technology.THERMAL:
                price = 10.0 * asset.fuel_price_per_mmbtu + asset.vom_per_mwh
                power = lp.add((row, t), asset.p_min_mw, asset.p_max_mw, h * price)
                balance[bus][power] = 1.0
                ramp = 60 * h * asset.ramp_mw_per_min
                if t:
                    lp.most += [
                        ({power: 1, lp.index[row, t - 1]: -1}, ramp),
                        ({power: -1, lp.index[row, t - 1]: 1}, ramp),
                    ]
                else:
                    lp.most += [({power: 1}, ramp + start.power_mw[row]), ({power: -1}, ramp - start.power_mw[row])]
            elif asset.technology in CURTAILABLE:
                constant += h * prices.curtailment_price_per_mwh * available
                balance[bus][lp.add((row, t), 0.0, available, -h * prices.curtailment_price_per_mwh)] = 1.0
            elif asset.store is not None:
                _add_battery(lp, row, t, asset, start, prices, balance[bus], directions)
            else:
                given[bus] += available
        for branch in network.branches:
            ends = network.bus_index[branch.from_bus], network.bus_index[branch.to_bus]
            weight = network.base_mva / (branch.x_pu * branch.ratio)
            flow = {lp.index["angle", ends[0], t]: weight, lp.index["angle", ends[1], t]: -weight}
            lp.most += [(flow, branch.limit_mw), ({c: -v for c, v in flow.items()}, branch.limit_mw)]
            for end, sign in zip(ends, (-1.0, 1.0), strict=True):
                for column, value in flow.items():
                    balance[end][column] = balance[end].get(column, 0.0) + sign * value
        lp.equal += [(terms, -given[bus]) for bus, terms in balance.items()]
    last = {row: lp.index["soc", row, periods[-1]] for row, asset in enumerate(network.assets) if asset.store}
    for row, column in last.items():
        lp.cost[column] -= prices.stored_energy_value_per_mwh
        short = lp.add(("short", row), 0.0, None, prices.soc_target_price_per_mwh)
        lp.most.append(({column: -1.0, short: -1.0}, -end_mwh))
    return lp.solve() + constant


def _add_battery(lp, row, t, asset, start, prices, terms, directions) -> None:
    store, h = asset.store, 0.25
    is_surplus = directions.curtailment_mw[:, t].any()
    charge_mw = store.charge_mw if directions.charge_mw[row, t] > 0 or not is_surplus else 0.0
    discharge_mw = asset.p_max_mw if directions.discharge_mw[row, t] > 0 or not is_surplus else 0.0
    into = lp.add(("in", row, t), 0.0, charge_mw, h * prices.wear_per_mwh)
    out = lp.add(("out", row, t), 0.0, discharge_mw, h * prices.wear_per_mwh)
    soc = lp.add(("soc", row, t), 0.0, store.energy_mwh)
    terms[into], terms[out] = -1.0, 1.0
    change = {soc: 1.0, into: -h * store.charge_efficiency, out: h / store.discharge_efficiency}
    before = start.soc_mwh[row]
    if t:
        change[lp.index["soc", row, t - 1]] = -1.0
        before = 0.0
    lp.equal.append((change, before))
    lp.most.append(({into: 1 / store.charge_mw, out: 1 / asset.p_max_mw}, 1.0))

"""What happens when no solve gives an answer: units at their least output, wind and sun as far as the load takes them.

No optimum, yet a plan whose balance is told: what is missing is shed, what is too much is over-generation.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dispatch.frame import Frame, energy_at_start
from dispatch.search import Task

Floats = npt.NDArray[np.float64]


def standstill(task: Task, frame: Frame) -> Floats:
    """Columns of the compiled problem without any optimisation; `frame` fixes the commitment.

    Batteries rest; a CSP plant's tank takes what its field gives and feeds the unit's least output.
    """
    problem, outlook = task.problem, task.outlook
    fleet, columns = problem.fleet, problem.columns
    values: Floats = np.clip(0.0, frame.lower, frame.upper)
    values[columns["segment"]] = 0.0
    on = values[columns["on"]]
    energy = energy_at_start(problem, task.state)
    for period in range(problem.periods):
        charge, energy = _stored(task, frame, on[:, period], energy, period)
        values[columns["charge"][:, period]], values[columns["energy"][:, period]] = charge, energy
    load = np.maximum(outlook.load_mw, 0.0)
    fixed = outlook.available_mw[fleet.fixed_asset].sum(axis=0)
    least = fleet.p_min_mw[:, None] * on
    left = outlook.load_mw.sum(axis=0) - fixed - least.sum(axis=0)
    possible = frame.upper[columns["used"]]
    share = np.clip(left / np.maximum(possible.sum(axis=0), 1e-9), 0.0, 1.0)
    values[columns["used"]] = possible * share
    left = left - possible.sum(axis=0) * share
    values[columns["shed"]] = load * np.maximum(left, 0.0) / np.maximum(load.sum(axis=0), 1e-9)
    # Power without a taker is told at the buses of the units that give it.
    too_much = np.zeros_like(load)
    np.add.at(too_much, problem.network.asset_bus[fleet.unit_asset], least)
    np.add.at(too_much, problem.network.asset_bus[fleet.fixed_asset], outlook.available_mw[fleet.fixed_asset])
    too_much *= np.maximum(-left, 0.0) / np.maximum(too_much.sum(axis=0), 1e-9)
    values[columns["over_generation"]] = too_much
    return values


def _stored(task: Task, frame: Frame, on: Floats, energy: Floats, period: int) -> tuple[Floats, Floats]:
    """What each store takes in a period and has at its end, shape (stores,) [MW], [MWh]."""
    problem, fleet = task.problem, task.problem.fleet
    charge, after = np.zeros(len(energy)), energy.copy()
    for index, unit in enumerate(fleet.csp_unit):
        store = len(fleet.battery_asset) + index
        drawn = problem.step_h / fleet.discharge_efficiency[store] * fleet.p_min_mw[unit] * on[unit]
        gain = problem.step_h * fleet.charge_efficiency[store]
        room = fleet.energy_mwh[store] - energy[store] + drawn
        charge[store] = min(float(frame.upper[problem.columns["charge"][store, period]]), room / gain)
        after[store] = energy[store] + gain * charge[store] - drawn
    return charge, after

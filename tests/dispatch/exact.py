"""A second method for the commitment's optimum: one mixed-integer problem, nothing relaxed, nothing fixed before."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from dispatch.lazy import with_lines
from dispatch.lines import NO_PAIRS
from dispatch.search import Task
from dispatch.solver import Problem, solve


def exact_optimum(task: Task) -> float:
    """Least objective over all commitments, each battery charging or discharging in a period; for uncongested grids."""
    problem, fleet = task.problem, task.problem.fleet
    base = with_lines(problem, task.frame(task.choice), task.topology, NO_PAIRS)
    columns = base.matrix.shape[1]
    charge = problem.columns["charge"][: len(fleet.battery_asset)]
    discharge = problem.columns["discharge"]
    count = discharge.size
    take = sp.csr_array((np.ones(count), (np.arange(count), charge.ravel())), shape=(count, columns))
    give = sp.csr_array((np.ones(count), (np.arange(count), discharge.ravel())), shape=(count, columns))
    most_in = np.repeat(fleet.charge_mw[: len(charge)], problem.periods)
    most_out = np.repeat([problem.network.assets[row].p_max_mw for row in fleet.battery_asset], problem.periods)
    # charge <= most_in * z, discharge <= most_out * (1 - z), z whole.
    matrix = sp.block_array([[base.matrix, None], [take, -sp.diags_array(most_in)], [give, sp.diags_array(most_out)]])
    is_whole = np.zeros(columns + count, dtype=np.bool_)
    is_whole[problem.columns["on"]] = is_whole[problem.columns["start"]] = True
    is_whole[columns:] = True
    whole = Problem(
        sp.csr_array(matrix),
        np.concatenate([base.cost, np.zeros(count)]),
        np.concatenate([base.lower, np.zeros(count)]),
        np.concatenate([base.upper, np.ones(count)]),
        np.concatenate([base.row_lower, np.full(2 * count, -np.inf)]),
        np.concatenate([base.row_upper, np.zeros(count), most_out]),
        is_whole,
        base.offset,
    )
    answer = solve(whole, task.settings, gap=1e-9, nodes=100_000)
    assert answer.is_optimal, answer.reason
    return answer.objective

"""HiGHS on arrays: one linear or mixed-integer solve whose answer depends on its arguments alone.

A new solver object takes the whole problem each time (milliseconds), with a basis given explicitly: no state is left
from the solve before, so a run that was resumed equals one that was not. One thread, fixed seed, limits by work.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import highspy
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from dispatch.settings import DispatchSettings

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]

ROW_WISE = 2
"""`MatrixFormat.kRowwise`."""

STATUSES = (
    highspy.HighsBasisStatus.kLower,
    highspy.HighsBasisStatus.kBasic,
    highspy.HighsBasisStatus.kUpper,
    highspy.HighsBasisStatus.kZero,
    highspy.HighsBasisStatus.kNonbasic,
)
"""Basis statuses by their code."""

BASIC = 1
"""Code of a basic variable."""


class Reason(StrEnum):
    """Why a solve has no proven optimum; the first word of `Answer.reason`, before a colon and the solver's own."""

    LATE = "late"
    """A limit on work or time was reached."""

    INFEASIBLE = "infeasible"
    """No point keeps all limits."""

    FAILED = "failed"
    """Anything else."""


LATE = frozenset(
    {
        highspy.HighsModelStatus.kTimeLimit,
        highspy.HighsModelStatus.kIterationLimit,
        highspy.HighsModelStatus.kSolutionLimit,
    }
)
"""The solver's statuses for a limit reached."""

INFEASIBLE = frozenset({highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible})
"""The solver's statuses for a problem without an answer; ours are never unbounded."""


@dataclass(frozen=True)
class Basis:
    """A simplex basis as codes of `STATUSES`."""

    columns: Codes
    """Shape (columns,)."""

    rows: Codes
    """Shape (rows,)."""


@dataclass(frozen=True)
class Answer:
    """What a solve gave."""

    is_feasible: bool
    """There is a feasible point in `values`."""

    is_optimal: bool
    """Optimal (mixed-integer: within the gap asked for)."""

    reason: str
    """Why it is not optimal: a `Reason`, a colon, the solver's words; empty where it is."""

    values: Floats
    """Shape (columns,)."""

    row_duals: Floats
    """Shape (rows,); empty for a mixed-integer solve."""

    reduced_costs: Floats
    """Shape (columns,); empty for a mixed-integer solve."""

    objective: float
    """Objective of `values`."""

    bound: float
    """Proven lower bound (mixed-integer)."""

    basis: Basis | None
    """Final basis of a linear solve."""

    iterations: int
    """Simplex iterations."""

    nodes: int
    """Branch-and-bound nodes."""


@dataclass(frozen=True)
class Problem:
    """Minimise cost x, row_lower <= A x <= row_upper, lower <= x <= upper, some x whole."""

    matrix: sp.csr_array
    """A, shape (rows, columns)."""

    cost: Floats
    """Shape (columns,)."""

    lower: Floats
    """Shape (columns,)."""

    upper: Floats
    """Shape (columns,)."""

    row_lower: Floats
    """Shape (rows,)."""

    row_upper: Floats
    """Shape (rows,)."""

    is_whole: npt.NDArray[np.bool_] | None = None
    """Columns that must be whole numbers, shape (columns,); None for a linear problem."""

    offset: float = 0.0
    """Constant of the objective; a relative gap is a share of the objective with it."""


def solve(
    problem: Problem,
    settings: DispatchSettings,
    *,
    basis: Basis | None = None,
    guess: Floats | None = None,
    gap: float = 0.0,
    nodes: int = 0,
    deadline_s: float | None = None,
    neighbourhoods: bool = True,
) -> Answer:
    """Solve once.

    Args:
        problem: What to solve.
        settings: Seed and work limits.
        basis: Basis to start from (linear); presolve is off with it.
        guess: A feasible point to start from (mixed-integer).
        gap: Relative gap at which a mixed-integer solve may stop.
        nodes: Branch-and-bound nodes at most (mixed-integer).
        deadline_s: Wall-time limit, live runs only [s].
        neighbourhoods: Search neighbourhoods of the relaxation and of the best point (RENS, RINS; mixed-integer).
    """
    highs = highspy.Highs()
    options: dict[str, bool | int | float | str] = {
        "output_flag": False,
        "threads": 1,
        "parallel": "off",
        "random_seed": settings.seed,
        "simplex_iteration_limit": settings.simplex_iterations,
    }
    if problem.is_whole is None:
        options |= {"solver": "simplex"} | ({"presolve": "off"} if basis is not None else {})
    else:
        options |= {"mip_rel_gap": gap, "mip_max_nodes": nodes}
        options |= {"mip_heuristic_run_rens": neighbourhoods, "mip_heuristic_run_rins": neighbourhoods}
    if deadline_s is not None:
        options["time_limit"] = deadline_s
    for name, value in options.items():
        highs.setOptionValue(name, value)
    _pass(highs, problem)
    if basis is not None:
        start = highspy.HighsBasis()
        start.col_status = [STATUSES[code] for code in basis.columns.tolist()]
        start.row_status = [STATUSES[code] for code in basis.rows.tolist()]
        start.valid = True
        highs.setBasis(start)
    if guess is not None:
        solution = highspy.HighsSolution()
        solution.col_value = guess
        highs.setSolution(solution)
    highs.run()
    return _answer(highs, is_linear=problem.is_whole is None)


def _pass(highs: highspy.Highs, problem: Problem) -> None:
    matrix = problem.matrix
    rows, columns = matrix.shape
    whole = np.zeros(columns, np.int32) if problem.is_whole is None else problem.is_whole.astype(np.int32)
    highs.passModel(
        columns,
        rows,
        matrix.nnz,
        ROW_WISE,
        1,
        problem.offset,
        problem.cost,
        problem.lower,
        problem.upper,
        problem.row_lower,
        problem.row_upper,
        matrix.indptr.astype(np.int32),
        matrix.indices.astype(np.int32),
        matrix.data,
        whole,
    )


def reason_of(status: highspy.HighsModelStatus) -> Reason:
    """Which of our reasons a status of the solver that is not optimal stands for."""
    if status in LATE:
        return Reason.LATE
    return Reason.INFEASIBLE if status in INFEASIBLE else Reason.FAILED


def _answer(highs: highspy.Highs, *, is_linear: bool) -> Answer:
    status = highs.getModelStatus()
    info = highs.getInfo()
    solution = highs.getSolution()
    is_optimal = status == highspy.HighsModelStatus.kOptimal
    is_feasible = info.primal_solution_status == int(highspy.SolutionStatus.kSolutionStatusFeasible)
    basis = None
    if is_linear and is_optimal:
        final = highs.getBasis()
        basis = Basis(
            np.fromiter(map(int, final.col_status), np.uint8),
            np.fromiter(map(int, final.row_status), np.uint8),
        )
    return Answer(
        is_feasible=is_feasible,
        is_optimal=is_optimal,
        reason="" if is_optimal else f"{reason_of(status).value}: {highs.modelStatusToString(status)}",
        values=np.array(solution.col_value),
        row_duals=np.array(solution.row_dual) if is_linear else np.zeros(0),
        reduced_costs=np.array(solution.col_dual) if is_linear else np.zeros(0),
        objective=float(info.objective_function_value),
        bound=float(info.mip_dual_bound) if not is_linear else float(info.objective_function_value),
        basis=basis,
        iterations=int(info.simplex_iteration_count),
        nodes=int(max(info.mip_node_count, 0)),
    )

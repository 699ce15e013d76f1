"""Linear solves with lazy parts: line limits where flows violate them, one direction per battery and period."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from dispatch.compiled import Compiled
from dispatch.frame import Frame
from dispatch.lines import Topology, line_rows, violated
from dispatch.settings import DispatchSettings
from dispatch.solver import BASIC, Answer, Basis, Problem, solve

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ROUNDS_ONE_BY_ONE = 4
"""Rounds that close single directions; then every battery and period gets one, as more would only move the burning."""

NO_COLUMNS: Ints = np.zeros(0, np.int64)
"""None at all."""

BOTH_WAYS_MW = 1e-6
"""Charging and discharging at once, both above this, is not a plan."""


@dataclass(frozen=True)
class LazyAnswer:
    """A linear solve's answer with the rows it took."""

    answer: Answer
    """The last solve's answer; row duals of the compiled rows, then of the line rows."""

    pairs: Ints
    """(branch, period) of the line rows, shape (rows, 2)."""

    flows_mw: Floats
    """Branch flows, shape (branches, periods) [MW]."""

    iterations: int
    """Simplex iterations of all rounds."""

    rounds: int
    """Solves it took."""


def solve_lazily(
    problem: Compiled,
    frame: Frame,
    topology: Topology,
    settings: DispatchSettings,
    pairs: Ints,
    basis: Basis | None = None,
    *,
    one_way: bool = True,
) -> LazyAnswer:
    """Solve, add what is violated, solve again from the same basis; ends when nothing is.

    Args:
        problem: The compiled problem.
        frame: Bounds and right-hand sides.
        topology: PTDF by period.
        settings: Limits.
        pairs: Line rows to begin with.
        basis: Basis to begin with, rows of the compiled problem and then of `pairs`.
        one_way: Close a direction where a battery uses both. Which one is a guess, so a bound must do without.
    """
    iterations = rounds = closings = 0
    began = perf_counter()

    def left_s() -> float | None:
        return None if settings.deadline_s is None else max(settings.deadline_s - (perf_counter() - began), 0.0)

    while True:
        whole = with_lines(problem, frame, topology, pairs)
        answer = solve(whole, settings, basis=basis, deadline_s=left_s())
        iterations, rounds = iterations + answer.iterations, rounds + 1
        if not answer.is_optimal and basis is not None:
            # A basis of another hour can be so ill-conditioned that the solver gives up on it.
            answer = solve(whole, settings, deadline_s=left_s())
            iterations += answer.iterations
        last = answer.basis
        if not answer.is_optimal or last is None:
            return LazyAnswer(answer, pairs, np.zeros((len(topology.limits_mw), problem.periods)), iterations, rounds)
        flows = topology.flows(answer.values[problem.columns["injection"]])
        new = violated(topology, flows, pairs)
        both = _both_ways(problem, answer.values, in_all=closings >= ROUNDS_ONE_BY_ONE) if one_way else NO_COLUMNS
        if rounds > settings.line_rounds or not (len(new) or len(both)):
            if len(new) or len(both):
                answer = replace(answer, is_optimal=False, reason="rounds of adding line limits")
            return LazyAnswer(answer, pairs, flows, iterations, rounds)
        pairs = np.concatenate([pairs, new])
        basis = Basis(last.columns, np.concatenate([last.rows, np.full(len(new), BASIC, np.uint8)]))
        if len(both):
            closings += 1
            upper = frame.upper.copy()
            upper[both] = 0.0
            frame = replace(frame, upper=upper)


def with_lines(
    problem: Compiled,
    frame: Frame,
    topology: Topology,
    pairs: Ints,
    is_whole: npt.NDArray[np.bool_] | None = None,
) -> Problem:
    """The compiled problem with a tick's bounds and some line rows."""
    matrix, row_lower, row_upper = problem.matrix, frame.row_lower, frame.row_upper
    if len(pairs):
        rows, limits = line_rows(problem, topology, pairs)
        matrix = sp.vstack([matrix, rows], format="csr")
        row_lower, row_upper = np.concatenate([row_lower, -limits]), np.concatenate([row_upper, limits])
    return Problem(matrix, problem.cost, frame.lower, frame.upper, row_lower, row_upper, is_whole, frame.offset)


def _both_ways(problem: Compiled, values: Floats, *, in_all: bool) -> Ints:
    """Columns to close where a battery charges and discharges at once: the smaller of the two keeps nothing.

    A linear problem burns surplus energy in a battery's losses when curtailment is dear; a battery can't.

    Args:
        problem: The compiled problem.
        values: The answer's columns.
        in_all: Where any does so, close a direction of every battery in every period.
    """
    discharge = problem.columns["discharge"]
    charge = problem.columns["charge"][: len(discharge)]
    both = (values[charge] > BOTH_WAYS_MW) & (values[discharge] > BOTH_WAYS_MW)
    is_charging = values[charge] >= values[discharge]
    if in_all and both.any():
        both = np.ones_like(both)
    return np.concatenate([discharge[both & is_charging], charge[both & ~is_charging]])

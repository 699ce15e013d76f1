"""The search for a commitment: linear relaxation, what it is sure of fixed, a small mixed-integer problem for the rest.

The gap is certified: it is measured against the relaxation's own bound, which holds for every commitment allowed.
Source: Knueven, Ostrowski & Watson (2020), INFORMS J. Comput. 32(4), 857-876 (formulation); relaxation-guided fixing as
in Berthold (2014), RENS, Math. Program. Comput. 6(1), 33-54.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dispatch.compiled import Compiled
from dispatch.frame import Choice, Frame, frame_of
from dispatch.lazy import LazyAnswer, solve_lazily, with_lines
from dispatch.lines import NO_PAIRS, Topology
from dispatch.outlook import Outlook
from dispatch.schedule import allowed_states
from dispatch.settings import DispatchSettings
from dispatch.solver import solve
from gridcore.state import GridState

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SURE = 0.02
"""A unit whose relaxed state stays this close to 0 or 1 in a period is fixed there."""

FEW_STATES = 300
"""Undecided states up to which nothing is fixed: such a problem is small as it is.

The 288 states of two days of example-9 (28 March 2025) take 4 CPU seconds, and the gap falls from 5.5 to 0.7 %."""


@dataclass(frozen=True)
class Task:
    """One commitment problem."""

    problem: Compiled
    """Its arrays."""

    outlook: Outlook
    """What is expected; its periods are the problem's."""

    state: GridState
    """The state at the start of the first period."""

    choice: Choice
    """On/off states to choose from."""

    topology: Topology
    """PTDF by period."""

    settings: DispatchSettings
    """Prices and limits."""

    end_energy_mwh: Floats | None = None
    """Energy wanted in each store at the end, soft, shape (stores,) [MWh]; None where only its value counts."""

    def frame(self, choice: Choice) -> Frame:
        """Bounds and right-hand sides with the states limited to a choice."""
        return frame_of(self.problem, self.outlook, self.state, choice, self.settings, self.end_energy_mwh)

    def relaxed(self, pairs: npt.NDArray[np.int64] = NO_PAIRS) -> LazyAnswer:
        """The linear relaxation; its objective is a lower bound for every commitment of the choice."""
        frame = self.frame(self.choice)
        return solve_lazily(self.problem, frame, self.topology, self.settings, pairs, one_way=False)

    def fixed(self, on: Bools, near: LazyAnswer | None = None) -> LazyAnswer:
        """The linear problem with a commitment given, on/off of shape (units, periods).

        Args:
            on: The commitment.
            near: An answer of this task whose line rows and basis are a good start: bounds alone differ, so its basis
                stays dual feasible. A hundred simplex steps instead of thousands.
        """
        frame = self.frame(Choice(on, on))
        if near is None or not near.answer.is_optimal:
            return solve_lazily(self.problem, frame, self.topology, self.settings, NO_PAIRS)
        return solve_lazily(self.problem, frame, self.topology, self.settings, near.pairs, near.answer.basis)


@dataclass(frozen=True)
class Found:
    """A commitment and what is proven about it."""

    on: Bools
    """Shape (units, periods)."""

    bound: float
    """Lower bound on the objective of every commitment allowed."""

    work: dict[str, float]
    """Deterministic counters."""

    reason: str
    """The limit it ran into; empty where none."""


def search(task: Task, relaxed: LazyAnswer, guess: Floats | None = None, *, is_thorough: bool = True) -> Found:
    """Fixing and the small mixed-integer problem; where that gives nothing, the relaxation rounded.

    Args:
        task: The problem.
        relaxed: Its relaxation, solved.
        guess: Columns of a commitment that is allowed, to start from.
        is_thorough: Let the solver search neighbourhoods too. On RTS-GMLC, within the day, they took half of the time:
            on 17 April 2020 they bettered 1 of 36 commitments, by 0.1 %; on 10-11 January 2020 0.7 points more wind
            and sun were absorbed with them, and 8.5 MWh of load shed instead of none.
    """
    problem, settings, choice = task.problem, task.settings, task.choice
    work = {"lp_iterations": float(relaxed.iterations), "rounds": float(relaxed.rounds)}
    if not relaxed.answer.is_optimal:
        stay = np.broadcast_to(task.state.is_on[problem.fleet.unit_asset][:, None], choice.least.shape)
        on = allowed_states(problem, (stay | choice.least) & choice.most, task.outlook, task.state)
        return Found(on, -np.inf, work, relaxed.answer.reason)
    sure = _sure(task, relaxed)
    is_whole = np.zeros(problem.matrix.shape[1], dtype=np.bool_)
    is_whole[problem.columns["on"]] = True
    is_whole[problem.columns["start"]] = True
    mixed = with_lines(problem, task.frame(sure), task.topology, relaxed.pairs, is_whole)
    answer = solve(
        mixed,
        settings,
        guess=guess,
        gap=settings.gap,
        nodes=settings.mip_nodes,
        deadline_s=settings.deadline_s,
        neighbourhoods=is_thorough,
    )
    work |= {"mip_iterations": float(answer.iterations), "nodes": float(answer.nodes)}
    work |= {"line_rows": float(len(relaxed.pairs)), "free_states": float((sure.most & ~sure.least).sum())}
    share = (answer if answer.is_feasible else relaxed.answer).values[problem.columns["on"]]
    on = allowed_states(problem, share > 0.5, task.outlook, task.state)
    return Found(on, relaxed.answer.objective, work, answer.reason)


def _sure(task: Task, relaxed: LazyAnswer) -> Choice:
    """The choice without the states that the relaxation is sure of."""
    choice, columns = task.choice, task.problem.columns["on"]
    if int((choice.most & ~choice.least).sum()) <= FEW_STATES:
        return choice
    share, reduced = relaxed.answer.values[columns], relaxed.answer.reduced_costs[columns]
    is_on = (share > 1.0 - SURE) & (reduced <= -task.settings.sure_cost_per_h)
    is_off = (share < SURE) & (reduced >= task.settings.sure_cost_per_h)
    return Choice(choice.least | (is_on & choice.most), choice.most & ~is_off | choice.least)

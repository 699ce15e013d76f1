"""Unit commitment (SCUC): which units run, day ahead by the hour, and within the day for quick units by 15 min.

Linear relaxation with lazy line limits; the units it leaves no doubt about are fixed; a small mixed-integer problem
decides the rest; a linear solve with the commitment found gives the outputs. The gap is certified: it is measured
against the relaxation's own bound, which holds for every commitment.
Source: Knueven, Ostrowski & Watson (2020), INFORMS J. Comput. 32(4), 857-876 (formulation); relaxation-guided fixing as
in Berthold (2014), RENS, Math. Program. Comput. 6(1), 33-54.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from dispatch.compiled import Compiled, compiled
from dispatch.expand import expanded
from dispatch.explain import causes_of, no_causes
from dispatch.frame import Choice, frame_of
from dispatch.lazy import solve_lazily, with_lines
from dispatch.lines import NO_PAIRS, Topology, topology_of
from dispatch.outlook import Outlook
from dispatch.planning import Verdict, plan_of
from dispatch.schedule import allowed_states, choice_of, planned_states
from dispatch.settings import DispatchSettings
from dispatch.solver import solve
from gridcore.network import Network
from gridcore.plan import Layer, Plan, PlanStatus
from gridcore.state import GridState

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

HOUR = timedelta(hours=1)
"""Period of the day-ahead commitment."""

SURE = 0.02
"""A unit whose relaxed state stays this close to 0 or 1 in a period is fixed there."""

FEW_STATES = 64
"""Undecided states up to which nothing is fixed: such a problem is small as it is, and then solved to the gap.

At 300 the 240 states of example-9's two days took minutes; fixed by the relaxation they take 1 to 2 CPU seconds."""


@dataclass(frozen=True)
class Found:
    """A commitment and what is proven about it."""

    on: Bools
    """Shape (units, periods)."""

    bound: float
    """Lower bound on the objective of every commitment allowed."""

    pairs: npt.NDArray[np.int64]
    """Line rows found to matter."""

    work: dict[str, float]
    """Deterministic counters."""

    reason: str
    """The limit it ran into; empty where none."""


def commit(
    network: Network, outlook: Outlook, state: GridState, settings: DispatchSettings, locked: Choice | None = None
) -> Plan:
    """The day-ahead commitment plan.

    Args:
        network: The grid.
        outlook: What is expected, 36 to 48 h; hours are counted from its first period.
        state: The state at the start of its first period.
        settings: Prices and limits.
        locked: On/off states that the caller allows, by hour; None for all that the units' own limits allow.

    Returns:
        A plan of layer scuc, in the outlook's resolution. LIMITED where the certified gap is above the one asked for;
        HELD (units stay as they are, at their least output) where no solve gave an answer, with the reason.
    """
    hourly = outlook.aggregated(HOUR).first(settings.commit_horizon_h)
    steps = max(1, HOUR // outlook.resolution)
    fine = outlook.first(steps * len(hourly.valid_time))
    return expanded(_decided(network, hourly, state, settings, locked), fine, state.soc_mwh)


def recommit(
    network: Network, outlook: Outlook, state: GridState, commitment: Plan, settings: DispatchSettings
) -> Plan:
    """Quick-start units committed anew within the day, slow units as in the plan in force.

    Args:
        network: The grid.
        outlook: What is expected over the next hours, 15-min periods; cut to the window of the economic dispatch.
        state: The state at the start of its first period.
        commitment: The commitment in force.
        settings: Prices and limits.
    """
    outlook = outlook.first(settings.window_periods)
    problem = compiled(network, len(outlook.valid_time), outlook.resolution, settings, with_commitment=True)
    on = allowed_states(problem, planned_states(problem, commitment, outlook), outlook, state)
    free = choice_of(problem, outlook, state)
    quick = problem.is_quick[:, None]
    locked = Choice(np.where(quick, free.least, on), np.where(quick, free.most, on))
    return _decided(network, outlook, state, settings, locked)


def _decided(
    network: Network, outlook: Outlook, state: GridState, settings: DispatchSettings, locked: Choice | None
) -> Plan:
    problem = compiled(network, len(outlook.valid_time), outlook.resolution, settings, with_commitment=True)
    choice = choice_of(problem, outlook, state) if locked is None else locked
    topology = topology_of(network, outlook.branch_out)
    found = _search(problem, outlook, state, choice, topology, settings)
    frame = frame_of(problem, outlook, state, Choice(found.on, found.on), settings)
    solved = solve_lazily(problem, frame, topology, settings, found.pairs)
    values, gap = solved.answer.values, _gap(solved.answer.objective, found.bound)
    status, reason = PlanStatus.SOLVED, ""
    if not solved.answer.is_optimal:
        values, gap = np.clip(0.0, frame.lower, frame.upper), 1.0
        status, reason = PlanStatus.HELD, f"no answer ({solved.answer.reason}); units stay as they are"
        causes = no_causes(problem)
    else:
        causes = causes_of(problem, outlook, solved, settings)
        if gap > settings.gap:
            status = PlanStatus.LIMITED
            reason = f"gap {gap:.4f} above {settings.gap}: {found.reason or 'units fixed by the relaxation'}"
    verdict = Verdict(Layer.SCUC, outlook.issue_time, status, reason, gap, found.work)
    return plan_of(problem, outlook, values, verdict, causes, frame.relaxed_mw)


def _gap(upper: float, bound: float) -> float:
    """(UB - LB) / UB; no commitment costs less than the bound."""
    return max(0.0, (upper - bound) / max(abs(upper), 1.0))


def _search(
    problem: Compiled,
    outlook: Outlook,
    state: GridState,
    choice: Choice,
    topology: Topology,
    settings: DispatchSettings,
) -> Found:
    """Relaxation, fixing, small mixed-integer problem; where that gives nothing, the relaxation rounded."""
    frame = frame_of(problem, outlook, state, choice, settings)
    relaxed = solve_lazily(problem, frame, topology, settings, NO_PAIRS)
    work = {"lp_iterations": float(relaxed.iterations), "rounds": float(relaxed.rounds)}
    if not relaxed.answer.is_optimal:
        stay = np.broadcast_to(state.is_on[problem.fleet.unit_asset][:, None], choice.least.shape)
        on = allowed_states(problem, (stay | choice.least) & choice.most, outlook, state)
        return Found(on, -np.inf, NO_PAIRS, work, relaxed.answer.reason)
    share = relaxed.answer.values[problem.columns["on"]]
    sure = choice
    if int((choice.most & ~choice.least).sum()) > FEW_STATES:
        reduced = relaxed.answer.reduced_costs[problem.columns["on"]]
        is_on = (share > 1.0 - SURE) & (reduced <= -settings.sure_cost_per_h)
        is_off = (share < SURE) & (reduced >= settings.sure_cost_per_h)
        sure = Choice(choice.least | (is_on & choice.most), choice.most & ~is_off | choice.least)
    small = frame_of(problem, outlook, state, sure, settings)
    is_whole = np.zeros(problem.matrix.shape[1], dtype=np.bool_)
    is_whole[problem.columns["on"]] = True
    is_whole[problem.columns["start"]] = True
    mixed = with_lines(problem, small, topology, relaxed.pairs, is_whole)
    answer = solve(mixed, settings, gap=settings.gap / 2, nodes=settings.mip_nodes, deadline_s=settings.deadline_s)
    work |= {"mip_iterations": float(answer.iterations), "nodes": float(answer.nodes)}
    work |= {"line_rows": float(len(relaxed.pairs)), "free_states": float((sure.most & ~sure.least).sum())}
    on = answer.values[problem.columns["on"]] > 0.5 if answer.is_feasible else share > 0.5
    return Found(
        allowed_states(problem, on, outlook, state), relaxed.answer.objective, relaxed.pairs, work, answer.reason
    )

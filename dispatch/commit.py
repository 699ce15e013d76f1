"""Unit commitment (SCUC): which units run, day ahead by the hour, and within the day for quick units by 15 min.

Linear relaxation with lazy line limits; the units it leaves no doubt about are fixed; a small mixed-integer problem
decides the rest; a linear solve with the commitment found gives the outputs. The gap is certified: it is measured against
the relaxation's own bound, which holds for every commitment.
Source: Knueven, Ostrowski & Watson (2020), INFORMS J. Comput. 32(4), 857-876 (formulation); relaxation-guided fixing as in
Berthold (2014), RENS, Math. Program. Comput. 6(1), 33-54.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from dispatch.compiled import Compiled, compiled
from dispatch.expand import expanded
from dispatch.explain import causes_of
from dispatch.frame import Choice, Frame, frame_of
from dispatch.lazy import LazyAnswer, solve_lazily, with_lines
from dispatch.lines import NO_PAIRS, Topology, topology_of
from dispatch.outlook import Outlook
from dispatch.planning import Verdict, plan_of
from dispatch.schedule import allowed_states, choice_of, planned_states
from dispatch.settings import DispatchSettings
from dispatch.solver import Answer, solve
from gridcore.network import Network
from gridcore.plan import Layer, Plan, PlanStatus
from gridcore.state import GridState

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

HOUR = timedelta(hours=1)
"""Period of the day-ahead commitment."""

SURE = 0.02
"""A unit whose relaxed state stays this close to 0 or 1 in a period is fixed there."""


@dataclass(frozen=True)
class Found:
    """A commitment and how good it is."""

    on: Bools
    """Shape (units, periods)."""

    bound: float
    """Lower bound on the objective of every commitment."""

    upper: float
    """Objective of this one, as the mixed-integer problem counted it."""

    pairs: npt.NDArray[np.int64]
    """Line rows found to matter."""

    work: dict[str, float]
    """Deterministic counters."""

    reason: str
    """The limit it ran into; empty where none."""


def commit(
    network: Network,
    outlook: Outlook,
    state: GridState,
    settings: DispatchSettings,
    locked: Choice | None = None,
    issue_time: datetime | None = None,
) -> Plan:
    """The day-ahead commitment plan.

    Args:
        network: The grid.
        outlook: What is expected, 36 to 48 h; hours are counted from its first period.
        state: The state at the start of its first period.
        settings: Prices and limits.
        locked: States that the caller allows, by hour; None where all that the units' limits allow are.
        issue_time: When it is decided; None for the outlook's.

    Returns:
        A plan of layer scuc, in the outlook's resolution; HELD with zero output where there is no feasible answer,
        which the unlimited last resorts at each bus rule out but for work limits.
    """
    hourly = outlook.aggregated(HOUR).first(settings.commit_horizon_h)
    steps = max(1, HOUR // outlook.resolution)
    fine = outlook.first(steps * len(hourly.valid_time))
    issued = outlook.issue_time if issue_time is None else issue_time
    plan = _decided(network, hourly, state, settings, locked, replace(hourly, issue_time=issued).issue_time)
    return expanded(plan, fine, state.soc_mwh)


def recommit(
    network: Network, outlook: Outlook, state: GridState, commitment: Plan, settings: DispatchSettings
) -> Plan:
    """Quick-start units committed anew within the day, slow units as in the plan in force.

    Args:
        network: The grid.
        outlook: What is expected over the next hours, 15-min periods.
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
    return _decided(network, outlook, state, settings, locked, outlook.issue_time)


def _decided(
    network: Network,
    outlook: Outlook,
    state: GridState,
    settings: DispatchSettings,
    locked: Choice | None,
    issue_time: datetime,
) -> Plan:
    problem = compiled(network, len(outlook.valid_time), outlook.resolution, settings, with_commitment=True)
    choice = choice_of(problem, outlook, state) if locked is None else locked
    topology = topology_of(network, outlook.branch_out)
    found = _search(problem, outlook, state, choice, topology, settings)
    fixed = Choice(found.on, found.on)
    frame = frame_of(problem, outlook, state, fixed, settings)
    solved = solve_lazily(problem, frame, topology, settings, found.pairs)
    upper = solved.answer.objective
    gap = max(0.0, (upper - found.bound) / max(abs(upper), 1.0))
    status, reason = PlanStatus.SOLVED, ""
    if gap > settings.gap:
        status, reason = PlanStatus.LIMITED, f"gap {gap:.4f} above {settings.gap}: {found.reason or 'fixed units'}"
    verdict = Verdict(Layer.SCUC, issue_time, status, reason, gap, found.work)
    causes = causes_of(problem, outlook, solved, settings)
    return plan_of(problem, outlook, solved.answer.values, verdict, causes, frame.relaxed_mw)


def _search(
    problem: Compiled,
    outlook: Outlook,
    state: GridState,
    choice: Choice,
    topology: Topology,
    settings: DispatchSettings,
) -> Found:
    frame = frame_of(problem, outlook, state, choice, settings)
    relaxed = solve_lazily(problem, frame, topology, settings, NO_PAIRS)
    on = relaxed.answer.values[problem.columns["on"]]
    least, most = choice.least | (on > 1.0 - SURE), choice.most & (on > SURE)
    small = frame_of(problem, outlook, state, Choice(least, most), settings)
    is_whole = np.zeros(problem.matrix.shape[1], dtype=np.bool_)
    is_whole[problem.columns["on"]] = True
    is_whole[problem.columns["start"]] = True
    mixed = with_lines(problem, small, topology, relaxed.pairs, is_whole)
    answer = solve(mixed, settings, gap=settings.gap / 4, nodes=settings.mip_nodes)
    work = {"lp_iterations": float(relaxed.iterations), "mip_iterations": float(answer.iterations)}
    work |= {"nodes": float(answer.nodes), "line_rows": float(len(relaxed.pairs)), "rounds": float(relaxed.rounds)}
    states = answer.values[problem.columns["on"]] > 0.5
    return Found(states, relaxed.answer.objective, answer.objective, relaxed.pairs, work, answer.reason)

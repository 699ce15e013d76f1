"""Unit commitment (SCUC): which units run; day ahead, and again within the day where that pays.

`commit` decides the next day by the hour. `look_ahead` takes up the newest forecasts every hour, for all units over the
next half day. `recommit` answers a coming shortage with quick units, by 15 min. The two within the day replace the
commitment in force only if the relaxation's bound leaves something to gain, and the new one gains it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from dispatch.compiled import compiled
from dispatch.expand import expanded
from dispatch.explain import causes_of, no_causes
from dispatch.frame import Choice
from dispatch.lazy import LazyAnswer
from dispatch.lines import topology_of
from dispatch.outlook import Outlook
from dispatch.planning import Verdict, plan_of, running_cost
from dispatch.schedule import allowed_states, choice_of, end_energy, planned_states
from dispatch.search import Found, Task, search
from dispatch.settings import DispatchSettings
from dispatch.standstill import standstill
from gridcore.network import Network
from gridcore.plan import Layer, Plan, PlanStatus
from gridcore.state import GridState

HOUR = timedelta(hours=1)
"""Period of the commitment by the hour."""


def commit(network: Network, outlook: Outlook, state: GridState, settings: DispatchSettings) -> Plan:
    """The day-ahead commitment plan.

    Args:
        network: The grid.
        outlook: What is expected, 36 to 48 h; hours are counted from its first period.
        state: The state at the start of its first period.
        settings: Prices and limits.

    Returns:
        A plan of layer scuc, in the outlook's resolution. LIMITED where the certified gap is above the one asked for;
        HELD (units stay as they are, at their least output, and what that lacks is a slack) where no solve gave an
        answer, with the reason.
    """
    hourly, fine = _by_hour(outlook, settings.commit_horizon_h)
    task = task_of(network, hourly, state, settings)
    relaxed = task.relaxed()
    found = search(task, relaxed)
    return expanded(_plan(task, found, task.fixed(found.on, relaxed)), fine, state.soc_mwh)


def look_ahead(
    network: Network, outlook: Outlook, state: GridState, commitment: Plan, settings: DispatchSettings
) -> Plan | None:
    """All units committed anew by the hour over the next half day; beyond it, the commitment in force is the aim.

    Args:
        network: The grid.
        outlook: What is expected over the next day; hours are counted from its first period.
        state: The state at the start of its first period.
        commitment: The commitment in force over the outlook's periods.
        settings: Prices and limits.

    Returns:
        A plan of layer scuc in the outlook's resolution, or None where the commitment in force is as good.
    """
    hourly, fine = _by_hour(outlook, settings.look_ahead_h)
    task = task_of(network, hourly, state, settings)
    on = allowed_states(task.problem, planned_states(task.problem, commitment, hourly), hourly, state)
    near = np.arange(task.problem.periods) < settings.look_ahead_free_h
    plan = _improved(task, on, near[None, :])
    return None if plan is None else expanded(plan, fine, state.soc_mwh)


def recommit(
    network: Network, outlook: Outlook, state: GridState, commitment: Plan, settings: DispatchSettings
) -> Plan | None:
    """Quick-start units committed anew by 15 min, slow units as in the plan in force.

    The stores are to end the window as full as the commitment in force wants them, as in the economic dispatch: what a
    battery would be emptied for now, quick units are started for.

    Args:
        network: The grid.
        outlook: What is expected over the next hours, 15-min periods; cut to the window of the economic dispatch.
        state: The state at the start of the first period.
        commitment: The commitment in force.
        settings: Prices and limits.

    Returns:
        A plan of layer scuc, or None where the commitment in force is as good.
    """
    task = task_of(network, outlook.first(settings.window_periods), state, settings)
    on = allowed_states(task.problem, planned_states(task.problem, commitment, task.outlook), task.outlook, state)
    task = replace(task, end_energy_mwh=end_energy(task.problem, commitment, task.outlook))
    return _improved(task, on, task.problem.is_quick[:, None])


def _by_hour(outlook: Outlook, hours: int) -> tuple[Outlook, Outlook]:
    """The outlook by the hour, cut to a horizon, and the same periods in its own resolution."""
    hourly = outlook.aggregated(HOUR).first(hours)
    steps = max(1, HOUR // outlook.resolution)
    return hourly, outlook.first(steps * len(hourly.valid_time))


def task_of(network: Network, outlook: Outlook, state: GridState, settings: DispatchSettings) -> Task:
    """The commitment problem over an outlook's periods, with every state that the units' own limits allow."""
    problem = compiled(network, len(outlook.valid_time), outlook.resolution, settings, with_commitment=True)
    choice = choice_of(problem, outlook, state)
    return Task(problem, outlook, state, choice, topology_of(network, outlook.branch_out), settings)


def _improved(task: Task, on: npt.NDArray[np.bool_], is_free: npt.NDArray[np.bool_]) -> Plan | None:
    """A better commitment than `on`, or None.

    Args:
        task: The problem, with all that the units' limits allow.
        on: The commitment in force, shape (units, periods).
        is_free: Where it may be changed, broadcast to the same shape.
    """
    free = Choice(np.where(is_free, task.choice.least, on), np.where(is_free, task.choice.most, on))
    task = replace(task, choice=free)
    in_force = task.fixed(on)
    relaxed = task.relaxed(in_force.pairs)
    if not relaxed.answer.is_optimal:
        return None
    worth = np.inf
    if in_force.answer.is_optimal:
        running = running_cost(task.problem, in_force.answer.values)
        worth = max(task.settings.worth_at_least, task.settings.worth_share * running)
        if in_force.answer.objective - relaxed.answer.objective < worth:
            return None
    guess = in_force.answer.values if in_force.answer.is_optimal else None
    found = search(task, relaxed, guess, is_thorough=False)
    if np.array_equal(found.on, on):
        return None
    solved = task.fixed(found.on, in_force if in_force.answer.is_optimal else relaxed)
    if not solved.answer.is_optimal:
        return None
    if in_force.answer.is_optimal and in_force.answer.objective - solved.answer.objective < worth:
        return None
    return _plan(task, found, solved)


def _plan(task: Task, found: Found, solved: LazyAnswer) -> Plan:
    """The plan of a commitment found, with outputs from the linear solve of it."""
    settings, problem, outlook = task.settings, task.problem, task.outlook
    frame = task.frame(Choice(found.on, found.on))
    values, gap = solved.answer.values, _gap(solved.answer.objective, found.bound)
    status, reason = PlanStatus.SOLVED, ""
    if not solved.answer.is_optimal:
        values, gap = standstill(task, frame), 1.0
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
    """(UB - LB) / UB, at most 1; no commitment costs less than the bound."""
    return min(1.0, max(0.0, (upper - bound) / max(abs(upper), 1.0)))

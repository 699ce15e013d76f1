"""Rolling economic dispatch (SCED): how much each unit gives over the next 4 h, with commitment fixed."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dispatch.compiled import Compiled, compiled
from dispatch.explain import causes_of
from dispatch.frame import Choice, frame_of
from dispatch.lazy import LazyAnswer, solve_lazily
from dispatch.lines import topology_of
from dispatch.outlook import Outlook
from dispatch.planning import Verdict, plan_of
from dispatch.schedule import allowed_states, columns_at, end_energy, planned_states, rows_in
from dispatch.settings import DispatchSettings
from dispatch.warm import start_from, warm_bytes
from gridcore.network import Network
from gridcore.plan import Layer, Plan, PlanStatus
from gridcore.state import GridState

Item = TypeVar("Item", bound=np.generic)
"""Item type of an array."""


class EconomicDispatch:
    """The rolling dispatch of one grid; the problem is compiled once, a tick writes numbers.

    Args:
        network: The grid.
        settings: Prices and limits.
    """

    def __init__(self, network: Network, settings: DispatchSettings) -> None:
        self.network, self.settings = network, settings

    def solve(
        self, outlook: Outlook, state: GridState, commitment: Plan, last_safe: Plan | None, basis: bytes | None
    ) -> tuple[Plan, bytes]:
        """The plan of one tick; its result depends on the arguments alone.

        Args:
            outlook: What is expected over the window.
            state: The state at the start of the first period.
            commitment: On/off states and the stores' course, covering the window.
            last_safe: The plan that holds when there is no answer.
            basis: What the last call returned; None for a start from nothing.

        Returns:
            The plan (HELD with the reason where there is no answer) and the bytes for the next call.
        """
        outlook = outlook.first(self.settings.window_periods)
        problem = compiled(
            self.network, len(outlook.valid_time), outlook.resolution, self.settings, with_commitment=False
        )
        on = allowed_states(problem, planned_states(problem, commitment, outlook), outlook, state)
        target = end_energy(problem, commitment, outlook)
        frame = frame_of(problem, outlook, state, Choice(on, on), self.settings, target)
        topology = topology_of(self.network, outlook.branch_out)
        start, pairs = start_from(problem, topology, basis)
        solved = solve_lazily(problem, frame, topology, self.settings, pairs, start)
        if not solved.answer.is_optimal:
            return held_plan(self.network, outlook, commitment, last_safe, f"no answer ({solved.answer.reason})"), b""
        verdict = Verdict(Layer.SCED, outlook.issue_time, PlanStatus.SOLVED, "", 0.0, _work(problem, solved))
        causes = causes_of(problem, outlook, solved, self.settings)
        plan = plan_of(problem, outlook, solved.answer.values, verdict, causes, frame.relaxed_mw)
        return plan, warm_bytes(topology, solved)


def _work(problem: Compiled, solved: LazyAnswer) -> dict[str, float]:
    rows, columns = problem.matrix.shape
    return {
        "rows": float(rows),
        "columns": float(columns),
        "line_rows": float(len(solved.pairs)),
        "rounds": float(solved.rounds),
        "simplex_iterations": float(solved.iterations),
    }


def held_plan(network: Network, outlook: Outlook, commitment: Plan, last_safe: Plan | None, reason: str) -> Plan:
    """The last safe plan moved to this issue time: its own later periods, the last one repeated at the end.

    Without a last safe plan the commitment plan holds, whose powers are the best that is known.
    """
    base = commitment if last_safe is None else last_safe
    names = [*(a.name for a in network.assets), *(d.name for d in network.dc_lines)]
    cells = np.ix_(rows_in(base, names), columns_at(base, outlook.valid_time))

    def moved(array: npt.NDArray[Item]) -> npt.NDArray[Item]:
        return array[cells].copy()

    kept = tuple(s for s in base.slacks if s.valid_time in set(outlook.valid_time))
    return replace(
        base,
        layer=Layer.SCED,
        issue_time=outlook.issue_time,
        valid_time=outlook.valid_time,
        resolution=outlook.resolution,
        assets=tuple(names),
        is_on=moved(base.is_on),
        power_mw=moved(base.power_mw),
        charge_mw=moved(base.charge_mw),
        discharge_mw=moved(base.discharge_mw),
        soc_mwh=moved(base.soc_mwh),
        available_mw=moved(base.available_mw),
        curtailment_mw=moved(base.curtailment_mw),
        cause=moved(base.cause),
        reserve_mw=moved(base.reserve_mw),
        status=PlanStatus.HELD,
        reason=f"{reason}; the last safe plan holds",
        gap=0.0,
        objective=0.0,
        slacks=kept,
        solver_work={},
        purpose="",
    )

"""The commitment in force: which units are to run, from the newest commitment plan that covers each period."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from gridcore.network import Network
from gridcore.plan import Layer, Plan, PlanStatus, plan_from_table
from gridcore.ports import Known
from gridcore.state import GridState
from gridcore.timeline import PERIOD, Instants

KEPT = timedelta(days=3)
"""Age at which a commitment plan can't matter any more: it covers two days from the next midnight."""

FAILED = "failed"
"""Begins the purpose of a commitment that is told and not followed: no answer, or a limit broken."""


@dataclass
class Commitments:
    """The commitment plans of the last days, oldest first."""

    plans: list[Plan]

    @classmethod
    def known(cls, known: Known, since: datetime) -> Commitments:
        """Read those issued from `since` on back, after a restart."""
        table = known.plans(Layer.SCUC.value, max(since, known.instant - KEPT))
        ids = table.column("plan_id").to_pylist()
        plans = []
        for plan_id in dict.fromkeys(ids):
            rows = np.flatnonzero(np.array([other == plan_id for other in ids]))
            plans.append(plan_from_table(table.take(rows), PERIOD))
        return cls([plan for plan in plans if not plan.purpose.startswith(FAILED)])

    def add(self, plan: Plan) -> None:
        """Add a new plan; those too old to matter go."""
        self.plans = [old for old in self.plans if old.issue_time >= plan.issue_time - KEPT] + [plan]

    def covers(self, valid_time: Instants) -> bool:
        """Some plan covers every one of the periods."""
        covered = np.zeros(len(valid_time), bool)
        for plan in self.plans:
            covered |= np.isin(valid_time, plan.valid_time)
        return bool(covered.all())

    def in_force(self, network: Network, valid_time: Instants, issue_time: datetime) -> Plan:
        """The newest plan's columns for each period, as one plan in the network's order (assets, then DC lines).

        Periods that no plan covers have the commitment of the last one that is covered.
        """
        names = (*(a.name for a in network.assets), *(line.name for line in network.dc_lines))
        shape = (len(names), len(valid_time))
        blank = np.zeros(shape)
        merged = Plan(
            Layer.SCUC, issue_time, valid_time, PERIOD, names, np.zeros(shape, bool), blank.copy(), blank.copy(),
            blank.copy(), np.full(shape, np.nan), blank.copy(), blank.copy(), np.full(shape, "", object), blank.copy(),
            PlanStatus.SOLVED,
        )  # fmt: skip
        covered = np.zeros(len(valid_time), bool)
        for plan in sorted(self.plans, key=lambda p: (p.issue_time, p.purpose), reverse=True):
            here = np.isin(valid_time, plan.valid_time) & ~covered
            if here.any():
                _copy(plan, merged, np.flatnonzero(here))
                covered |= here
        return _held(merged, covered)


def _copy(plan: Plan, into: Plan, columns: npt.NDArray[np.int64]) -> None:
    row_of = {name: row for row, name in enumerate(plan.assets)}
    pairs = [(row, row_of[name]) for row, name in enumerate(into.assets) if name in row_of]
    mine, theirs = np.array(pairs).T
    source = np.searchsorted(plan.valid_time, into.valid_time[columns])
    for name in ("is_on", "power_mw", "charge_mw", "discharge_mw", "soc_mwh", "available_mw", "reserve_mw"):
        getattr(into, name)[np.ix_(mine, columns)] = getattr(plan, name)[np.ix_(theirs, source)]


def _held(merged: Plan, covered: npt.NDArray[np.bool_]) -> Plan:
    if covered.all() or not covered.any():
        return merged
    source = np.maximum.accumulate(np.where(covered, np.arange(len(covered)), -1))
    source[source < 0] = int(np.flatnonzero(covered)[0])
    return replace(
        merged, is_on=merged.is_on[:, source], power_mw=merged.power_mw[:, source], soc_mwh=merged.soc_mwh[:, source]
    )


def repaired(network: Network, plan: Plan, state: GridState) -> Plan:
    """The plan with every switch put off until the unit's minimum up or down time has passed.

    Two commitment plans that follow each other may not fit together; the unit's limits win over both.
    """
    step_h = plan.resolution / timedelta(hours=1)
    is_on = plan.is_on.copy()
    limits = [(a.commitment.min_up_h, a.commitment.min_down_h) if a.commitment else (0.0, 0.0) for a in network.assets]
    min_up, min_down = np.array(limits).T
    switched = np.array([a.commitment is not None for a in network.assets])
    # Where no state is known, the first period's counts as an old one.
    on = is_on[: len(state.is_on), 0].copy() if state.is_free else state.is_on.copy()
    hours = state.hours_in_state.copy()
    for column in range(is_on.shape[1]):
        wanted = is_on[: len(on), column]
        allowed = hours >= np.where(on, min_up, min_down) - 1e-9
        now = np.where(allowed, wanted, on)
        is_on[: len(on), column] = np.where(switched, now, wanted)
        hours = np.where(now == on, hours + step_h, step_h)
        on = now
    return replace(plan, is_on=is_on)

"""One tick's decision: forecasts, commitment where it is due, dispatch, setpoints."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np

from dispatch.commit import commit, look_ahead, recommit
from dispatch.continued import SEEN, continued
from dispatch.economic import EconomicDispatch, held_plan
from dispatch.fleet import MARGIN
from dispatch.outlook import Outlook, outlook_from
from dispatch.setpoints import setpoints_of
from dispatch.settings import DispatchSettings
from gridcore.forecast import INTRADAY, Vintage
from gridcore.network import Network
from gridcore.plan import Layer, Plan, PlanStatus, Slack, plan_from_table
from gridcore.ports import Decision, Known, RegisteredModel
from gridcore.state import GridState
from gridcore.timeline import PERIOD, Instants, at_local_time, from_numpy, local_day, periods_between
from pipeline.beyond import Beyond
from pipeline.commitment import FAILED, Commitments, repaired
from pipeline.exogenous import fixed_hydro, reserve_requirements
from pipeline.guard import breach
from pipeline.schedule import GATE_HOUR, Tick, next_midnight
from pipeline.state import grid_state, projected_state

DAY = timedelta(days=1) // PERIOD
"""Periods of the day that a day-ahead commitment is made for."""

AHEAD = "ahead"
"""Purpose of an hourly commitment within the day."""

QUICK = "quick"
"""Purpose of a new commitment of quick units."""

SLACK_TOLERANCE_MW = 0.5
"""Slack below which no new commitment of quick units is tried."""


class Forecasting(Protocol):
    """What the desk asks of a forecaster: ours, a baseline or the oracle."""

    def issue(self, known: Known, issue_time: datetime, mode: str) -> Vintage:
        """The forecasts of one issue time; mode `intraday` or `day_ahead`."""
        ...

    def fit(self, known: Known) -> tuple[RegisteredModel, ...]:
        """Models fitted as of `known.instant`; none where nothing is to be fitted."""
        ...

    def is_fitted(self, known: Known) -> bool:
        """No first fit is due at this instant."""
        ...


@dataclass
class Desk:
    """Decides tick after tick; what it carries from one to the next is in the store and in `checkpoint`."""

    network: Network
    forecaster: Forecasting
    settings: DispatchSettings
    commitments: Commitments = field(default_factory=lambda: Commitments([]))
    last_plan: Plan | None = None
    basis: bytes | None = None
    last_recommit: datetime | None = None
    beyond: Beyond = field(default_factory=Beyond)
    _economic: EconomicDispatch = field(init=False)

    def __post_init__(self) -> None:
        """Build the dispatch model once."""
        self._economic = EconomicDispatch(self.network, self.settings)

    def decide(self, known: Known, tick: Tick) -> Decision:
        """Forecasts, plans and setpoints of one tick, from what is known and nothing else."""
        periods = periods_between(tick.due + PERIOD, tick.due + PERIOD + INTRADAY)
        state = grid_state(known, self.network, tick.due + PERIOD)
        now = self.forecaster.issue(known, tick.due, "intraday")
        outlook = self._outlook(known, now)
        vintages, plans = [now], []
        if tick.is_gate or not self.commitments.covers(periods):
            vintage, plan = self._commit(known, tick, state, outlook)
            vintages.append(vintage)
            self.beyond.add(vintage)
            plans.append(plan)
        elif tick.is_hourly and (ahead := self._look_ahead(known, tick, state, outlook)) is not None:
            plans.append(ahead)
        in_force = repaired(self.network, self.commitments.in_force(self.network, periods, tick.due), state)
        plan, basis = self._dispatch(outlook, state, in_force)
        if self._wants_quick_units(plan, tick):
            self.last_recommit = tick.due
            quick = recommit(self.network, outlook, state, in_force, self.settings)
            if quick is not None:
                plans.append(self._taken_up(replace(quick, purpose=QUICK), state, outlook))
                if plans[-1].purpose == QUICK:
                    plan, basis = self._dispatch(outlook, state, quick)
        plans.append(plan)
        self.last_plan, self.basis = plan, basis
        setpoints = setpoints_of(plan, self.network)
        return Decision(tick.due, tuple(vintages), tuple(plans), setpoints, self.checkpoint())

    def _dispatch(self, outlook: Outlook, state: GridState, commitment: Plan) -> tuple[Plan, bytes]:
        """The economic dispatch; the last safe plan in its place where there is none, or where it breaks a limit."""
        plan, basis = self._economic.solve(outlook, state, commitment, self.last_plan, self.basis)
        if plan.status is not PlanStatus.HELD and (why := breach(self.network, plan, state, outlook)):
            return held_plan(self.network, outlook, commitment, self.last_plan, why), b""
        return plan, basis

    def _taken_up(self, plan: Plan, state: GridState, outlook: Outlook) -> Plan:
        """The commitment as it is told: in force from now on, or failed, where it is no good and another covers it."""
        why = plan.reason if plan.status is PlanStatus.HELD else breach(self.network, plan, state, outlook)
        if why:
            plan = replace(plan, status=PlanStatus.HELD, reason=why)
        if why and self.commitments.covers(plan.valid_time[:DAY]):
            return replace(plan, purpose=FAILED + plan.purpose)
        self.commitments.add(plan)
        return plan

    def checkpoint(self) -> bytes:
        """What is carried besides the store: the solver's basis and the last re-commitment."""
        basis = base64.b64encode(self.basis or b"").decode()
        recommit_at = self.last_recommit.isoformat() if self.last_recommit else ""
        return json.dumps({"basis": basis, "last_recommit": recommit_at}).encode()

    def restore(self, checkpoint: bytes) -> None:
        """Continue after the decision that wrote `checkpoint`."""
        words = json.loads(checkpoint)
        self.basis = base64.b64decode(words["basis"]) or None
        self.last_recommit = datetime.fromisoformat(words["last_recommit"]) if words["last_recommit"] else None

    def recall_last_plan(self, known: Known) -> None:
        """Take up the last dispatch plan, which holds when the next solve fails."""
        table = known.plans(Layer.SCED.value, known.instant - 2 * PERIOD)
        if len(table):
            ids = table.column("plan_id").to_pylist()
            last = np.flatnonzero(np.array([plan_id == ids[-1] for plan_id in ids]))
            self.last_plan = plan_from_table(table.take(last), PERIOD)

    def _outlook(self, known: Known, vintage: Vintage) -> Outlook:
        hydro = fixed_hydro(known, self.network, vintage.valid_time)
        reserves = reserve_requirements(known, self.network, vintage.valid_time)
        begins, ends = from_numpy(vintage.valid_time[0]), from_numpy(vintage.valid_time[-1]) + PERIOD
        return outlook_from(self.network, vintage, hydro, reserves, known.outages(begins, ends))

    def _commit(self, known: Known, tick: Tick, state: GridState, now: Outlook) -> tuple[Vintage, Plan]:
        """The next day's commitment at the gate, or one from now on where none covers the coming hours.

        Periods that the intraday vintage speaks of are taken from it: one issue time says one thing of a period.
        """
        midnight = next_midnight(tick.due, self.network.zone)
        until_midnight = periods_between(tick.due + PERIOD, midnight)
        if self._is_covered(until_midnight):
            in_force = self.commitments.in_force(self.network, until_midnight, tick.due)
            state = projected_state(self.network, state, repaired(self.network, in_force, state), midnight)
        ahead = self._ahead(known, tick, now)
        longest = timedelta(hours=self.settings.commit_horizon_h) // PERIOD
        horizon = self._outlook(known, _cut(ahead, slice(longest)))
        overlap = int((ahead.valid_time <= now.valid_time[-1]).sum())
        outlook = continued(self.network, now, horizon).first(longest) if overlap else horizon
        plan = self._taken_up(commit(self.network, outlook, state, self.settings), state, outlook)
        return _cut(ahead, slice(overlap, None)), plan

    def _look_ahead(self, known: Known, tick: Tick, state: GridState, now: Outlook) -> Plan | None:
        """The commitment of the next hours anew; None where it stays, or where no forecast reaches far enough."""
        begins = tick.due + PERIOD
        seam = begins + INTRADAY
        periods = periods_between(begins, begins + timedelta(hours=self.settings.look_ahead_h))
        ahead = self.beyond.over(periods_between(seam - SEEN, from_numpy(periods[-1]) + PERIOD))
        if ahead is None:
            return None
        outlook = continued(self.network, now, self._outlook(known, ahead))
        in_force = repaired(self.network, self.commitments.in_force(self.network, periods, tick.due), state)
        plan = look_ahead(self.network, outlook, state, in_force, self.settings)
        return None if plan is None else self._taken_up(replace(plan, purpose=AHEAD), state, outlook)

    def _is_covered(self, periods: Instants) -> bool:
        return len(periods) > 0 and self.commitments.covers(periods)

    def _ahead(self, known: Known, tick: Tick, now: Outlook) -> Vintage:
        """The day-ahead vintage; where it leaves hours open before midnight, the one of yesterday's gate, made now.

        A loop that starts in the middle of a day has no other word on the evening.
        """
        ahead = self.forecaster.issue(known, tick.due, "day_ahead")
        follows = bool(ahead.valid_time[0] <= now.valid_time[-1] + np.timedelta64(PERIOD))
        if follows or self._is_covered(periods_between(tick.due + PERIOD, next_midnight(tick.due, self.network.zone))):
            return ahead
        zone = self.network.zone
        gate = at_local_time(local_day(tick.due, zone) - timedelta(days=1), GATE_HOUR, zone)
        return replace(self.forecaster.issue(known, gate, "day_ahead"), issue_time=tick.due)

    def _wants_quick_units(self, plan: Plan, tick: Tick) -> bool:
        """Quick units are committed anew when load would be shed, hourly at most for other shortfalls and surpluses.

        A margin for uncertainty that is short is left to the hourly commitment, which may use all units for it.
        """
        found = [slack for slack in plan.slacks if _is_urgent(slack)]
        if any(slack.kind == "shed" for slack in found):
            return True
        is_due = self.last_recommit is None or tick.due - self.last_recommit >= timedelta(hours=1)
        return is_due and bool(found)


def _is_urgent(slack: Slack) -> bool:
    return slack.size_mw > SLACK_TOLERANCE_MW and slack.place != MARGIN and slack.kind != "ramp"


def _cut(vintage: Vintage, periods: slice) -> Vintage:
    return replace(vintage, valid_time=vintage.valid_time[periods], power_mw=vintage.power_mw[:, periods])

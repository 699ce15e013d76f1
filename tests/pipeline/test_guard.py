"""The last door: a plan that breaks a limit is told and not followed; what was safe goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from dispatch.commit import commit
from dispatch.economic import EconomicDispatch
from dispatch.settings import DispatchSettings
from gridcore.plan import SETPOINT_SCHEMA, PlanStatus
from gridcore.ports import Decision
from gridcore.timeline import PERIOD
from pipeline.commitment import FAILED, Commitments
from pipeline.decide import Desk
from pipeline.guard import breach
from storage.memory import MemoryStore
from tests.builders import START, six_bus
from tests.dispatch.outlooks import outlook, state

SETTINGS = DispatchSettings()


class Broken(EconomicDispatch):
    """An optimiser gone wrong: it believes that coal gives 1 MW more than planned."""

    def solve(self, *args, **kwargs):
        plan, basis = super().solve(*args, **kwargs)
        power = plan.power_mw.copy()
        power[self.network.asset_index["coal"]] += 1.0
        return replace(plan, power_mw=power), basis


@pytest.fixture
def scene():
    network = six_bus()
    load = 60.0 + 20.0 * np.sin(np.arange(96) / 9)
    expected = outlook(network, {"1": load, "4": load}, {"wind": 40.0, "mirror": 10.0}, 96)
    begin = state(network, {"coal": 60.0, "atom": 50.0})
    day = commit(network, expected, begin, SETTINGS)
    return network, expected, begin, day, Desk(network, None, SETTINGS, Commitments([day]))


def test_a_dispatch_that_breaks_the_balance_is_not_followed(scene):
    network, expected, begin, day, desk = scene
    safe, _ = desk._dispatch(expected.first(16), begin, day)
    assert safe.status is PlanStatus.SOLVED
    desk.last_plan, desk._economic = safe, Broken(network, SETTINGS)
    plan, basis = desk._dispatch(expected.first(16), begin, day)
    assert plan.status is PlanStatus.HELD
    assert "balance" in plan.reason
    assert np.array_equal(plan.power_mw, safe.power_mw)
    assert basis == b""


def test_a_commitment_that_breaks_a_limit_is_told_and_not_followed(scene):
    network, expected, begin, day, desk = scene
    is_on, power = day.is_on.copy(), day.power_mw.copy()
    coal = network.asset_index["coal"]
    is_on[coal, ::2], power[coal, ::2] = False, 0.0
    wrong = replace(day, issue_time=day.issue_time + PERIOD, is_on=is_on, power_mw=power)
    assert "breaks" in breach(network, wrong, begin, expected)
    told = desk._taken_up(wrong, begin, expected)
    assert (told.status, told.purpose) == (PlanStatus.HELD, FAILED)
    assert desk.commitments.plans == [day]
    store = MemoryStore()
    for plan in (day, told):
        store.publish(Decision(plan.issue_time, (), (plan,), SETPOINT_SCHEMA.empty_table(), b""))
    again = Commitments.known(store.known_at(START + timedelta(hours=1)), START - timedelta(hours=1))
    assert [plan.plan_id for plan in again.plans] == [day.plan_id]


def test_without_another_the_least_bad_is_followed_and_says_why(scene):
    network, expected, begin, day, _ = scene
    desk = Desk(network, None, SETTINGS)
    stuck = commit(network, expected, begin, replace(SETTINGS, simplex_iterations=0))
    told = desk._taken_up(stuck, begin, expected)
    assert told.status is PlanStatus.HELD
    assert "no answer" in told.reason
    assert desk.commitments.plans == [told]
    assert breach(network, day, begin, expected) == ""

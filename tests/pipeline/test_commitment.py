"""Laws of the commitment in force."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gridcore.plan import Layer, Plan, PlanStatus
from gridcore.state import GridState, unknown_state
from gridcore.timeline import PERIOD, periods_between
from pipeline.commitment import Commitments, repaired
from tests.builders import three_bus

START = datetime(2025, 3, 1, tzinfo=UTC)
NETWORK = three_bus()
NAMES = tuple(asset.name for asset in NETWORK.assets)


def plan(issue: datetime, first: datetime, on: np.ndarray, purpose: str = "") -> Plan:
    """A commitment plan over len(on) periods, `on` for every asset."""
    shape = (len(NAMES), len(on))
    times = periods_between(first, first + len(on) * PERIOD)
    zero, words = np.zeros(shape), np.full(shape, "", object)
    states = np.broadcast_to(on.astype(bool), shape).copy()
    return Plan(Layer.SCUC, issue, times, PERIOD, NAMES, states, zero, zero, zero, zero, zero, zero, words, zero,
                PlanStatus.SOLVED, purpose=purpose)  # fmt: skip


def test_the_newest_plan_wins_where_it_speaks():
    old = plan(START, START, np.zeros(8))
    new = plan(START + PERIOD, START + 2 * PERIOD, np.ones(3))
    merged = Commitments([old, new]).in_force(NETWORK, periods_between(START, START + 8 * PERIOD), START)
    expected = [False, False, True, True, True, False, False, False]
    assert merged.is_on[0].tolist() == expected


def test_of_one_instant_the_new_commitment_of_quick_units_wins_whatever_the_order():
    day = plan(START, START, np.zeros(4))
    quick = plan(START, START, np.ones(4), "quick")
    for plans in ([day, quick], [quick, day]):
        merged = Commitments(plans).in_force(NETWORK, periods_between(START, START + 4 * PERIOD), START)
        assert merged.is_on.all()


def test_beyond_the_last_plan_its_last_state_holds():
    merged = Commitments([plan(START, START, np.array([0, 1]))]).in_force(
        NETWORK, periods_between(START, START + 5 * PERIOD), START
    )
    assert merged.is_on[0].tolist() == [False, True, True, True, True]


def test_coverage_counts_every_period():
    commitments = Commitments([plan(START, START, np.ones(4))])
    assert commitments.covers(periods_between(START, START + 4 * PERIOD))
    assert not commitments.covers(periods_between(START, START + 5 * PERIOD))


def test_plans_that_are_too_old_to_matter_go():
    commitments = Commitments([plan(START, START, np.ones(4))])
    commitments.add(plan(START + timedelta(days=4), START + timedelta(days=4), np.ones(4)))
    assert len(commitments.plans) == 1


def test_a_start_from_nothing_keeps_minimum_times_after_the_first_period():
    """2 h on, 2 h off: the first period's state may end at once, a new one lasts for 8 periods of 15 min."""
    unit = next(asset for asset in NETWORK.assets if asset.commitment is not None)
    limits = replace(unit.commitment, min_up_h=2.0, min_down_h=2.0)
    network = replace(NETWORK, assets=tuple(replace(a, commitment=limits) if a is unit else a for a in NETWORK.assets))
    wanted = plan(START, START, np.arange(16) % 2 == 0)
    fixed = repaired(network, wanted, unknown_state(network, START)).is_on[network.asset_index[unit.name]]
    assert fixed.astype(int).tolist() == [1] + [0] * 8 + [0] + [1] * 6


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.booleans(), st.integers(0, 12), st.floats(0.25, 3))
def test_after_repair_every_run_lasts_its_minimum(wanted, was_on, quarters, min_h):
    unit = next(asset for asset in NETWORK.assets if asset.commitment is not None)
    limits = replace(unit.commitment, min_up_h=min_h, min_down_h=min_h)
    network = replace(NETWORK, assets=tuple(replace(a, commitment=limits) if a is unit else a for a in NETWORK.assets))
    row = network.asset_index[unit.name]
    count = len(NAMES)
    hours = np.full(count, quarters * 0.25)
    state = GridState(START, np.zeros(count), np.full(count, was_on), hours, np.full(count, np.nan))
    fixed = repaired(network, plan(START, START, np.array(wanted)), state).is_on[row]
    run, current = quarters * 0.25, was_on
    for now in fixed:
        if bool(now) != current:
            assert run >= min_h - 1e-9
            run, current = 0.0, bool(now)
        run += 0.25

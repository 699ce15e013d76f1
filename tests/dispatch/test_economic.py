"""The rolling dispatch: its optimum by a second method, the order of its aims, purity, and the plan that holds."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from dispatch.commit import commit
from dispatch.economic import EconomicDispatch
from dispatch.settings import DispatchSettings
from dispatch.validate import validate_plan
from gridcore.network import ReserveProduct
from gridcore.plan import PlanStatus, plan_from_table
from gridcore.state import unknown_state
from gridcore.timeline import PERIOD
from tests.builders import START, six_bus, three_bus
from tests.dispatch.nodal import nodal_optimum
from tests.dispatch.outlooks import outlook, state

SETTINGS = DispatchSettings()
WAVE = np.sin(np.arange(16) / 3)


def solve_three(line_mw=1000.0, wind=120.0, load=120.0, settings=SETTINGS, start=None):
    network = three_bus(line_mw)
    expected = outlook(network, {"b": load}, {"wind": wind, "roof": 5.0})
    begin = start or state(network, {"coal": 50.0, "gas": 20.0})
    both_on = commit(network, expected, begin, settings)
    both_on = replace(both_on, is_on=np.ones_like(both_on.is_on))
    plan, warm = EconomicDispatch(network, settings).solve(expected, begin, both_on, None, None)
    return network, expected, begin, both_on, plan, warm


@pytest.mark.parametrize(
    ("line_mw", "wind", "load"), [(1000.0, 60.0, 150.0), (40.0, 120.0, 140.0), (25.0, 150.0, 60.0)]
)
def test_the_optimum_equals_that_of_the_nodal_formulation(line_mw, wind, load):
    """Bus angles instead of transfer factors, every limit at once instead of lazily, another algorithm."""
    network, expected, begin, on, plan, _ = solve_three(line_mw, wind + 20 * WAVE, load - 15 * WAVE)
    assert plan.status is PlanStatus.SOLVED
    reference = nodal_optimum(network, expected, begin, SETTINGS, end_mwh=float(on.soc_mwh[4, 15]), directions=plan)
    ours = plan.objective + SETTINGS.curtailment_price_per_mwh * 0.25 * plan.curtailment_mw.sum()
    ours += sum(0.25 * s.size_mw * {"shed": 10_000.0, "over_generation": 4_000.0}[s.kind] for s in plan.slacks)
    ours += SETTINGS.wear_per_mwh * 0.25 * (plan.charge_mw.sum() + plan.discharge_mw.sum())
    end = plan.soc_mwh[4, -1]
    ours -= SETTINGS.stored_energy_value_per_mwh * end
    ours += SETTINGS.soc_target_price_per_mwh * max(0.0, float(on.soc_mwh[4, 15]) - end)
    assert ours == pytest.approx(reference, rel=1e-7, abs=1e-3)


def test_a_plan_passes_the_validator_and_a_broken_one_does_not():
    network, expected, begin, _, plan, _ = solve_three(30.0)
    assert validate_plan(network, plan, begin, expected) == []
    broken = replace(plan, power_mw=plan.power_mw.copy())
    broken.power_mw[network.asset_index["coal"], 3] += 1.0
    rules = {v.rule for v in validate_plan(network, broken, begin, expected)}
    assert "balance" in rules


def test_curtailment_behind_a_full_line_is_congestion():
    """The triangle's direct line of 30 MW carries two thirds of the wind (less what coal sends round)."""
    network, _, _, _, plan, _ = solve_three(30.0, wind=120.0, load=140.0)
    wind = network.asset_index["wind"]
    assert (plan.curtailment_mw[wind] > 1.0).all()
    assert set(plan.cause[wind]) == {"congestion"}


def test_curtailment_with_free_lines_and_units_at_their_least_is_surplus():
    network, _, _, _, plan, _ = solve_three(1000.0, wind=120.0, load=60.0)
    wind, coal = network.asset_index["wind"], network.asset_index["coal"]
    late = slice(8, None)  # ramped down, battery full
    assert (plan.curtailment_mw[wind, late] > 1.0).any()
    assert plan.power_mw[coal, -1] == pytest.approx(20.0)
    assert set(plan.cause[wind, late][plan.curtailment_mw[wind, late] > 0]) == {"surplus"}


def test_curtailment_while_a_unit_comes_down_as_fast_as_it_can_is_ramp():
    network, _, _, _, plan, _ = solve_three(
        1000.0, wind=120.0, load=130.0, start=state(three_bus(), {"coal": 100.0, "gas": 60.0}, soc_mwh=60.0)
    )
    wind = network.asset_index["wind"]
    assert plan.curtailment_mw[wind, 0] > 1.0
    assert plan.cause[wind, 0] == "ramp"


def test_a_battery_never_burns_surplus_by_charging_and_discharging_at_once():
    _, _, _, _, plan, _ = solve_three(1000.0, wind=150.0, load=50.0)
    assert plan.curtailment_mw.sum() > 0
    assert (np.minimum(plan.charge_mw, plan.discharge_mw) == 0).all()


@pytest.mark.parametrize("line_mw", [1000.0, 40.0, 25.0])
def test_prices_give_the_lexicographic_order(line_mw):
    """No price, however much higher, finds a plan that sheds less or, shedding as little, curtails less."""
    dear = replace(
        SETTINGS, curtailment_price_per_mwh=9_000.0, voll_per_mwh=200_000.0, over_generation_per_mwh=50_000.0
    )
    *_, plan, _ = solve_three(line_mw, wind=110 + 40 * WAVE, load=120 - 40 * WAVE)
    *_, strict, _ = solve_three(line_mw, wind=110 + 40 * WAVE, load=120 - 40 * WAVE, settings=dear)
    shed = [sum(s.size_mw for s in p.slacks if s.kind == "shed") for p in (plan, strict)]
    assert shed[0] == pytest.approx(shed[1], abs=1e-6)
    assert plan.curtailment_mw.sum() == pytest.approx(strict.curtailment_mw.sum(), abs=1e-6)


def test_load_is_served_before_wind_is_absorbed_and_both_before_cost():
    """At a dear unit alone: wind displaces gas although coal would be cheaper to keep steady."""
    network, _, _, _, plan, _ = solve_three(1000.0, wind=50.0, load=150.0)
    assert plan.curtailment_mw.sum() == 0
    assert plan.slacks == ()
    assert plan.power_mw[network.asset_index["wind"]].tolist() == [50.0] * 16


def test_a_solve_without_an_answer_holds_the_last_safe_plan():
    network, expected, begin, on, plan, _ = solve_three()
    later = replace(expected, issue_time=START, valid_time=expected.valid_time + np.timedelta64(PERIOD))
    no_work = EconomicDispatch(network, replace(SETTINGS, simplex_iterations=0))
    held, basis = no_work.solve(later, begin, on, plan, None)
    assert held.status is PlanStatus.HELD
    assert "last safe plan" in held.reason
    assert basis == b""
    assert held.issue_time == START
    assert np.array_equal(held.power_mw[:, :-1], plan.power_mw[:, 1:])
    assert np.array_equal(held.power_mw[:, -1], plan.power_mw[:, -1])
    recalled, _ = no_work.solve(later, begin, on, plan_from_table(plan.to_table(), PERIOD), None)
    assert recalled.assets == held.assets
    assert np.array_equal(recalled.soc_mwh, held.soc_mwh, equal_nan=True)
    assert np.array_equal(recalled.power_mw, held.power_mw)


def test_a_unit_that_the_plan_starts_too_soon_waits_for_its_minimum_down_time():
    network = six_bus()
    expected = outlook(network, {"1": 60.0, "4": 60.0}, {"river": 20.0})
    begin = state(network, {"gas": 40.0, "atom": 48.0}, {"coal": 1.0})
    wanted = commit(network, expected, unknown_state(network, START), SETTINGS)
    wanted = replace(wanted, is_on=np.ones_like(wanted.is_on))
    plan, _ = EconomicDispatch(network, SETTINGS).solve(expected, begin, wanted, None, None)
    assert plan.is_on[network.asset_index["coal"]].tolist() == [False] * 4 + [True] * 12
    assert validate_plan(network, plan, begin, expected) == []


def test_a_unit_out_of_service_stands_still_and_its_ramp_gives_way_by_name():
    network = three_bus()
    expected = outlook(network, {"b": 140.0}, {"wind": 40.0})
    expected.out_of_service[network.asset_index["coal"], 2:] = True
    begin = state(network, {"coal": 100.0, "gas": 20.0})
    wanted = commit(network, expected, begin, SETTINGS)
    plan, _ = EconomicDispatch(network, SETTINGS).solve(expected, begin, wanted, None, None)
    assert not plan.power_mw[network.asset_index["coal"], 2:].any()
    assert {(s.kind, s.place) for s in plan.slacks if s.kind == "ramp"} == {("ramp", "coal")}
    assert validate_plan(network, plan, begin, expected) == []


def test_a_branch_out_of_service_carries_nothing_and_limits_hold_without_it():
    network = three_bus(60.0)
    expected = outlook(network, {"b": 140.0}, {"wind": 120.0})
    expected.branch_out[1, 4:] = True  # a-c: the wind has only the line c-b left
    begin = state(network, {"coal": 60.0, "gas": 20.0})
    wanted = commit(network, expected, begin, SETTINGS)
    plan, _ = EconomicDispatch(network, SETTINGS).solve(expected, begin, wanted, None, None)
    assert np.allclose(plan.power_mw[network.asset_index["wind"], 4:], 60.0, atol=1e-4)
    assert validate_plan(network, plan, begin, expected) == []


def test_reserve_is_held_where_it_counts_or_missed_by_name():
    product = ReserveProduct("spin", "up", 600.0, ("west",), ("coal",))
    network = three_bus(reserves=(product,))
    network = replace(network, assets=tuple(replace(a, tags=(a.name,)) for a in network.assets))
    begin = state(network, {"coal": 50.0, "gas": 20.0})
    for required, missed in ((15.0, 0.0), (50.0, 30.0)):  # 2 MW/min over 10 min: at most 20 MW
        expected = outlook(network, {"b": 100.0}, {}, reserve_mw=required)
        wanted = commit(network, expected, begin, SETTINGS)
        plan, _ = EconomicDispatch(network, SETTINGS).solve(expected, begin, wanted, None, None)
        short = [s.size_mw for s in plan.slacks if (s.kind, s.place) == ("reserve_up", "spin")]
        assert sum(short) == pytest.approx(16 * missed, abs=1e-6)


def digest(plan, warm):
    arrays = (plan.power_mw, plan.soc_mwh, plan.reserve_mw, plan.curtailment_mw)
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays) + warm).hexdigest()


def two_ticks(resumed=False):
    """Digest of the second of two ticks; `resumed` makes a new object in between, as after a restart."""
    network, expected, begin, on, plan, warm = solve_three(35.0, wind=90 + 30 * WAVE, load=110 - 20 * WAVE)
    dispatch = EconomicDispatch(network, SETTINGS)
    if not resumed:
        dispatch.solve(expected, begin, on, None, None)
        dispatch.solve(replace(expected, load_mw=expected.load_mw * 0.7), begin, on, None, warm)
    later = replace(expected, load_mw=expected.load_mw * 0.9)
    return digest(*dispatch.solve(later, begin, on, plan, warm))


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit():
    assert two_ticks(resumed=True) == two_ticks(resumed=False)


def test_two_processes_give_the_same_bits():
    code = "from tests.dispatch.test_economic import two_ticks; print(two_ticks())"
    found = {two_ticks()}
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        found.add(done.stdout.strip())
    assert len(found) == 1

"""A must-run unit back from an outage owes its minimum down time: the plans, their bound and the validator agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from dispatch.commit import commit, look_ahead
from dispatch.compiled import compiled
from dispatch.economic import EconomicDispatch
from dispatch.outlook import Outlook
from dispatch.schedule import allowed_states, choice_of
from dispatch.settings import DispatchSettings
from dispatch.validate import decided_in, validate_plan
from gridcore.asset import Commitment
from gridcore.forecast import FORECAST_SCHEMA
from gridcore.network import Network
from gridcore.plan import Plan, PlanStatus
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA
from gridcore.state import GridState
from gridcore.timeline import PLANT_PERIOD
from pipeline.findings import Findings
from pipeline.validate_plans import check_plans
from pipeline.validate_told import Told
from pipeline.validate_units import check_units
from tests.builders import START, six_bus
from tests.dispatch.outlooks import outlook, state

SETTINGS = DispatchSettings()
PERIODS = 32
DOWN_H = 4.0


def grid() -> Network:
    """Six buses, whose must-run unit, atom, stays off for 4 h at least."""
    network = six_bus()
    limits = Commitment(24.0, DOWN_H, must_run=True)
    return replace(
        network, assets=tuple(replace(a, commitment=limits) if a.name == "atom" else a for a in network.assets)
    )


def expected_of(network: Network, out: slice = slice(0, 0)) -> Outlook:
    """Eight hours of even load, atom out in some periods."""
    expected = outlook(network, {"1": 60.0, "4": 60.0}, {"wind": 50.0, "mirror": 25.0}, PERIODS)
    expected.out_of_service[network.asset_index["atom"], out] = True
    return expected


def running(network: Network) -> GridState:
    return state(network, {"coal": 60.0, "gas": 30.0, "atom": 48.0}, soc_mwh=20.0)


def off_since(network: Network, hours: float) -> GridState:
    """Atom was forced off some hours ago."""
    return state(network, {"coal": 60.0, "gas": 30.0}, {"atom": hours}, soc_mwh=20.0)


def on_of(network: Network, plan: Plan) -> list[bool]:
    row: list[bool] = plan.is_on[network.asset_index["atom"]].tolist()
    return row


CASES = [
    # Out in the second hour, off for 4 h from then on.
    (None, slice(4, 8), [True] * 4 + [False] * 16 + [True] * 12),
    # Out for longer than the minimum down time.
    (None, slice(4, 24), [True] * 4 + [False] * 20 + [True] * 8),
    # Back for now, forced off an hour ago: three more.
    (1.0, slice(0, 0), [False] * 12 + [True] * 20),
    # Off long enough.
    (DOWN_H, slice(0, 0), [True] * 32),
]


@pytest.mark.parametrize(("off_h", "out", "wanted"), CASES)
def test_commitment_dispatch_and_validator_agree_on_the_way_back(
    off_h: float | None, out: slice, wanted: list[bool]
) -> None:
    network = grid()
    expected = expected_of(network, out)
    begin = running(network) if off_h is None else off_since(network, off_h)
    plan = commit(network, expected, begin, SETTINGS)
    assert plan.status in {PlanStatus.SOLVED, PlanStatus.LIMITED}
    assert on_of(network, plan) == wanted
    assert validate_plan(network, plan, begin, expected) == []
    assert 0.0 <= plan.gap <= 0.05
    dispatch, _ = EconomicDispatch(network, SETTINGS).solve(expected, begin, plan, None, None)
    assert dispatch.status is PlanStatus.SOLVED
    assert on_of(network, dispatch) == wanted[:16]
    assert validate_plan(network, dispatch, begin, expected) == []


def test_looking_ahead_from_a_plan_that_knew_no_outage_keeps_the_unit_off_as_long() -> None:
    network = grid()
    in_force = commit(network, expected_of(network), running(network), SETTINGS)
    expected = expected_of(network, slice(0, 4))
    expected.load_mw[:] *= 1.5
    plan = look_ahead(network, expected, running(network), in_force, replace(SETTINGS, worth_at_least=0.0))
    assert plan is not None
    assert on_of(network, plan) == [False] * 16 + [True] * 16
    assert validate_plan(network, plan, running(network), expected) == []


@pytest.mark.parametrize(("off_h", "out", "wanted"), CASES)
def test_the_choice_holds_what_the_unit_can_do_and_nothing_else(
    off_h: float | None, out: slice, wanted: list[bool]
) -> None:
    """A bound of a choice that forces on what has to be off is none."""
    network = grid()
    begin = running(network) if off_h is None else off_since(network, off_h)
    expected = expected_of(network, out)
    problem = compiled(network, PERIODS, timedelta(minutes=15), SETTINGS, with_commitment=True)
    atom = problem.fleet.unit_asset.tolist().index(network.asset_index["atom"])
    choice = choice_of(problem, expected, begin)
    assert choice.least[atom].tolist() == choice.most[atom].tolist() == wanted
    asked = np.ones(choice.least.shape, dtype=np.bool_)
    assert allowed_states(problem, asked, expected, begin)[atom].tolist() == wanted


def put_off(network: Network, plan: Plan, columns: slice) -> Plan:
    is_on, power, reserve = plan.is_on.copy(), plan.power_mw.copy(), plan.reserve_mw.copy()
    row = network.asset_index["atom"]
    is_on[row, columns], power[row, columns], reserve[row, columns] = False, 0.0, 0.0
    return replace(plan, is_on=is_on, power_mw=power, reserve_mw=reserve)


def must_run_faults(network: Network, plan: Plan, begin: GridState | None, expected: Outlook) -> int:
    return sum(v.rule == "must_run" for v in validate_plan(network, plan, begin, expected))


def test_off_without_an_outage_or_for_longer_than_owed_is_a_fault() -> None:
    network = grid()
    plan = commit(network, expected_of(network), running(network), SETTINGS)
    # Hours 3 and 4, nothing out.
    assert must_run_faults(network, put_off(network, plan, slice(8, 16)), running(network), expected_of(network)) == 2
    # Out in the first hour, off for six: two too many.
    late = put_off(network, plan, slice(0, 24))
    assert must_run_faults(network, late, running(network), expected_of(network, slice(0, 4))) == 2
    # Off for three hours before: one is owed.
    assert must_run_faults(network, late, off_since(network, 3.0), expected_of(network)) == 5
    # Not known since when: four from here on.
    assert must_run_faults(network, late, None, expected_of(network)) == 2


def test_a_held_plan_is_excused_by_what_is_out() -> None:
    network = grid()
    plan = commit(network, expected_of(network), running(network), SETTINGS)
    held = replace(put_off(network, plan, slice(4, 16)), status=PlanStatus.HELD)
    out = expected_of(network, slice(6, 8)).out_of_service
    assert {v.rule for v in validate_plan(network, held)} >= {"must_run", "min_down"}
    # An hour that is out in part is out: the second hour to the fourth, one short of what is owed.
    assert {v.rule for v in validate_plan(network, held, out_of_service=out)} == {"min_down"}
    held = replace(put_off(network, plan, slice(4, 20)), status=PlanStatus.HELD)
    assert validate_plan(network, held, out_of_service=out) == []


@pytest.mark.parametrize(("known_h", "rules"), [(-1.0, set()), (1.0, {"must_run", "min_down", "ramp"})])
def test_a_held_plan_of_an_export_is_excused_by_what_was_known_to_be_out(known_h: float, rules: set[str]) -> None:
    network = grid()
    plan = commit(network, expected_of(network), running(network), SETTINGS)
    held = replace(put_off(network, plan, slice(4, 20)), status=PlanStatus.HELD)
    outage = {"asset": "atom", "from": START + timedelta(hours=1), "until": START + timedelta(hours=2)}
    outage["available_at"] = START + timedelta(hours=known_h)
    outages = pa.Table.from_pylist([outage], schema=OUTAGE_SCHEMA)
    findings = Findings()
    told = Told(network, FORECAST_SCHEMA.empty_table(), outages, OFFICIAL_SCHEMA.empty_table())
    check_plans(held.to_table(), network, told, "ours", findings)
    found = {what.removeprefix("plan: ") for what in findings.counts.get("ours", {}) if what.startswith("plan: ")}
    assert found <= rules
    assert ("must_run" in found) is ("must_run" in rules)


def test_a_plan_of_even_power_and_uneven_available_wind_is_no_hourly_one() -> None:
    network = grid()
    plan = commit(network, expected_of(network), running(network), SETTINGS)
    assert decided_in(plan) == 4
    plan.available_mw[network.asset_index["wind"], 1] += 1.0
    assert decided_in(plan) == 1


def realised_faults(off: range, outage_h: tuple[float, float], steps: int = 96) -> int:
    """Must-run violations of a realised table where atom is off in some steps of 5 min and was out at some hours."""
    atom = next(asset for asset in grid().assets if asset.name == "atom")
    network = replace(grid(), assets=(atom,))
    rows = [
        {
            "row": "ours", "valid_time": START + step * PLANT_PERIOD, "asset": "atom", "is_on": step not in off,
            "power_mw": 0.0 if step in off else 48.0, "available_mw": 50.0, "curtailment_mw": 0.0, "soc_mwh": None,
            "cause": "",
        }
        for step in range(steps)
    ]  # fmt: skip
    begin, end = (START + timedelta(hours=hour) for hour in outage_h)
    outages = pa.Table.from_pylist(
        [{"available_at": begin, "asset": "atom", "from": begin, "until": end}], schema=OUTAGE_SCHEMA
    )
    findings = Findings()
    check_units(network, pa.Table.from_pylist(rows), outages, "ours", findings)
    return findings.counts.get("ours", {}).get("must run", 0)


@pytest.mark.parametrize(
    ("off", "outage_h", "faults"),
    [
        # Out from 1:00 to 2:00, off for four hours; then for one step more.
        (range(12, 60), (1.0, 2.0), 0),
        (range(12, 61), (1.0, 2.0), 1),
        # Out from 1:05: back after 5:05, by the next quarter of an hour.
        (range(13, 63), (1 + 1 / 12, 2.0), 0),
        (range(13, 64), (1 + 1 / 12, 2.0), 1),
        # Off before it was out.
        (range(11, 60), (1.0, 2.0), 37),
        # Out two hours before the first period, or longer ago than four hours.
        (range(48), (-2.0, -1.0), 0),
        (range(48), (-6.0, -5.0), 48),
    ],
)
def test_the_plant_s_unit_may_rest_for_its_minimum_down_time(
    off: range, outage_h: tuple[float, float], faults: int
) -> None:
    assert realised_faults(off, outage_h) == faults

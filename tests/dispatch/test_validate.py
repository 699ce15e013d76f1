"""The validator: each rule is seen to fail on a plan that breaks it, and it knows nothing of the optimiser."""

from __future__ import annotations

import ast
from dataclasses import replace

import numpy as np
import pytest

from dispatch.commit import commit
from dispatch.settings import DispatchSettings
from dispatch.validate import validate_plan
from gridcore.network import ReserveProduct
from gridcore.plan import Slack
from tests.builders import six_bus, three_bus
from tests.dispatch.outlooks import outlook, state

SETTINGS = DispatchSettings()


@pytest.fixture(scope="module")
def case():
    network = six_bus()
    load = 105.0 + 15.0 * np.sin(np.arange(16) / 4)
    expected = outlook(
        network, {"1": load, "4": load}, {"wind": 50.0, "sun": 20.0, "roof": 10.0, "river": 12.0, "mirror": 25.0}
    )
    begin = state(network, {"coal": 60.0, "gas": 30.0, "atom": 48.0}, {"coal": 5.0, "gas": 5.0}, soc_mwh=20.0)
    plan = commit(network, expected, begin, DispatchSettings())
    assert validate_plan(network, plan, begin, expected) == []
    assert plan.is_on[network.asset_index["coal"]].all()
    return network, expected, begin, plan


def put(plan, field, row, columns, value):
    array = getattr(plan, field).copy()
    array[row, columns] = value
    return replace(plan, **{field: array})


HOUR_2 = slice(4, 8)


@pytest.mark.parametrize(
    ("rule", "field", "asset", "columns", "value"),
    [
        ("p_max", "power_mw", "coal", HOUR_2, 125.0),
        ("p_min", "power_mw", "coal", HOUR_2, 12.0),
        ("ramp", "power_mw", "atom", 5, 49.99e3),
        ("must_run", "is_on", "atom", HOUR_2, False),
        ("min_up", "is_on", "coal", slice(4, 16), False),
        ("available", "power_mw", "wind", HOUR_2, 60.0),
        ("curtailment", "curtailment_mw", "wind", HOUR_2, 5.0),
        ("never_curtailed", "power_mw", "roof", HOUR_2, 4.0),
        ("never_curtailed", "curtailment_mw", "river", HOUR_2, 4.0),
        ("dc_limit", "power_mw", "dc", HOUR_2, 31.0),
        ("line_limit", "power_mw", "wind", HOUR_2, 900.0),
        ("balance", "power_mw", "gas", HOUR_2, 77.0),
        ("charge", "charge_mw", "cell", HOUR_2, 26.0),
        ("discharge", "discharge_mw", "cell", HOUR_2, 26.0),
        ("net_power", "power_mw", "cell", HOUR_2, 3.0),
        ("energy", "soc_mwh", "cell", 7, 41.0),
        ("energy_balance", "soc_mwh", "mirror", 7, 77.0),
        ("inflow", "charge_mw", "mirror", HOUR_2, 26.0),
        ("reserve", "reserve_mw", "coal", HOUR_2, 119.0),
        ("p_max", "power_mw", "coal", HOUR_2, np.nan),
    ],
)
def test_a_broken_rule_is_found_and_named(case, rule, field, asset, columns, value):
    network, expected, begin, plan = case
    if rule == "min_up":
        begin = state(network, {"gas": 30.0, "atom": 48.0}, {"coal": 5.0}, soc_mwh=20.0)
    row = plan.assets.index(asset)
    broken = put(plan, field, row, columns, value)
    found = validate_plan(network, broken, begin, expected)
    assert rule in {v.rule for v in found}
    if rule not in {"balance", "line_limit"}:
        assert asset in {v.place for v in found if v.rule == rule}
    assert all(v.plan_id == plan.plan_id and v.instant.endswith("Z") for v in found)


def test_charging_and_discharging_at_once_is_a_fault(case):
    network, expected, begin, plan = case
    row = network.asset_index["cell"]
    both = put(put(plan, "charge_mw", row, HOUR_2, 5.0), "discharge_mw", row, HOUR_2, 5.0)
    assert "one_direction" in {v.rule for v in validate_plan(network, both, begin, expected)}


def test_what_is_out_of_service_gives_nothing(case):
    network, expected, begin, plan = case
    out, lines = expected.out_of_service.copy(), expected.branch_out.copy()
    for name in ("coal", "cell", "roof"):
        out[network.asset_index[name]] = True
    lines[-1] = True
    used = put(
        put(plan, "power_mw", plan.assets.index("dc"), HOUR_2, 12.0), "charge_mw", plan.assets.index("cell"), 0, 1
    )
    found = validate_plan(network, used, begin, replace(expected, out_of_service=out, branch_out=lines))
    assert {v.place for v in found if v.rule == "out_of_service"} == {"coal", "cell", "roof", "dc"}
    assert max(v.got for v in found if v.rule == "out_of_service" and v.place == "coal") >= 30.0


def test_a_battery_holds_no_more_reserve_than_its_power_and_its_energy_for_an_hour(case):
    network, expected, begin, plan = case
    row = network.asset_index["cell"]
    rules = {v.rule for v in validate_plan(network, put(plan, "reserve_mw", row, HOUR_2, 1e4), begin, expected)}
    assert rules == {"reserve", "reserve_energy"}
    # 10 MWh at 90 % last an hour at 9 MW.
    held = put(put(plan, "reserve_mw", row, slice(None), 9.1), "soc_mwh", row, slice(None), 10.0)
    assert "reserve_energy" in {v.rule for v in validate_plan(network, held, begin, expected)}
    held = put(held, "reserve_mw", row, slice(None), 8.9)
    assert "reserve_energy" not in {v.rule for v in validate_plan(network, held, begin, expected)}


def test_no_more_load_is_shed_than_there_is(case):
    network, expected, begin, plan = case
    # 60 % of the south's load is at bus 4; bus 3 has none.
    at_3 = Slack("shed", "3", plan.valid_time[4], 5.0, "shortage")
    at_4 = replace(at_3, place="4")
    for slack, is_found in ((at_3, True), (at_4, False)):
        found = validate_plan(network, replace(plan, slacks=(slack,)), begin, expected)
        assert ("shed" in {v.rule for v in found}) is is_found
        assert "balance" in {v.rule for v in found}


@pytest.mark.parametrize(("direction", "enough", "short"), [("up", 40.0, 41.0), ("down", 20.0, 21.0)])
def test_required_reserve_is_held_or_its_shortfall_named(direction, enough, short):
    """Coal at 40 of 20 to 100 MW holds 25 up, and 15 of 35 MW of wind are curtailed: 40. Down, coal alone gives 20."""
    names = ("coal", "wind") if direction == "up" else ("coal",)
    product = ReserveProduct("spin", direction, 600.0, ("west",), names)
    network = three_bus(reserves=(product,))
    network = replace(network, assets=tuple(replace(a, tags=(a.name,)) for a in network.assets))
    plan = commit(network, outlook(network, {"b": 60.0}, {"wind": 35.0}), state(network, {"coal": 40.0}), SETTINGS)
    values = {"power_mw": (40.0, 20.0), "reserve_mw": (25.0, 0.0), "available_mw": (100.0, 35.0)}
    for field, (coal, wind) in values.items():
        for asset, value in (("coal", coal), ("wind", wind)):
            plan = put(plan, field, network.asset_index[asset], slice(None), value)
    for required, is_short in ((enough, False), (short, True)):
        expected = outlook(network, {"b": 60.0}, {"wind": 35.0}, reserve_mw=required)
        found = [v for v in validate_plan(network, plan, None, expected) if v.rule == "required_reserve"]
        assert bool(found) is is_short
        assert {(v.place, v.got, v.wanted) for v in found} <= {("spin", enough, short)}
        named = tuple(Slack(f"reserve_{direction}", "spin", t, 1.0, "shortage") for t in plan.valid_time)
        found = validate_plan(network, replace(plan, slacks=named), None, expected)
        assert "required_reserve" not in {v.rule for v in found}


def test_load_and_weather_count_as_far_as_they_are_told(case):
    network, expected, begin, plan = case
    load = expected.load_mw.copy()
    load[:, 8:] = np.nan
    unsure = replace(expected, load_mw=load)
    assert validate_plan(network, plan, begin, unsure, told_periods=8) == []
    assert "balance" in {v.rule for v in validate_plan(network, plan, begin, unsure, told_periods=12)}
    load[:, 0] += 1.0
    assert "balance" in {v.rule for v in validate_plan(network, plan, begin, unsure, told_periods=8)}


def test_the_validator_imports_nothing_of_the_optimiser(project_root):
    allowed = {"dispatch.outlook", "dispatch.validate_network", "dispatch.validate_rules"}
    for path in sorted((project_root / "dispatch").glob("validate*.py")):
        names = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        plain = {
            a.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import) for a in node.names
        }
        assert {name for name in names if name and name.startswith("dispatch")} <= allowed
        assert not {name.split(".")[0] for name in names | plain if name} & {"pyomo", "highspy", "scipy"}

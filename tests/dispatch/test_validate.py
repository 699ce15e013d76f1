"""The validator: each rule is seen to fail on a plan that breaks it, and it knows nothing of the optimiser."""

from __future__ import annotations

import ast
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from dispatch.commit import commit
from dispatch.settings import DispatchSettings
from dispatch.validate import validate_plan, validate_table
from gridcore.timeline import PERIOD
from tests.builders import six_bus
from tests.dispatch.outlooks import outlook, state


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


def test_plans_are_checked_from_their_rows_alone(case):
    network, _, _, plan = case
    broken = put(plan, "power_mw", plan.assets.index("coal"), HOUR_2, 125.0)
    later = replace(broken, issue_time=plan.issue_time + PERIOD)
    rows = pa.concat_tables([plan.to_table(), later.to_table()])
    found = validate_table(network, rows, PERIOD)
    assert {v.plan_id for v in found} == {later.plan_id}
    assert "p_max" in {v.rule for v in found}


def test_the_validator_imports_nothing_of_the_optimiser(project_root):
    allowed = {"dispatch.outlook", "dispatch.validate_network", "dispatch.validate_rules"}
    for path in sorted((project_root / "dispatch").glob("validate*.py")):
        names = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        plain = {
            a.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import) for a in node.names
        }
        assert {name for name in names if name and name.startswith("dispatch")} <= allowed
        assert not {name.split(".")[0] for name in names | plain if name} & {"pyomo", "highspy", "scipy"}

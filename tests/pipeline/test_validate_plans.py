"""Plans of an export: what a good one is, and that each broken law of one is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gridcore.forecast import FORECAST_SCHEMA
from gridcore.plan import Layer, Plan, PlanStatus, Slack
from gridcore.reading import OUTAGE_SCHEMA
from gridcore.timeline import PERIOD, periods_between
from pipeline.findings import Findings
from pipeline.validate_decisions import check_forecasts
from pipeline.validate_plans import check_plans
from tests.builders import START, three_bus

ISSUED = START - PERIOD
NETWORK = three_bus(line_mw=60.0)
NAMES = tuple(asset.name for asset in NETWORK.assets)


def _plan(**rows: float) -> Plan:
    """Two equal periods: coal 40, gas 30, wind 60 of 80 MW, roof 5, the battery gives 15; 150 MW of load at `b`."""
    power = {"coal": 40.0, "gas": 30.0, "wind": 60.0, "roof": 5.0, "cell": 15.0} | rows
    shape = (len(NAMES), 2)
    two = {name: np.zeros(shape) for name in ("charge", "curtailed", "reserve")}
    values = np.repeat([[power[name]] for name in NAMES], 2, axis=1)
    available = values.copy()
    available[NAMES.index("wind")] = 80.0
    two["curtailed"][NAMES.index("wind")] = 80.0 - power["wind"]
    discharge = np.where([[name == "cell"] for name in NAMES], values, 0.0)
    # The battery gives 15 MW at 90 %: 4.17 MWh go in a quarter of an hour.
    soc = np.where([[name == "cell"] for name in NAMES], 40.0 - np.array([[0.0, 1.0]]) * 15.0 / 0.9 / 4, np.nan)
    cause = np.where(two["curtailed"] > 0, "congestion", "").astype(object)
    return Plan(
        Layer.SCED, ISSUED, periods_between(START, START + 2 * PERIOD), PERIOD, NAMES, np.ones(shape, bool), values,
        two["charge"], discharge, soc, available, two["curtailed"], cause, two["reserve"], PlanStatus.SOLVED,
    )  # fmt: skip


def _forecasts(*variants: tuple[str, float]) -> pa.Table:
    """Load of `east` by model and median, three levels in each of two periods; sorted as an export is."""
    rows = [
        {
            "issue_time": ISSUED, "valid_time": START + step * PERIOD, "target": "east/load", "quantile": quantile,
            "power_mw": median + 20 * (quantile - 0.5), "model_id": model, "data_cutoff": ISSUED, "fallback_reason": "",
        }
        for step in range(2)
        for quantile in (0.1, 0.5, 0.9)
        for model, median in variants
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=FORECAST_SCHEMA)


def _found(directory: Path, plan: Plan, *variants: tuple[str, float]) -> Findings:
    pq.write_table(plan.to_table(), directory / "plans.parquet")
    pq.write_table(_forecasts(*(variants or (("load-intraday", 150.0),))), directory / "forecasts.parquet")
    findings = Findings()
    check_plans(directory, NETWORK, OUTAGE_SCHEMA.empty_table(), "ours", findings)
    return findings


def test_a_plan_that_balances_the_median_load_within_limits_passes(tmp_path: Path) -> None:
    findings = _found(tmp_path, _plan())
    assert findings.violations == []
    assert findings.checked == {"plan limits": 10, "plan balance": 2, "plan flow": 6}


def test_either_forecast_of_one_issue_time_may_be_the_one_planned_for(tmp_path: Path) -> None:
    assert _found(tmp_path, _plan(), ("load-day_ahead", 140.0), ("load-intraday", 150.0)).violations == []


def test_a_plan_for_another_load_is_found(tmp_path: Path) -> None:
    findings = _found(tmp_path, _plan(), ("load-intraday", 149.0))
    assert findings.counts["ours"] == {"plan balance": 2}


def test_shed_load_that_the_plan_names_balances_it(tmp_path: Path) -> None:
    slacks = tuple(Slack("shed", "b", instant, 10.0, "shortage") for instant in _plan().valid_time)
    assert _found(tmp_path, replace(_plan(), slacks=slacks), ("load-intraday", 160.0)).violations == []


def test_a_flow_above_its_limit_is_found_unless_the_plan_names_the_overload(tmp_path: Path) -> None:
    # Two thirds of the wind and a third of coal go over the line from c to b: 2/3 * 70 + 40/3 = 60, its limit.
    assert _found(tmp_path, _plan(wind=70.0, gas=20.0)).violations == []
    over = _plan(wind=73.0, gas=17.0)
    findings = _found(tmp_path, over)
    assert findings.counts["ours"] == {"plan flow": 2}
    assert {one.asset for one in findings.violations} == {"cb"}
    slacks = tuple(Slack("line", "cb", instant, 2.0, "congestion") for instant in over.valid_time)
    assert _found(tmp_path, replace(over, slacks=slacks)).violations == []


def test_a_unit_beyond_its_capacity_is_found_and_the_plan_named(tmp_path: Path) -> None:
    findings = _found(tmp_path, _plan(gas=61.0, coal=9.0))
    assert {one.what for one in findings.violations} >= {"plan: p_max", "plan: p_min"}
    assert all(one.asset.startswith("sced-20250228T234500Z ") for one in findings.violations)


def test_a_held_plan_answers_for_another_instant_and_is_not_balanced(tmp_path: Path) -> None:
    held = replace(_plan(), status=PlanStatus.HELD, reason="infeasible")
    assert _found(tmp_path, held, ("load-intraday", 99.0)).violations == []


@pytest.mark.parametrize("crossing", [False, True])
def test_two_vintages_of_one_issue_time_are_told_apart(tmp_path: Path, crossing: bool) -> None:
    table = _forecasts(("load-day_ahead", 140.0), ("load-intraday", 150.0))
    if crossing:
        rows = table.to_pylist()
        rows[-1]["power_mw"] = 0.0
        table = pa.Table.from_pylist(rows, schema=table.schema)
    pq.write_table(table, tmp_path / "forecasts.parquet")
    findings = Findings()
    check_forecasts(tmp_path / "forecasts.parquet", "ours", findings)
    assert [one.what for one in findings.violations] == (["quantiles never cross"] if crossing else [])

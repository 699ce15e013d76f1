"""Plans of an export: what a good one is, and that each broken law of one is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from gridcore.forecast import FORECAST_SCHEMA
from gridcore.plan import Layer, Plan, PlanStatus, Slack
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA
from gridcore.timeline import PERIOD, periods_between
from pipeline.findings import Findings
from pipeline.validate_decisions import check_forecasts
from pipeline.validate_plans import check_plans
from pipeline.validate_told import Told
from tests.builders import START, three_bus

ISSUED = START - PERIOD
NETWORK = three_bus(line_mw=60.0)
NO_OUTAGES = OUTAGE_SCHEMA.empty_table()
NAMES = tuple(asset.name for asset in NETWORK.assets)


def two_periods(**rows: float) -> Plan:
    """Two equal periods: coal 40, gas 30, wind 60 of 80 MW, roof 5, the battery gives 15; 150 MW of load at `b`."""
    power = {"coal": 40.0, "gas": 30.0, "wind": 60.0, "roof": 5.0, "cell": 15.0} | rows
    shape = (len(NAMES), 2)
    two = {name: np.zeros(shape) for name in ("charge", "curtailed", "reserve")}
    values = np.repeat([[power[name]] for name in NAMES], 2, axis=1)
    available = values.copy()
    for name, most in {"coal": 100.0, "gas": 60.0, "cell": 30.0, "wind": 80.0}.items():
        available[NAMES.index(name)] = most
    two["curtailed"][NAMES.index("wind")] = 80.0 - power["wind"]
    discharge = np.where([[name == "cell"] for name in NAMES], values, 0.0)
    # The battery gives 15 MW at 90 %: 4.17 MWh go in a quarter of an hour.
    soc = np.where([[name == "cell"] for name in NAMES], 40.0 - np.array([[0.0, 1.0]]) * 15.0 / 0.9 / 4, np.nan)
    cause = np.where(two["curtailed"] > 0, "congestion", "").astype(object)
    return Plan(
        Layer.SCED, ISSUED, periods_between(START, START + 2 * PERIOD), PERIOD, NAMES, np.ones(shape, bool), values,
        two["charge"], discharge, soc, available, two["curtailed"], cause, two["reserve"], PlanStatus.SOLVED,
    )  # fmt: skip


def _found(*plans: Plan, load: float = 150.0, outages: pa.Table = NO_OUTAGES) -> Findings:
    findings = Findings()
    told = Told(NETWORK, _forecasts(load), outages, OFFICIAL_SCHEMA.empty_table())
    check_plans(pa.concat_tables([plan.to_table() for plan in plans]), NETWORK, told, "ours", findings)
    return findings


def _forecasts(load: float, wind: float = 80.0, roof: float = 5.0) -> pa.Table:
    """Three levels in each of two periods; sorted as an export is."""
    targets = {"east/load": load, "roof": roof, "wind": wind}
    rows = [
        {
            "issue_time": ISSUED, "valid_time": START + step * PERIOD, "target": target, "quantile": quantile,
            "power_mw": median + 20 * (quantile - 0.5), "model_id": "x", "data_cutoff": ISSUED, "fallback_reason": "",
        }
        for step in range(2)
        for target, median in targets.items()
        for quantile in (0.1, 0.5, 0.9)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=FORECAST_SCHEMA)


def test_a_plan_for_the_median_load_and_weather_within_limits_passes() -> None:
    findings = _found(two_periods())
    assert findings.violations == []
    assert findings.checked == {"plan limits": 10, "plan balance": 2, "plan reserve": 0, "plan capacity": 10}


def test_a_plan_for_another_load_is_found() -> None:
    assert _found(two_periods(), load=149.0).counts["ours"] == {"plan: balance": 2}


def test_a_plan_without_a_forecast_of_its_load_is_found() -> None:
    late = replace(two_periods(), issue_time=ISSUED - PERIOD)
    assert _found(late).counts["ours"].keys() >= {"plan: balance", "plan: available"}


def test_shed_load_that_the_plan_names_balances_it() -> None:
    slacks = tuple(Slack("shed", "b", instant, 10.0, "shortage") for instant in two_periods().valid_time)
    assert _found(replace(two_periods(), slacks=slacks), load=160.0).violations == []


def test_a_flow_above_its_limit_is_found() -> None:
    # Two thirds of the wind and a third of coal go over the line from c to b: 2/3 * 70 + 40/3 = 60, its limit.
    assert _found(two_periods(wind=70.0, gas=20.0)).violations == []
    findings = _found(two_periods(wind=73.0, gas=17.0))
    assert findings.counts["ours"] == {"plan: line_limit": 2}
    assert {one.asset.split()[1] for one in findings.violations} == {"cb"}


def test_a_unit_beyond_its_capacity_is_found_and_the_plan_named() -> None:
    findings = _found(two_periods(gas=61.0, coal=9.0))
    assert {one.what for one in findings.violations} >= {"plan: p_max", "plan: p_min"}
    assert all(one.asset.startswith("sced-20250228T234500Z ") for one in findings.violations)


def test_an_outage_known_by_then_binds() -> None:
    rows = [{"available_at": ISSUED, "asset": "gas", "from": START, "until": START + PERIOD}]
    findings = _found(two_periods(), outages=pa.Table.from_pylist(rows, OUTAGE_SCHEMA))
    assert findings.counts["ours"] == {"plan: out_of_service": 1}
    rows[0]["available_at"] = START
    assert _found(two_periods(), outages=pa.Table.from_pylist(rows, OUTAGE_SCHEMA)).violations == []


def _within_the_day(periods: int) -> Plan:
    """A commitment issued now for some periods; the powers of `_plan` throughout, the battery idle."""
    plan, first = two_periods(gas=45.0, cell=0.0), slice(0, 1)
    names = ("is_on", "power_mw", "charge_mw", "discharge_mw", "available_mw", "curtailment_mw", "cause", "reserve_mw")
    longer = {name: np.repeat(getattr(plan, name)[:, first], periods, axis=1) for name in names}
    soc = np.repeat(plan.soc_mwh[:, first], periods, axis=1)
    return replace(
        plan, layer=Layer.SCUC, valid_time=periods_between(START, START + periods * PERIOD), soc_mwh=soc, **longer
    )


def test_a_commitment_within_the_day_is_held_to_the_medians_for_four_hours() -> None:
    plan = _within_the_day(20)
    rows = _forecasts(150.0).to_pylist()
    steps = [row for row in rows if row["valid_time"] == START]
    many = [row | {"valid_time": START + step * PERIOD} for step in range(20) for row in steps]

    def found(first_wrong: int) -> set[str]:
        wrong = [
            row | {"power_mw": row["power_mw"] + (row["valid_time"] >= START + first_wrong * PERIOD)} for row in many
        ]
        told = Told(NETWORK, pa.Table.from_pylist(wrong, FORECAST_SCHEMA), NO_OUTAGES, OFFICIAL_SCHEMA.empty_table())
        findings = Findings()
        check_plans(plan.to_table(), NETWORK, told, "ours", findings)
        return set(findings.counts.get("ours", {}))

    assert found(20) == set()
    assert found(16) == set()
    assert found(12) == {"plan: balance", "plan: available"}


def test_a_held_plan_is_the_one_before_it_and_is_not_balanced_anew() -> None:
    before = two_periods()
    later = replace(before, issue_time=START, valid_time=before.valid_time + np.timedelta64(PERIOD))
    arrays = ("power_mw", "discharge_mw", "soc_mwh", "available_mw", "curtailment_mw")
    moved = {name: getattr(before, name)[:, [1, 1]] for name in arrays}
    held = replace(later, status=PlanStatus.HELD, reason="infeasible", **moved)
    findings = _found(before, held)
    assert findings.violations == []
    assert findings.checked["plan held"] == len(NAMES)
    power = held.power_mw.copy()
    power[NAMES.index("gas")] -= 1.0
    assert _found(before, replace(held, power_mw=power)).counts["ours"] == {"plan held": 1}


@pytest.mark.parametrize("crossing", [False, True])
def test_two_vintages_of_one_issue_time_are_told_apart(crossing: bool) -> None:
    rows = [row | {"model_id": model} for row in _forecasts(140.0).to_pylist() for model in ("day_ahead", "intraday")]
    if crossing:
        rows[-1]["power_mw"] = 0.0
    findings = Findings()
    check_forecasts(pa.Table.from_pylist(rows, schema=FORECAST_SCHEMA), "ours", findings)
    assert [one.what for one in findings.violations] == (["quantiles never cross"] if crossing else [])


def test_a_refused_commitment_was_never_followed_and_is_not_judged() -> None:
    refused = replace(two_periods(gas=61.0), layer=Layer.SCUC, status=PlanStatus.HELD, reason="breaks p_max")
    assert _found(replace(refused, purpose="failedahead")).violations == []
    assert "plan: p_max" in _found(refused).counts["ours"]

"""First periods against what flowed, by hand: ramps, minimum times and stored energy from the last telemetry on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from gridcore.network import Network
from gridcore.plan import Slack
from gridcore.reading import OUTAGE_SCHEMA
from gridcore.realised import REALISED_ASSET_SCHEMA
from gridcore.timeline import PLANT_PERIOD, periods_between, to_numpy
from pipeline.findings import Findings
from pipeline.validate_first import check_first_periods
from tests.builders import START, setpoints, three_bus
from tests.pipeline.test_validate_plans import two_periods

BEFORE = timedelta(hours=3)
"""Stretch that flowed before the plan's first period."""


def network(min_h: float = 0.0) -> Network:
    grid = three_bus()
    coal = grid.assets[0]
    assert coal.commitment is not None
    coal = replace(coal, commitment=replace(coal.commitment, min_up_h=min_h, min_down_h=min_h))
    return replace(grid, assets=(coal, *grid.assets[1:]))


def flowed(coal: np.ndarray, soc_mwh: float) -> pa.Table:
    """Three hours: coal as told, gas on at 30 MW, the battery idle with some energy."""
    rows = []
    for step in range(int(BEFORE / PLANT_PERIOD)):
        power = {"coal": float(coal[step]), "gas": 30.0, "wind": 60.0, "roof": 5.0, "cell": 0.0}
        for name in sorted(power):
            row = {
                "valid_time": START - BEFORE + step * PLANT_PERIOD,
                "asset": name,
                "bus": "b",
                "power_mw": power[name],
            }
            row |= {
                "available_mw": power[name],
                "curtailment_mw": 0.0,
                "cause": "",
                "is_on": power[name] > 0 or name == "cell",
            }
            rows.append(row | {"soc_mwh": soc_mwh if name == "cell" else np.nan})
    return pa.Table.from_pylist(rows, schema=REALISED_ASSET_SCHEMA)


def told(coal: np.ndarray) -> pa.Table:
    """Setpoints of every quarter of an hour, that say what flowed."""
    tables = []
    for step, begins in enumerate(periods_between(START - BEFORE, START)):
        off = ["coal"] if coal[3 * step] == 0 else []
        start = START - BEFORE + timedelta(minutes=15 * step)
        assert to_numpy(start) == begins
        tables.append(setpoints({"coal": float(coal[3 * step]), "gas": 30.0}, start=start, off=off))
    return pa.concat_tables(tables)


def found(coal: np.ndarray, soc_mwh: float = 44.0, grid: Network | None = None, **changes: object) -> set[str]:
    plan = replace(two_periods(), **changes)  # type: ignore[arg-type]
    decided = {"plans": plan.to_table(), "setpoints": told(coal)}
    findings = Findings()
    outages = OUTAGE_SCHEMA.empty_table()
    check_first_periods(grid or network(), decided, flowed(coal, soc_mwh), outages, "ours", findings)
    assert findings.checked["first period"] == 5
    return set(findings.counts.get("ours", {}))


HOURS = np.repeat(np.arange(3), 12)


@pytest.mark.parametrize(("level", "is_good"), [(40.0, True), (100.0, True), (131.0, False)])
def test_a_first_output_lies_within_the_ramp_from_the_last_telemetry(level: float, is_good: bool) -> None:
    """Coal, planned at 40 MW, moves 2 MW a minute. Telemetry surely told of 23:25 to 23:30: 45 min, 90 MW."""
    assert (found(np.full(36, level)) == set()) is is_good


def test_a_ramp_that_the_plan_says_gave_way_is_no_fault() -> None:
    plan = two_periods()
    slacks = (Slack("ramp", "coal", plan.valid_time[0], 1.0, "ramp"),)
    assert found(np.full(36, 131.0), slacks=slacks) == set()


@pytest.mark.parametrize(("min_h", "is_good"), [(1.0, True), (1.5, False)])
def test_a_unit_starts_after_its_minimum_time_off(min_h: float, is_good: bool) -> None:
    """Coal stopped an hour ago, and is on in the plan's first period."""
    broken = found(np.where(HOURS < 2, 40.0, 0.0), grid=network(min_h))
    assert broken == (set() if is_good else {"first period: minimum times"})


@pytest.mark.parametrize(("min_h", "is_good"), [(1.0, True), (1.5, False)])
def test_a_unit_stops_after_its_minimum_time_on(min_h: float, is_good: bool) -> None:
    plan = two_periods()
    is_on = plan.is_on.copy()
    is_on[0] = False
    broken = found(np.where(HOURS < 2, 0.0, 40.0), grid=network(min_h), is_on=is_on)
    assert broken == (set() if is_good else {"first period: minimum times"})


@pytest.mark.parametrize(
    ("soc_mwh", "is_good"), [(40.0, True), (60.0, True), (19.8, True), (19.0, False), (66.0, False)]
)
def test_stored_energy_is_within_reach_of_the_battery(soc_mwh: float, is_good: bool) -> None:
    """Planned 40 MWh. In 45 min 30 MW at 90 % store up to 20.25 MWh and take up to 25: from 19.75 to 65."""
    assert (found(np.full(36, 40.0), soc_mwh=soc_mwh) == set()) is is_good

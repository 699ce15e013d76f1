"""Telemetry that regularly comes later than declared: all of it waits as long, and the truth may use it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from gridcore.errors import BadInputError
from gridcore.plan import SETPOINT_SCHEMA
from gridcore.timeline import PLANT_PERIOD
from pipeline.latency import as_it_arrives
from pipeline.plant import Plant
from pipeline.report.blocks import Note
from pipeline.report.run import provenance_section
from pipeline.truth import Truth
from tests.builders import START, readings, three_bus

STEPS = 40
LEVEL = {"wind/power": 10.0, "roof/power": 1.0, "east/load": 50.0}
SERIES = {name: [value] * STEPS for name, value in LEVEL.items()}
UNTIL = START + 20 * PLANT_PERIOD


def seconds(table: pa.Table) -> float:
    """The latency that a recording has by its readings until half of it."""
    return as_it_arrives(three_bus(), table, UNTIL, PLANT_PERIOD).telemetry_latency_s


def test_the_declared_latency_holds_where_readings_keep_it() -> None:
    network = three_bus()
    assert as_it_arrives(network, readings(SERIES), UNTIL, PLANT_PERIOD) == network
    assert seconds(readings(SERIES, latency=timedelta(seconds=5))) == network.telemetry_latency_s


def test_the_slowest_channel_says_what_is_on_time() -> None:
    slow = readings({"east/load": SERIES["east/load"]}, latency=timedelta(minutes=10))
    fast = readings({name: values for name, values in SERIES.items() if name != "east/load"})
    assert seconds(pa.concat_tables([fast, slow])) == 600.0


def test_a_straggler_a_repeat_and_a_correction_hold_nothing_back() -> None:
    # One of the 19 readings that are there by then is late.
    hole = [10.0] * STEPS
    hole[3] = float("nan")
    late = readings({"wind/power": [10.0]}, start=START + 3 * PLANT_PERIOD, latency=timedelta(hours=1))
    again = readings({"wind/power": [10.0] * 8}, latency=timedelta(minutes=30))
    corrected = readings({"wind/power": [10.0] * 8}, revision=1, latency=timedelta(minutes=30))
    table = pa.concat_tables([readings(SERIES | {"wind/power": hole}), late, again, corrected])
    assert seconds(table) == three_bus().telemetry_latency_s


def test_what_arrives_later_does_not_change_it() -> None:
    table = readings(SERIES)
    early = pc.less_equal(table.column("available_at"), UNTIL)
    waits = pc.add(table.column("available_at"), timedelta(hours=3))
    arrives = pc.if_else(early, table.column("available_at"), waits)
    assert seconds(table.set_column(0, "available_at", arrives)) == seconds(table)


def test_readings_an_hour_late_are_refused_by_name() -> None:
    slow = readings({"wind/power": SERIES["wind/power"]}, start=START - timedelta(hours=5), latency=timedelta(hours=2))
    with pytest.raises(BadInputError, match=r"wind/power.* 7200 s .*telemetry_latency_s is 60; wanted at most 3600 s"):
        seconds(slow)


def test_the_plant_tells_nothing_before_the_reading_that_drove_it_came() -> None:
    table = readings(SERIES, latency=timedelta(minutes=10))
    with pytest.raises(BadInputError, match=r"40 readings, the soonest 600 s .*telemetry_latency_s, 60 s"):
        Truth(three_bus(), table)
    network = as_it_arrives(three_bus(), table, UNTIL, PLANT_PERIOD)
    truth = Truth(network, table)
    assert np.isclose(truth.available_mw(START)[2], 10.0)
    step = Plant(network, truth, START).step(SETPOINT_SCHEMA.empty_table())
    assert pc.min(step.telemetry.column("available_at")).as_py() >= START + PLANT_PERIOD + timedelta(minutes=10)


@pytest.mark.parametrize("table", [readings(SERIES), readings(SERIES, start=UNTIL)], ids=["in time", "none yet"])
def test_a_declared_latency_above_an_hour_is_refused_by_name(table: pa.Table) -> None:
    network = replace(three_bus(), telemetry_latency_s=3601.0)
    with pytest.raises(BadInputError, match=r"three.*telemetry_latency_s is 3601; wanted at most 3600 s"):
        as_it_arrives(network, table, UNTIL, PLANT_PERIOD)
    as_it_arrives(replace(network, telemetry_latency_s=3600.0), table, UNTIL, PLANT_PERIOD)


@pytest.mark.parametrize(("declared_s", "came_s", "is_declared"), [(60, 60, True), (90.5, 90.5, True), (60, 61, False)])
def test_only_a_measured_latency_is_no_declaration(declared_s: float, came_s: float, is_declared: bool) -> None:
    network = replace(three_bus(), telemetry_latency_s=declared_s, latency_is_declared=True)
    table = readings(SERIES, latency=timedelta(seconds=came_s))
    found = as_it_arrives(network, table, UNTIL, PLANT_PERIOD)
    assert (found.latency_is_declared, found.telemetry_latency_s) == (is_declared, came_s)


@pytest.mark.parametrize("is_declared", [True, False])
def test_the_report_calls_declared_what_was_declared(is_declared: bool) -> None:
    provenance = {"telemetry_latency_s": 600.0, "latency_is_declared": is_declared}
    export = SimpleNamespace(network=three_bus(), rows=(), zone=ZoneInfo("UTC"), summary={"provenance": provenance})
    lead = provenance_section(export).blocks[0]  # type: ignore[arg-type]
    assert isinstance(lead, Note)
    assert "600 s" in lead.text
    assert ("declared latency" in lead.text) is is_declared
    assert ("readings took before the replay" in lead.text) is not is_declared

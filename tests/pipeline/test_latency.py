"""Telemetry that regularly comes later than declared: all of it waits as long, and the truth may use it."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from gridcore.errors import BadInputError
from gridcore.plan import SETPOINT_SCHEMA
from gridcore.timeline import PLANT_PERIOD
from pipeline.latency import as_it_arrives
from pipeline.plant import Plant
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

"""Laws of suspects: a pure function of what is known, and what may stand still is not frozen."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcore.asset import Asset, Commitment, Store, Technology
from gridcore.network import Branch, Bus, Network
from gridcore.reading import SUSPECTS, UNUSABLE, Quality
from gridcore.timeline import TIMESTAMP
from ingest.channels import channels_of
from ingest.sequence import suspects

START_US = 1_717_243_200_000_000
STEP_US = 300_000_000
HOURS_3 = 36
"""Periods of five minutes."""

BUSES = (Bus("A", "north", 0.25), Bus("B", "north", 0.75))
ASSETS = (
    Asset("W", Technology.WIND, "B", 0.0, 100.0),
    Asset("P", Technology.PV, "B", 0.0, 100.0),
    Asset("T", Technology.THERMAL, "A", 40.0, 100.0, ramp_mw_per_min=1.0, commitment=Commitment()),
    Asset("S", Technology.BATTERY, "A", 0.0, 10.0, store=Store(20.0, 10.0, 0.9, 0.9, 5.0)),
)
NETWORK = Network("small", "Europe/Berlin", BUSES, (Branch("A-B", "A", "B", 0.1, 50.0),), (), ASSETS)
CHANNELS = channels_of(NETWORK, timedelta(minutes=5))

Row = tuple[str, int, float, int]
"""Channel, period, value, quality."""


def flags(rows: list[Row]) -> list[int]:
    columns = {
        "channel": pa.array([row[0] for row in rows], pa.string()),
        "valid_time": pa.array([START_US + row[1] * STEP_US for row in rows], pa.int64()).cast(TIMESTAMP),
        "value": pa.array([row[2] for row in rows], pa.float64()),
        "quality": pa.array([row[3] for row in rows], pa.int32()),
    }
    return suspects(pa.table(columns), CHANNELS).tolist()  # type: ignore[no-any-return]


def constant(channel: str, value: float, periods: int = HOURS_3, first: int = 0) -> list[Row]:
    return [(channel, first + period, value, 0) for period in range(periods)]


@pytest.mark.parametrize(
    ("channel", "value", "is_frozen"),
    [
        ("W/power", 37.5, True),
        ("P/power", 37.5, True),
        ("north/load", 37.5, True),
        ("north/load", 0.0, True),  # a load is never nought for hours
        ("P/power", 0.0, False),  # night
        ("W/power", 0.4, False),  # calm
        ("W/power", 99.0, False),  # a storm, all turbines at their capacity
        ("T/power", 60.0, False),  # a unit on its set point
        ("S/power", 0.0, False),  # a battery at rest
        ("S/soc", 12.0, False),
        ("T/status", 1.0, False),
    ],
)
def test_what_stands_still_for_three_hours_is_frozen_where_nothing_may(
    channel: str, value: float, is_frozen: bool
) -> None:
    assert flags(constant(channel, value)) == [int(Quality.FROZEN) * is_frozen] * HOURS_3
    assert flags(constant(channel, value, HOURS_3 - 1)) == [0] * (HOURS_3 - 1)


def test_a_farm_held_by_its_limit_is_not_frozen() -> None:
    held = constant("W/power", 37.5) + constant("W/limit", 37.6)
    far = constant("W/power", 37.5) + constant("W/limit", 80.0)
    assert flags(held) == [0] * 2 * HOURS_3
    assert flags(far) == [int(Quality.FROZEN)] * HOURS_3 + [0] * HOURS_3


def test_an_hourly_meter_needs_six_equal_values() -> None:
    channels = channels_of(NETWORK, timedelta(hours=1))
    for count, is_frozen in ((5, False), (6, True)):
        valid = pa.array([START_US + hour * 12 * STEP_US for hour in range(count)]).cast(TIMESTAMP)
        columns = {"channel": ["W/power"] * count, "valid_time": valid, "value": [7.5] * count, "quality": [0] * count}
        assert suspects(pa.table(columns), channels).tolist() == [int(Quality.FROZEN) * is_frozen] * count


@pytest.mark.parametrize(
    ("channel", "first", "second", "is_jump"),
    [
        ("W/power", 10.0, 69.0, False),
        ("W/power", 10.0, 71.0, True),
        ("P/power", 5.0, 94.0, False),
        ("P/power", 5.0, 96.0, True),
        ("north/load", 60.0, 99.0, False),
        ("north/load", 60.0, 101.0, True),
        ("T/power", 0.0, 49.0, False),  # starts at its least output of 40 MW and ramps 5 min at 2 x 1 MW/min
        ("T/power", 40.0, 91.0, True),
        ("S/power", -10.0, 10.0, False),
        ("S/soc", 5.0, 6.4, False),  # 10 MW for 5 min, a tenth more, and half a MWh of rounding
        ("S/soc", 5.0, 6.5, True),
        ("W/limit", 100.0, 0.0, False),
    ],
)
def test_what_moves_further_than_its_kind_is_a_jump(channel: str, first: float, second: float, is_jump: bool) -> None:
    assert flags([(channel, 0, first, 0), (channel, 1, second, 0)]) == [0, int(Quality.RAMP) * is_jump]


def test_readings_far_apart_are_no_neighbours() -> None:
    assert flags([("W/power", 0, 0.0, 0), ("W/power", 3, 90.0, 0)]) == [0, int(Quality.RAMP)]
    assert flags([("W/power", 0, 0.0, 0), ("W/power", 4, 90.0, 0)]) == [0, 0]


cells = st.tuples(st.sampled_from(["W/power", "P/power", "W/limit", "T/power", "nowhere"]), st.integers(0, 50))
values = st.sampled_from([0.0, 37.5, 37.5, 37.5, 90.0, float("nan")])
qualities = st.sampled_from([0, 0, 0, int(Quality.LATE), int(Quality.OUT_OF_RANGE), int(Quality.CONFLICT)])
tables = st.dictionaries(cells, st.tuples(values, qualities), max_size=120).map(
    lambda told: [(*cell, *rest) for cell, rest in told.items()]
)


@given(tables, st.randoms())
def test_order_changes_no_flag_and_no_flag_keeps_a_value_from_models(rows: list[Row], random: object) -> None:
    found = dict(zip((row[:2] for row in rows), flags(rows), strict=True))
    mixed = list(rows)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert dict(zip((row[:2] for row in mixed), flags(mixed), strict=True)) == found
    assert all(flag & ~int(SUSPECTS) == 0 for flag in found.values())
    assert int(SUSPECTS) & int(UNUSABLE) == 0


@given(tables)
def test_unusable_readings_are_no_ones_neighbours(rows: list[Row]) -> None:
    usable = [row for row in rows if np.isfinite(row[2]) and not row[3] & int(UNUSABLE)]
    told = dict(zip((row[:2] for row in rows), flags(rows), strict=True))
    alone = dict(zip((row[:2] for row in usable), flags(usable), strict=True))
    assert {cell: flag for cell, flag in told.items() if flag} == {cell: flag for cell, flag in alone.items() if flag}

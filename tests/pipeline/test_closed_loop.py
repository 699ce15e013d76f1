"""The closed loop's feed: a curtailed farm reports what flowed, whatever the recording says it could have given."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from gridcore.ports import Batch
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from gridcore.realised import REALISED_ASSET_SCHEMA, REALISED_BRANCH_SCHEMA, REALISED_BUS_SCHEMA
from gridcore.timeline import PLANT_PERIOD
from pipeline.closed_loop import ClosedLoopFeed
from pipeline.realised_log import RealisedLog
from tests.builders import START, readings, setpoints, three_bus

CURTAILED = {0: 30.0, 1: 0.0, 2: 15.0, 3: 12.0}
"""Curtailed wind by plant step [MW]."""


class Recorded:
    """A feed that delivers one table, once."""

    def __init__(self, table: pa.Table) -> None:
        self._left: pa.Table | None = table

    def next_until(self, due: datetime) -> Batch | None:
        del due
        table, self._left = self._left, None
        if table is None:
            return None
        return Batch("recorded", 0, len(table), table, OFFICIAL_SCHEMA.empty_table(), OUTAGE_SCHEMA.empty_table())


class Plant:
    """A plant that curtails wind as `CURTAILED` says and measures nothing of its own before its time."""

    def __init__(self) -> None:
        self.instant, self._step = START, 0

    def step(self, orders: pa.Table) -> SimpleNamespace:
        del orders
        lost = CURTAILED.get(self._step, 0.0)
        row = {"valid_time": self.instant, "asset": "wind", "bus": "c", "power_mw": 90.0 - lost, "available_mw": 90.0}
        row |= {"curtailment_mw": lost, "cause": "surplus" if lost else "", "soc_mwh": np.nan, "is_on": True}
        tables = {
            "asset": pa.Table.from_pylist([row], schema=REALISED_ASSET_SCHEMA),
            "bus": REALISED_BUS_SCHEMA.empty_table(),
            "branch": REALISED_BRANCH_SCHEMA.empty_table(),
        }
        self.instant, self._step = self.instant + PLANT_PERIOD, self._step + 1
        telemetry = readings({"coal/power": [50.0]}, start=self.instant - PLANT_PERIOD)
        return SimpleNamespace(tables=tables, telemetry=telemetry.select(READING_SCHEMA.names))


def delivered(table: pa.Table, directory: Path, period: timedelta, due: datetime) -> list[tuple[str, float]]:
    """(channel, value) of the recorded readings as the feed gives them at `due`."""
    feed = ClosedLoopFeed(three_bus(), [Recorded(table)], Plant(), RealisedLog(directory), START, period)  # type: ignore[list-item, arg-type]
    feed.deliver(START, setpoints({"wind": 60.0}))
    while (batch := feed.next_until(due)) is not None:
        if batch.source == "recorded":
            found = zip(
                batch.readings.column("channel").to_pylist(), batch.readings.column("value").to_pylist(), strict=True
            )
            return sorted(found, key=lambda pair: pair[0])
    raise AssertionError("nothing was delivered")


def test_what_was_curtailed_is_taken_off_the_farms_own_reading(tmp_path: Path) -> None:
    table = readings({"wind/power": [90.0, 90.0, 90.0], "roof/power": [10.0, 10.0, 10.0]})
    found = delivered(table, tmp_path, PLANT_PERIOD, START + timedelta(minutes=20))
    assert [value for channel, value in found if channel == "wind/power"] == [60.0, 90.0, 75.0]
    assert [value for channel, value in found if channel == "roof/power"] == [10.0, 10.0, 10.0]


def test_a_reading_of_15_minutes_loses_the_mean_of_its_steps(tmp_path: Path) -> None:
    period = 3 * PLANT_PERIOD
    table = readings({"wind/power": [90.0, 90.0]}, period=period)
    found = delivered(table, tmp_path, period, START + timedelta(minutes=32))
    # (30 + 0 + 15) / 3 in the first quarter, (12 + 0 + 0) / 3 in the second.
    assert [value for _, value in found] == pytest.approx([75.0, 86.0])


def test_readings_from_before_the_plant_stay_as_recorded(tmp_path: Path) -> None:
    table = readings({"wind/power": [90.0, 90.0]}, start=START - PLANT_PERIOD)
    found = delivered(table, tmp_path, PLANT_PERIOD, START + timedelta(minutes=20))
    assert [value for _, value in found] == [90.0, 60.0]

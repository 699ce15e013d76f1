"""Fixed hydro and reserves: what dispatch takes as given is what the official series says of its periods."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from gridcore.asset import Asset, Technology
from gridcore.network import Branch, Bus, Network
from gridcore.reading import OFFICIAL_SCHEMA, READING_SCHEMA, OfficialValue, to_matrix
from gridcore.target import power_channel
from gridcore.timeline import PERIOD, periods_between
from ingest.rts_gmlc import RtsGmlc, read_rts_gmlc
from pipeline.exogenous import fixed_hydro

START = datetime(2024, 6, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Told:
    """Knows official values alone."""

    table: pa.Table
    instant: datetime

    def official(self, assets: object, start: datetime, end: datetime) -> pa.Table:
        valid = pc.field("valid_time")
        return self.table.filter(pc.field("asset").isin(assets) & (valid >= start) & (valid < end))

    def readings(self, channels: object, start: datetime, end: datetime) -> pa.Table:
        return READING_SCHEMA.empty_table()


def weir(says: OfficialValue) -> Network:
    """One bus with a hydro unit of 100 MW."""
    unit = Asset("weir", Technology.HYDRO, "A", 0.0, 100.0)
    buses, line = (Bus("A", "a", 1.0), Bus("B", "a", 0.0)), Branch("A-B", "A", "B", 0.1, 50.0)
    return Network("one", "UTC", buses, (line,), (), (unit,), official_hydro=says)


def told(values: list[float], period: timedelta = HOUR) -> Told:
    rows = [
        {"available_at": START, "issue_time": START, "valid_time": START + n * period, "asset": "weir", "power_mw": mw}
        for n, mw in enumerate(values)
    ]
    return Told(pa.Table.from_pylist(rows, schema=OFFICIAL_SCHEMA), START)


def hydro(known: Any, says: OfficialValue, begin: timedelta, periods: int) -> list[float]:
    valid_time = periods_between(START + begin, START + begin + periods * PERIOD)
    power: list[float] = fixed_hydro(known, weir(says), valid_time)[0].tolist()
    return power


def test_a_mean_holds_over_its_period() -> None:
    assert hydro(told([10.0, 40.0]), OfficialValue.MEAN, timedelta(0), 8) == [10.0] * 4 + [40.0] * 4


def test_a_ramp_ends_at_its_value() -> None:
    # From 10 to 40 MW in twelve steps of 2.5 MW: the first quarter of an hour is the mean of 12.5, 15 and 17.5.
    assert hydro(told([10.0, 40.0]), OfficialValue.RAMP, HOUR, 4) == pytest.approx([15.0, 22.5, 30.0, 37.5])


def test_the_first_value_known_holds_since_nothing_says_where_it_came_from() -> None:
    assert hydro(told([10.0, 40.0]), OfficialValue.RAMP, timedelta(0), 4) == [10.0] * 4


def test_a_series_of_another_period_is_read_by_its_own() -> None:
    three = told([10.0, 40.0], 3 * HOUR)
    assert hydro(three, OfficialValue.MEAN, 2 * HOUR, 8) == [10.0] * 4 + [40.0] * 4
    ramp = hydro(three, OfficialValue.RAMP, 3 * HOUR, 12)
    assert np.diff(ramp) == pytest.approx([30.0 / 12] * 11)


def test_a_day_not_yet_told_is_like_the_one_before() -> None:
    known = told([float(hour) for hour in range(24)])
    assert hydro(known, OfficialValue.RAMP, DAY + 5 * HOUR, 4) == hydro(known, OfficialValue.RAMP, 5 * HOUR, 4)


@pytest.fixture(scope="module")
def rts() -> RtsGmlc:
    return read_rts_gmlc()


def hydro_actual(rts: RtsGmlc, start: datetime, end: datetime) -> npt.NDArray[np.float64]:
    channels = [power_channel(unit.name) for unit in rts.network.of(Technology.HYDRO)]
    readings = rts.readings(start, end)
    return to_matrix(readings.filter(pc.field("channel").isin(channels)), channels, start, end, PERIOD)


@pytest.mark.parametrize("day", [1, 59, 121, 182, 243, 304, 363])
def test_hydro_of_rts_gmlc_is_what_flows(rts: RtsGmlc, day: int) -> None:
    # Seven stretches of two days and all 20 units; over the year the largest difference is 2e-14 MW, if held 34 MW.
    start = rts.first + day * DAY
    known: Any = Told(rts.official(start - DAY, start + 3 * DAY), start)
    rows = [rts.network.asset_index[unit.name] for unit in rts.network.of(Technology.HYDRO)]
    fixed = fixed_hydro(known, rts.network, periods_between(start, start + 2 * DAY))[rows]
    actual = hydro_actual(rts, start, start + 2 * DAY)
    assert len(rows) == 20
    assert np.abs(fixed - actual).max() < 1e-9
    held = fixed_hydro(
        known, replace(rts.network, official_hydro=OfficialValue.MEAN), periods_between(start, start + 2 * DAY)
    )[rows]
    assert np.abs(held - actual).max() > 1.0

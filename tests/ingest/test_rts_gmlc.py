"""Laws of the RTS-GMLC series that the rest of the project rests on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow.compute as pc
import pytest

from gridcore.asset import Technology
from gridcore.reading import OFFICIAL_SCHEMA, READING_SCHEMA, to_matrix
from gridcore.target import Kind, basic_targets
from gridcore.timeline import periods_between
from ingest.rts_gmlc import RtsGmlc

HOUR, FIVE_MINUTES = timedelta(hours=1), timedelta(minutes=5)


def official_matrix(rts: RtsGmlc, assets: list[str]) -> np.ndarray:
    table = rts.official(rts.first, rts.last)
    return to_matrix(table, assets, rts.first, rts.last, HOUR, key_column="asset", value_column="power_mw")


def hourly_matrix(rts: RtsGmlc, channels: list[str]) -> np.ndarray:
    parts = []
    for day in range(0, 366, 61):
        start, end = rts.first + timedelta(days=day), rts.first + timedelta(days=day + 61)
        table = rts.readings(start, end).filter(pc.field("channel").isin(channels))
        parts.append(to_matrix(table, channels, start, end, HOUR))
    return np.hstack(parts)


def test_a_leap_year_of_five_minutes_without_a_gap(rts: RtsGmlc) -> None:
    assert rts.first.isoformat() == "2020-01-01T08:00:00+00:00"
    assert rts.last - rts.first == timedelta(days=366)
    for day in (0, 59, 182, 365):
        table = rts.readings(rts.first + timedelta(days=day), rts.first + timedelta(days=day + 1))
        assert len(table) == 288 * (4 + 25 + 31 + 20 + 1 + 3)
        assert len(table.group_by(["channel", "valid_time"]).aggregate([])) == len(table)
        assert table.schema.equals(READING_SCHEMA)


def test_readings_come_in_order_six_minutes_after_their_start(rts: RtsGmlc) -> None:
    day = rts.readings(rts.first, rts.first + timedelta(days=1))
    keys = list(zip(*(day.column(name).to_pylist() for name in ("available_at", "channel", "valid_time")), strict=True))
    assert keys == sorted(keys)
    waits = set(pc.subtract(day.column("available_at"), day.column("valid_time")).to_pylist())
    assert waits == {FIVE_MINUTES + timedelta(seconds=rts.network.telemetry_latency_s)}


def test_a_stretch_is_a_slice_of_the_whole(rts: RtsGmlc) -> None:
    start, end = rts.first + timedelta(days=3, minutes=7), rts.first + timedelta(days=4)
    valid = rts.readings(start, end).column("valid_time")
    assert pc.min(valid).as_py() == rts.first + timedelta(days=3, minutes=10)
    assert pc.max(valid).as_py() == end - FIVE_MINUTES
    assert len(rts.readings(rts.last, rts.last + HOUR)) == 0


def test_the_sun_confirms_the_clock(rts: RtsGmlc) -> None:
    # The energy of a plant is centred on solar noon, 12:00 UTC - longitude / 15 h (the equation of time is 0 over a
    # year to 1 min; every sixth day stands for the year). A clock an hour off would not pass 15 minutes.
    targets = [t for t in basic_targets(rts.network) if t.kind in {Kind.PV, Kind.ROOFTOP_PV}]
    channels, power = [t.channel for t in targets], np.zeros(288)
    for day in range(0, 366, 6):
        start = datetime(2020, 1, 1, 8, tzinfo=UTC) + timedelta(days=day)
        end = start + timedelta(days=1)
        power += np.nansum(to_matrix(rts.readings(start, end), channels, start, end, FIVE_MINUTES), axis=0)
    longitude = np.average([t.longitude or 0.0 for t in targets], weights=[t.capacity_mw for t in targets])
    # These days begin at 08:00 UTC, night at the plants, so that none is cut by the night line of UTC.
    centre_h = 8.0 + np.average((np.arange(288) * 5.0 + 2.5) / 60.0, weights=power)
    assert centre_h == pytest.approx(12.0 - longitude / 15.0, abs=0.25)


def test_load_is_the_official_series_times_one_constant(rts: RtsGmlc) -> None:
    loads = ["1/load", "2/load", "3/load"]
    ratio = hourly_matrix(rts, loads) / official_matrix(rts, loads)
    assert ratio.mean(axis=1) == pytest.approx([0.9198, 0.9981, 0.9943], abs=1e-4)
    assert np.abs(ratio / ratio.mean(axis=1, keepdims=True) - 1).max() < 2e-4


def test_actual_hydro_ramps_from_one_official_value_to_the_next(rts: RtsGmlc) -> None:
    # The two files hold one series: the twelfth five minutes of an hour is the hour's official value, the others lie on
    # the straight line from the hour before (rounded to 1 kW in the file).
    names = [asset.name for asset in rts.network.of(Technology.HYDRO)]
    end = rts.first + timedelta(days=60)
    official = official_matrix(rts, names)[:, : 60 * 24]
    channels = [f"{name}/power" for name in names]
    actual = to_matrix(rts.readings(rts.first, end), channels, rts.first, end, FIVE_MINUTES).reshape(len(names), -1, 12)
    before = np.hstack([official[:, :1], official[:, :-1]])[:, :, None]
    ramp = before + (official[:, :, None] - before) * np.arange(1, 13) / 12.0
    assert np.abs(actual - ramp).max() < 1e-3


def test_the_official_series_of_a_day_comes_at_six_on_the_day_before(rts: RtsGmlc) -> None:
    table = rts.official(rts.first, rts.last)
    assert table.schema.equals(OFFICIAL_SCHEMA)
    assert len(table) == 366 * 24 * (4 + 25 + 31 + 20 + 1 + 3 + 7)
    local_h = 8  # the zone is 8 h behind UTC all year
    valid = table.column("valid_time").to_numpy() - np.timedelta64(local_h, "h")
    came = table.column("available_at").to_numpy() - np.timedelta64(local_h, "h")
    day_before = valid.astype("datetime64[D]") - np.timedelta64(1, "D")
    assert (came == day_before + np.timedelta64(6, "h")).all()
    assert table.column("issue_time").equals(table.column("available_at"))
    keys = np.lexsort((valid, table.column("asset").to_numpy(zero_copy_only=False).astype(str), came))
    assert (keys == np.arange(len(table))).all()


def test_official_values_are_those_of_the_file(rts: RtsGmlc) -> None:
    # First rows of DAY_AHEAD_wind.csv, DAY_AHEAD_regional_Flex_Up.csv (one day a row) and ..._Spin_Up_R1.csv.
    values = official_matrix(rts, ["309_WIND_1", "reserve/Flex_Up", "reserve/Spin_Up_R1"])[:, :2]
    assert values.tolist() == [[142.8, 139.1], [73.0, 60.0], [29.551, 29.572]]


def test_every_hour_of_the_year_has_its_official_value(rts: RtsGmlc) -> None:
    names = sorted(set(rts.official(rts.first, rts.first + HOUR).column("asset").to_pylist()))
    assert len(names) == 91
    assert np.isfinite(official_matrix(rts, names)).all()
    assert len(periods_between(rts.first, rts.last, HOUR)) == 8784


def test_the_hash_is_the_datas_own(rts: RtsGmlc) -> None:
    from ingest.rts_gmlc import read_rts_gmlc

    assert read_rts_gmlc().data_sha256() == rts.data_sha256()
    assert len(rts.data_sha256()) == 64


def test_the_notice_of_the_data_comes_along(rts: RtsGmlc) -> None:
    assert "DATA USE DISCLAIMER AGREEMENT" in rts.notice

"""The sun against pvlib's full ephemeris, and against the clock."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib
import pytest

from forecasting.solar import SolarGeometry
from gridcore.target import Kind, Target

DAYS = [np.datetime64(day) for day in ("2020-01-01", "2020-03-20", "2020-06-21", "2020-10-05", "2020-12-21")]


def at(latitude: float | None, longitude: float | None) -> Target:
    return Target("x", Kind.PV, 1.0, "x/power", latitude, longitude)


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize(("latitude", "longitude"), [(34.0, -115.0), (52.0, 10.0), (-30.0, 150.0)])
def test_zenith_is_within_four_tenths_of_a_degree_of_the_ephemeris(
    day: np.datetime64, latitude: float, longitude: float
) -> None:
    block = SolarGeometry([at(latitude, longitude)]).block(day, 1)
    middles = pd.date_range(pd.Timestamp(day, tz="UTC") + pd.Timedelta("7.5min"), periods=96, freq="15min")
    exact = pvlib.solarposition.ephemeris(middles, latitude, longitude)["zenith"].to_numpy()
    ours = np.degrees(np.arccos(block.cos_zenith[0]))
    assert np.abs(ours - exact).max() < 0.4


@pytest.mark.parametrize("day", DAYS)
def test_night_is_where_the_sun_is_below_the_horizon_all_period(day: np.datetime64) -> None:
    block = SolarGeometry([at(34.0, -115.0)]).block(day, 1)
    times = pd.date_range(pd.Timestamp(day, tz="UTC"), periods=96 * 15 + 1, freq="1min")
    up = pvlib.solarposition.ephemeris(times, 34.0, -115.0)["zenith"].to_numpy() < 90.0
    ever_up = np.array([up[15 * slot : 15 * slot + 16].any() for slot in range(96)])
    assert not (block.is_down[0] & ever_up).any()
    assert (block.is_down[0] == ~ever_up).mean() > 0.95


def test_solar_noon_on_the_zones_meridian_is_at_noon() -> None:
    # 120 W is the meridian of UTC-8; at the April equinox of time (15 April) the sun is highest at 12:00 +- 1 min.
    block = SolarGeometry([at(35.0, -120.0)]).block(np.datetime64("2020-04-15"), 2)
    first_day = block.cos_zenith[0][32:128]
    assert int(np.argmax(first_day)) in {47, 48}


def test_a_day_does_not_depend_on_what_else_was_asked() -> None:
    target = [at(34.0, -115.0), at(36.0, -110.0)]
    alone = SolarGeometry(target).block(DAYS[1], 1)
    among = SolarGeometry(target)
    among.block(DAYS[1] - 3, 7)
    assert alone.clear_sky.tobytes() == among.block(DAYS[1], 1).clear_sky.tobytes()


def test_without_coordinates_nothing_is_said_of_the_sun() -> None:
    block = SolarGeometry([at(None, None), at(34.0, -115.0)]).block(DAYS[0], 1)
    assert np.isnan(block.clear_sky[0]).all()
    assert not block.is_down[0].any()
    assert block.is_down[1].any()

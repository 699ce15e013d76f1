"""The oracle's clock: it speaks of the periods a forecaster of ours would, and says what the plant will answer with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from gridcore.forecast import Vintage
from gridcore.target import basic_targets, sum_targets
from gridcore.timeline import PERIOD, PLANT_PERIOD, from_numpy
from pipeline.oracle import Oracle
from pipeline.truth import Truth
from tests.builders import START, readings, three_bus

DAYS = 2
STEPS = DAYS * 288
NETWORK = three_bus()
WIND = np.arange(STEPS) % 150.0
"""Wind of each 5 minutes [MW]."""


def recorded() -> pa.Table:
    """Two days; a correction that came an hour late, and a reading no farm can give."""
    wind = WIND.copy()
    wind[30] = 4000.0
    series = {"wind/power": wind, "roof/power": np.full(STEPS, 7.0), "east/load": 100.0 + WIND}
    late = readings({"wind/power": [140.0]}, start=START + 12 * PLANT_PERIOD, revision=1, latency=timedelta(hours=1))
    return pa.concat_tables([readings(series), late])


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    end = START + timedelta(days=DAYS)
    return Oracle(NETWORK, basic_targets(NETWORK), sum_targets(NETWORK, {}), recorded(), START, end)


def issued(oracle: Oracle, issue_time: datetime, mode: str) -> Vintage:
    return oracle.issue(SimpleNamespace(instant=issue_time), issue_time, mode)  # type: ignore[arg-type]


def test_an_intraday_vintage_is_the_mean_of_the_four_hours_from_the_next_period_on(oracle: Oracle) -> None:
    vintage = issued(oracle, START + timedelta(hours=5), "intraday")
    assert from_numpy(vintage.valid_time[0]) == START + timedelta(hours=5) + PERIOD
    assert len(vintage.valid_time) == 16
    # 5 h 15 min are 63 steps of 5 min; the first period's are 63, 64 and 65 MW.
    expected = (63.0 + 3 * np.arange(16) + 1.0) % 150
    assert np.allclose(vintage.level("wind", 0.5), expected)
    assert np.allclose(vintage.level("east/load", 0.9), 100 + expected)
    assert np.allclose(vintage.level("system/wind", 0.1), expected)


def test_a_day_ahead_vintage_begins_at_the_next_midnight_and_repeats_the_last_day_beyond_the_truth(
    oracle: Oracle,
) -> None:
    vintage = issued(oracle, START + timedelta(hours=8), "day_ahead")
    assert from_numpy(vintage.valid_time[0]) == datetime(2025, 3, 2, tzinfo=UTC)
    assert len(vintage.valid_time) == 3 * 96
    wind = vintage.level("wind", 0.5)
    assert wind[0] == pytest.approx((288 + 1) % 150)
    assert np.array_equal(wind[96:192], wind[:96])
    assert np.array_equal(wind[192:], wind[:96])


def test_it_says_what_the_plant_answers_with_and_no_late_or_impossible_reading(oracle: Oracle) -> None:
    vintage = issued(oracle, START + timedelta(minutes=15), "intraday")
    truth = Truth(NETWORK, recorded())
    wind = NETWORK.asset_index["wind"]
    for column, begins in enumerate(vintage.valid_time):
        steps = [truth.available_mw(from_numpy(begins) + n * PLANT_PERIOD)[wind] for n in range(3)]
        assert vintage.level("wind", 0.5)[column] == pytest.approx(np.mean(steps))
    # Steps 12 to 14 stay 12, 13, 14 MW; of 30 to 32, the impossible first takes the value before it, 29.
    assert vintage.level("wind", 0.5)[2] == pytest.approx(13.0)
    assert vintage.level("wind", 0.5)[8] == pytest.approx((29.0 + 31.0 + 32.0) / 3)


def test_it_was_not_there_before_its_start(oracle: Oracle) -> None:
    with pytest.raises(ValueError, match="before its start"):
        issued(oracle, START - timedelta(hours=1), "intraday")

"""The truth behind a recording: revisions, gaps, implausible values, resolutions."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from gridcore.errors import BadInputError
from gridcore.reading import OUTAGE_SCHEMA
from gridcore.timeline import PLANT_PERIOD
from pipeline.truth import Truth
from tests.builders import START, readings, three_bus

STEPS = 6
QUIET = {"wind/power": [10.0] * STEPS, "roof/power": [1.0] * STEPS, "east/load": [50.0] * STEPS}


def _wind(truth: Truth, steps: int = STEPS) -> npt.NDArray[np.float64]:
    return np.array([truth.available_mw(START + n * PLANT_PERIOD)[2] for n in range(steps)])


def _truth(wind: list[float], *more: pa.Table) -> Truth:
    return Truth(three_bus(), pa.concat_tables([readings(QUIET | {"wind/power": wind}), *more]))


def test_a_gap_takes_the_last_value_and_a_late_start_the_first() -> None:
    nan = float("nan")
    assert _wind(_truth([nan, 20.0, nan, nan, 30.0, nan])).tolist() == [20.0, 20.0, 20.0, 20.0, 30.0, 30.0]


def test_what_comes_late_changes_no_truth() -> None:
    # The plant answers the truth at once; were a later correction in it, its telemetry would tell the future.
    corrected = readings({"wind/power": [44.0]}, revision=1, latency=timedelta(minutes=30))
    assert _wind(_truth([10.0] * STEPS, corrected)).tolist() == [10.0] * STEPS
    late = readings({"wind/power": [44.0]}, start=START + 2 * PLANT_PERIOD, latency=timedelta(hours=2))
    nan = float("nan")
    assert _wind(_truth([10.0, 10.0, nan, 12.0, 12.0, 12.0], late))[2] == 10.0


def test_an_implausible_value_or_a_clock_of_the_future_is_no_truth() -> None:
    assert _wind(_truth([10.0, 9999.0, 12.0, 12.0, 12.0, 12.0]))[1] == 10.0
    early = readings({"wind/power": [77.0]}, revision=1, latency=-timedelta(minutes=4))
    assert _wind(_truth([10.0] * STEPS, early))[0] == 10.0


def test_a_quarter_of_an_hour_holds_for_three_steps() -> None:
    quarter = timedelta(minutes=15)
    series = {"wind/power": [10.0, 40.0], "roof/power": [0.0, 0.0], "east/load": [50.0, 60.0]}
    truth = Truth(three_bus(), readings(series, period=quarter), period=quarter)
    assert _wind(truth).tolist() == [10.0] * 3 + [40.0] * 3
    assert truth.load_mw(START + 5 * PLANT_PERIOD).tolist() == [0.0, 60.0]


def test_output_stays_within_the_capacity() -> None:
    assert _wind(_truth([151.0, -3.0, 150.0, 0.0, 0.0, 0.0])).tolist()[:3] == [150.0, 0.0, 150.0]


def test_outages_hold_from_their_start_to_before_their_end() -> None:
    rows = [{"available_at": START, "asset": name, "from": START + PLANT_PERIOD, "until": START + 2 * PLANT_PERIOD}
            for name in ("gas", "cb")]  # fmt: skip
    truth = Truth(three_bus(), readings(QUIET), pa.Table.from_pylist(rows, schema=OUTAGE_SCHEMA))
    seen = [truth.out_of_service(START + n * PLANT_PERIOD) for n in range(3)]
    assert [assets.tolist() for assets, _ in seen] == [[False] * 5, [False, True, False, False, False], [False] * 5]
    assert [lines.tolist() for _, lines in seen] == [[False] * 3, [False, False, True], [False] * 3]


def test_a_farm_without_any_reading_is_named() -> None:
    with pytest.raises(BadInputError, match="wind/power"):
        Truth(three_bus(), readings({name: values for name, values in QUIET.items() if "wind" not in name}))


def test_an_instant_beyond_the_recording_is_refused() -> None:
    with pytest.raises(BadInputError, match="does not reach"):
        _truth([10.0] * STEPS).available_mw(START + STEPS * PLANT_PERIOD)


def test_a_correction_on_time_takes_the_place_of_what_it_corrects() -> None:
    """10 MW corrected to 110 and then to 120 is 120; a useless correction corrects nothing; repeats are averaged."""
    first = readings({"wind/power": [110.0, 9999.0]}, revision=1, latency=timedelta(seconds=30))
    second = readings({"wind/power": [120.0]}, revision=2, latency=timedelta(seconds=40))
    nan = float("nan")
    again = readings({"wind/power": [nan, nan, 30.0]}, latency=timedelta(seconds=50))
    assert _wind(_truth([10.0] * STEPS, second, first, again)).tolist() == [120.0, 10.0, 20.0, 10.0, 10.0, 10.0]

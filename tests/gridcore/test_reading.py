"""Laws of the step from long table to matrix."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from gridcore.reading import Quality, held_matrix, to_matrix
from gridcore.timeline import TIMESTAMP, periods_between, to_numpy

START = datetime(2020, 4, 18, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def table(rows, key="channel", value="value"):
    keys, instants, values, quality = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pa.table(
        {
            key: pa.array(keys, pa.string()),
            "valid_time": pa.array([to_numpy(i) for i in instants], pa.timestamp("us")).cast(TIMESTAMP),
            value: pa.array(values, pa.float64()),
            "quality": pa.array(quality, pa.int32()),
        }
    )


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 11), st.floats(-1e6, 1e6)), unique_by=lambda r: r[:2]))
def test_each_cell_is_the_mean_of_its_readings(rows):
    long = table([(f"c{c}", START + i * FIVE, v, 0) for c, i, v in rows])
    matrix = to_matrix(long, ["c0", "c1", "c2"], START, START + timedelta(hours=1), timedelta(minutes=15))
    for channel in range(3):
        for period in range(4):
            inside = [v for c, i, v in rows if c == channel and i // 3 == period]
            if inside:
                np.testing.assert_allclose(matrix[channel, period], np.mean(inside), atol=1e-6)
            else:
                assert np.isnan(matrix[channel, period])


def test_an_unusable_reading_is_no_reading():
    long = table([("c", START, 1e9, int(Quality.OUT_OF_RANGE)), ("c", START + FIVE, 2.0, int(Quality.LATE))])
    matrix = to_matrix(long, ["c"], START, START + 2 * FIVE, FIVE)
    assert np.isnan(matrix[0, 0])
    assert matrix[0, 1] == 2.0


def test_an_hourly_value_holds_its_hour_and_no_longer():
    long = table([("a", START, 5.0, 0), ("a", START + timedelta(hours=3), 7.0, 0)], "asset", "power_mw")
    periods = periods_between(START - timedelta(hours=1), START + timedelta(hours=5))
    held = held_matrix(long, ["a", "b"], periods)
    expected = np.full(24, np.nan)
    expected[4:8], expected[16:20] = 5.0, 7.0
    np.testing.assert_array_equal(held[0], expected)
    assert np.isnan(held[1]).all()

"""Laws of a vintage."""

from datetime import UTC, datetime

import numpy as np
import pytest

from gridcore.errors import BrokenInvariantError
from gridcore.forecast import FORECAST_SCHEMA, Vintage

ISSUE = datetime(2020, 4, 18, 8, tzinfo=UTC)
TIMES = np.array(["2020-04-18T08:15", "2020-04-18T08:30"], dtype="datetime64[us]")


def vintage(power):
    return Vintage(ISSUE, TIMES, ("b", "a"), (0.1, 0.5, 0.9), power, ("m-b", "m-a"), ISSUE, ("", "no history"))


def test_rows_say_what_the_vintage_says_in_the_agreed_order():
    power = np.arange(12, dtype=float).reshape(2, 2, 3)
    made = vintage(power)
    rows = made.to_table().to_pylist()
    assert made.to_table().schema == FORECAST_SCHEMA
    keys = [(row["valid_time"], row["target"], row["quantile"]) for row in rows]
    assert keys == sorted(keys)
    for row in rows:
        period = 0 if row["valid_time"].minute == 15 else 1
        expected = power[made.target_index[row["target"]], period, made.quantiles.index(row["quantile"])]
        assert row["power_mw"] == expected
        assert row["model_id"] == f"m-{row['target']}"
        assert row["fallback_reason"] == ("no history" if row["target"] == "a" else "")


@pytest.mark.parametrize("broken", [[3.0, 2.0, 1.0], [1.0, np.nan, 2.0]])
def test_crossing_or_missing_quantiles_are_refused_by_target(broken):
    power = np.zeros((2, 2, 3))
    power[1, 0] = broken
    with pytest.raises(BrokenInvariantError, match="asset a"):
        vintage(power)

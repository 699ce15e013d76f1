"""A training frame holds each channel's usable values in its column, whatever the number of channels."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from gridcore.reading import Quality
from storage.frame import CHANNELS_AT_A_TIME, training_frame
from tests.contracts.store_content import NEVER_REACHED, batch, minutes, reading
from tests.contracts.stores import embedded
from tests.storage.telemetry import STEP_US, channel_names, telemetry_batch


def test_a_frame_has_a_column_for_each_channel_and_a_row_for_each_period() -> None:
    channels, steps = 2 * CHANNELS_AT_A_TIME + 3, 5
    with embedded() as store:
        store.accept(telemetry_batch("plant/0", channels, 0, steps), ())
        names = [*reversed(channel_names(channels)), "nowhere/power"]
        period = timedelta(microseconds=STEP_US)
        frame = training_frame(store.known_at(NEVER_REACHED), names, minutes(0), minutes(30), period)
        assert list(frame.columns) == names
        assert list(frame.index) == [minutes(5 * step) for step in range(6)]
        numbers = np.arange(channels * steps, dtype=float).reshape(steps, channels)[:, ::-1]
        np.testing.assert_array_equal(frame.iloc[:steps, :channels], numbers)
        assert frame.iloc[steps].isna().all()
        assert frame["nowhere/power"].isna().all()


def test_a_frame_leaves_out_what_may_not_be_used_and_what_came_later() -> None:
    with embedded() as store:
        rows = [reading("W1/power", 0, 5.0, 6), reading("W1/power", 15, 99.0, 21, 0, int(Quality.OUT_OF_RANGE))]
        store.accept(batch(0, [*rows, reading("W1/power", 0, 7.0, 60, 1)]), ())
        frame = training_frame(store.known_at(minutes(30)), ["W1/power"], minutes(0), minutes(30))
        np.testing.assert_array_equal(frame["W1/power"], [5.0, np.nan])

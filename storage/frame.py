"""Training frames: a year of many channels as one pandas frame, without holding all of its rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from gridcore.ports import Known
from gridcore.reading import to_matrix
from gridcore.timeline import PERIOD, periods_between

CHANNELS_AT_A_TIME = 32
"""Channels whose rows are in memory together: a year at 15 minutes of so many is 1.1 million rows, 45 MB."""


def training_frame(
    known: Known, channels: Sequence[str], start: datetime, end: datetime, resolution: timedelta = PERIOD
) -> pd.DataFrame:
    """Usable values by period and channel, as known at an instant; NaN where there is none.

    Args:
        known: What was known at the instant.
        channels: Columns of the frame, in order.
        start: First period start.
        end: End of the last period (exclusive).
        resolution: Period length; finer readings are averaged.

    Returns:
        Shape (periods, channels), indexed by valid_time in UTC.
    """
    periods = periods_between(start, end, resolution)
    values = np.empty((len(channels), len(periods)))
    for first in range(0, len(channels), CHANNELS_AT_A_TIME):
        some = channels[first : first + CHANNELS_AT_A_TIME]
        values[first : first + len(some)] = to_matrix(known.readings(some, start, end), some, start, end, resolution)
    index = pd.DatetimeIndex(periods, tz="UTC", name="valid_time")
    return pd.DataFrame(values.T, index=index, columns=list(channels), copy=False)

"""Regular series as tables: a matrix of values by period and name becomes readings or official forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.reading import OFFICIAL_SCHEMA, READING_SCHEMA
from gridcore.timeline import TIMESTAMP, Instants, at_local_time, to_numpy
from ingest.channels import Channel

Values = npt.NDArray[np.float64]
"""Values by period and name, shape (periods, names)."""

PUBLISHED_HOUR = 6
"""Official forecasts of day D are given out at this hour of grid time on D-1 (issue 3: never earlier)."""


def between(valid_time: Instants, start: datetime, end: datetime) -> slice:
    """Rows of ascending period starts that lie in [start, end)."""
    first, last = np.searchsorted(valid_time, np.array([to_numpy(start), to_numpy(end)]))
    return slice(int(first), max(int(first), int(last)))


def instants(values: Instants) -> pa.Array:
    """The instants as an Arrow column."""
    return pa.array(values.astype("datetime64[us]")).cast(TIMESTAMP)


def words(names: Sequence[str], rows: npt.NDArray[np.integer]) -> pa.Array:
    """A text column from row numbers into names; far faster than a Python string for each row."""
    return pa.DictionaryArray.from_arrays(pa.array(rows.astype(np.int32)), pa.array(names, pa.string())).cast(
        pa.string()
    )


def readings_of(
    valid_time: Instants, channels: Sequence[Channel], values: Values, period: timedelta, latency_s: float
) -> pa.Table:
    """`READING_SCHEMA` of complete telemetry that always came `latency_s` after its period's end.

    Args:
        valid_time: Period starts, ascending, shape (periods,).
        channels: The columns of `values`, sorted by name.
        values: Shape (periods, channels) [the channels' units].
        period: Length of a period.
        latency_s: Delay between a period's end and arrival [s].

    Returns:
        Sorted by available_at, channel, valid_time.
    """
    periods, width = values.shape
    rows = np.tile(np.arange(width), periods)
    valid = np.repeat(valid_time, width)
    columns = [
        instants(valid + np.timedelta64(period + timedelta(seconds=latency_s))),
        instants(valid),
        words([channel.site for channel in channels], rows),
        words([channel.name for channel in channels], rows),
        words([channel.quantity for channel in channels], rows),
        pa.array(np.ascontiguousarray(values).reshape(-1)),
        words([channel.unit for channel in channels], rows),
        pa.array(np.zeros(len(rows), np.int32)),
        pa.array(np.zeros(len(rows), np.int32)),
    ]
    return pa.Table.from_arrays(columns, schema=READING_SCHEMA)


def official_of(valid_time: Instants, assets: Sequence[str], values: Values, zone: ZoneInfo) -> pa.Table:
    """`OFFICIAL_SCHEMA` of day-ahead series: day D of the grid's zone is given out at 06:00 on D-1.

    Args:
        valid_time: Period starts, ascending, shape (periods,).
        assets: The columns of `values`, in any order.
        values: Shape (periods, assets) [MW].
        zone: The grid's zone, whose days these are.

    Returns:
        Sorted by available_at, asset, valid_time.
    """
    given_out = _given_out(valid_time, zone)
    order = np.argsort(np.array(assets, dtype=str))
    day = np.searchsorted(np.unique(given_out), given_out)
    hour, column = np.divmod(np.arange(values.size), len(assets))
    by_key = np.lexsort((hour, column, day[hour]))
    hour, column = hour[by_key], order[column[by_key]]
    issued = instants(given_out[hour])
    columns = [issued, issued, instants(valid_time[hour]), words(assets, column), pa.array(values[hour, column])]
    return pa.Table.from_arrays(columns, schema=OFFICIAL_SCHEMA)


def _given_out(valid_time: Instants, zone: ZoneInfo) -> Instants:
    """Instant at which the official value of each period is given out, shape (periods,)."""
    issue_of: dict[date, np.datetime64] = {}
    given_out = np.empty(len(valid_time), "datetime64[us]")
    for row, instant in enumerate(valid_time.astype("datetime64[us]").astype(datetime)):
        day = instant.replace(tzinfo=ZoneInfo("UTC")).astimezone(zone).date()
        if day not in issue_of:
            issue_of[day] = to_numpy(at_local_time(day - timedelta(days=1), PUBLISHED_HOUR, zone))
        given_out[row] = issue_of[day]
    return given_out

"""The time line: UTC inside, period starts, 15-minute decisions; conversions between Python, numpy and Arrow.

A `valid_time` is the start of the period that a value is about. Scalars are aware `datetime` in UTC; arrays are
`datetime64[us]` in UTC; Arrow columns are `timestamp[us, UTC]`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.errors import BadInputError

PERIOD = timedelta(minutes=15)
"""Resolution of forecasts, plans and setpoints: 96 points on a day without clock change."""

PLANT_PERIOD = timedelta(minutes=5)
"""Resolution of telemetry and of the simulated plant."""

TIMESTAMP = pa.timestamp("us", tz="UTC")
"""Arrow type of every instant in a table or a file."""

Instants = npt.NDArray[np.datetime64]
"""Array of instants, `datetime64[us]`, UTC."""


def to_numpy(instant: datetime) -> np.datetime64:
    """The instant as `datetime64[us]` in UTC; raises `BadInputError` for a naive one."""
    if instant.tzinfo is None:
        raise BadInputError("an instant without offset", instant=instant.isoformat(), wanted="an offset, e.g. Z")
    return np.datetime64(instant.astimezone(UTC).replace(tzinfo=None), "us")


def from_numpy(instant: np.datetime64) -> datetime:
    """The instant as an aware `datetime` in UTC."""
    naive: datetime = instant.astype("datetime64[us]").item()
    return naive.replace(tzinfo=UTC)


def periods_between(start: datetime, end: datetime, resolution: timedelta = PERIOD) -> Instants:
    """Period starts in [start, end), shape (periods,)."""
    return np.arange(to_numpy(start), to_numpy(end), np.timedelta64(resolution))


def floor_to(instants: Instants, resolution: timedelta) -> Instants:
    """Each instant's period start, for a resolution that divides a day."""
    step = np.timedelta64(resolution).astype("timedelta64[us]").astype(np.int64)
    whole = instants.astype("datetime64[us]").astype(np.int64)
    return np.asarray((whole - whole % step).astype("datetime64[us]"))


def time_zone(name: str) -> ZoneInfo:
    """The named IANA zone; raises `BadInputError` for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as cause:
        raise BadInputError("unknown time zone", got=name, wanted="an IANA name, e.g. Asia/Shanghai") from cause


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a day of the grid's own zone, in UTC (days of 23 or 25 h keep their length)."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The day of the grid's own zone that the instant lies in."""
    return instant.astimezone(zone).date()


def at_local_time(day: date, hour: int, zone: ZoneInfo) -> datetime:
    """The instant of `hour`:00 on a day of the grid's own zone, in UTC."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=zone).astimezone(UTC)

"""Which periods a vintage is about, in the grid's own days, and the blocks of lead time that share weights."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from forecasting.settings import DAYS_AHEAD, SLOT, STEPS_INTRADAY, Mode
from gridcore.timeline import PERIOD, Instants, day_start, floor_to, from_numpy, local_day, periods_between, to_numpy

BLOCKS = {Mode.INTRADAY: ("15-60 min", "60-240 min"), Mode.DAY_AHEAD: ("D+1", "D+2", "D+3")}
"""Lead blocks of each mode: the first hour is telemetry's, the rest the weather's; then days."""

FIRST_HOUR_STEPS = 4
"""Steps of the first intraday block."""


def valid_times(issue_time: datetime, mode: Mode, zone: ZoneInfo) -> Instants:
    """Period starts of the vintage issued at `issue_time`, shape (steps,).

    Intraday t+15 min to t+4 h; day-ahead three whole local days from the next local midnight on, so that the day of a
    clock change has 92 or 100 periods.
    """
    if mode is Mode.INTRADAY:
        first = floor_to(np.array([to_numpy(issue_time)]), PERIOD)[0] + SLOT
        return np.asarray(first + np.arange(STEPS_INTRADAY) * SLOT)
    today = local_day(issue_time, zone)
    start = day_start(today + timedelta(days=1), zone)
    return periods_between(start, day_start(today + timedelta(days=1 + DAYS_AHEAD), zone))


def block_of(valid: Instants, issue: datetime, mode: Mode, zone: ZoneInfo) -> npt.NDArray[np.int64]:
    """Index into `BLOCKS[mode]` of each period, shape (steps,); what lies beyond counts to the last block."""
    if mode is Mode.INTRADAY:
        lead = ((valid - to_numpy(issue)) // SLOT).astype(np.int64)
        return np.where(lead <= FIRST_HOUR_STEPS, 0, 1).astype(np.int64)
    today = local_day(issue, zone)
    ends = [to_numpy(day_start(today + timedelta(days=2 + day), zone)) for day in range(DAYS_AHEAD - 1)]
    return np.searchsorted(np.array(ends), valid, side="right").astype(np.int64)


class LocalTime:
    """Local wall time of many instants: the zone's offset by half-hour, over a span.

    Args:
        zone: The grid's zone.
        start: First instant that is asked for.
        end: Last instant that is asked for.
    """

    STEP = np.timedelta64(1_800_000_000, "us")

    def __init__(self, zone: ZoneInfo, start: np.datetime64, end: np.datetime64) -> None:
        self._start = start.astype("datetime64[D]").astype("datetime64[us]") - 10 * np.timedelta64(1, "D")
        count = int((end - self._start) // self.STEP) + 2
        self._offset = _offsets(zone, self._start, count, self.STEP)

    def offset(self, instants: Instants) -> npt.NDArray[np.timedelta64]:
        """Local time minus UTC, same shape."""
        index = ((instants - self._start) // self.STEP).astype(np.int64)
        return np.asarray(self._offset[np.clip(index, 0, len(self._offset) - 1)])

    def wall(self, instants: Instants) -> Instants:
        """Local wall time as naive `datetime64[us]`."""
        return np.asarray(instants + self.offset(instants))

    def days_before(self, instants: Instants, days: int) -> Instants:
        """The same wall time some local days before; in a skipped hour the instant an hour off."""
        shifted = instants - days * np.timedelta64(86_400_000_000, "us")
        return np.asarray(shifted + (self.offset(instants) - self.offset(shifted)))


def _offsets(zone: ZoneInfo, start: np.datetime64, count: int, step: np.timedelta64) -> npt.NDArray[np.timedelta64]:
    """Offset at each step; days whose two ends agree are filled at once, since asking is slow."""
    per_day = int(np.timedelta64(1, "D") // step)
    result = np.empty(count, dtype="timedelta64[us]")
    for first in range(0, count, per_day):
        stop = min(first + per_day, count)
        ends = [_offset_at(zone, start + index * step) for index in (first, first + per_day)]
        if ends[0] == ends[1]:
            result[first:stop] = ends[0]
        else:
            result[first:stop] = [_offset_at(zone, start + index * step) for index in range(first, stop)]
    return result


def _offset_at(zone: ZoneInfo, instant: np.datetime64) -> np.timedelta64:
    offset = from_numpy(instant).astimezone(UTC).astimezone(zone).utcoffset()
    return np.timedelta64(int((offset or timedelta(0)).total_seconds() * 1_000_000), "us")

"""When what is due: a tick every 15 minutes, the day-ahead gate each morning, refits at midnight of the grid's zone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gridcore.timeline import PERIOD, at_local_time, day_start, local_day

GATE_HOUR = 8
"""Local hour of the day-ahead gate: the official series of the next day is there since 06:00."""

REFIT_DAYS = 7
"""Days between two fits of the models."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One instant at which the loop decides."""

    due: datetime
    """The instant; its plan covers due + 15 min to due + 240 min."""

    is_gate: bool
    """The day-ahead forecast and commitment are due."""

    is_refit: bool
    """The models are due to be fitted again."""

    @property
    def is_hourly(self) -> bool:
        """The plan's first period begins a full hour: the hourly commitment is due."""
        return (self.due + PERIOD).minute == 0


def ticks(start: datetime, end: datetime, zone: ZoneInfo, origin: datetime | None = None) -> Iterator[Tick]:
    """The ticks whose setpoints are valid in [start, end).

    The setpoints for [start, start + 15 min) are decided 15 min before `start`.

    Args:
        start: Start of the first period to be controlled.
        end: End of the last one.
        zone: The grid's zone.
        origin: Instant that refit days are counted from; `start` by default.
    """
    first_day = local_day(origin or start, zone)
    due = start - PERIOD
    while due + PERIOD < end:
        day = local_day(due, zone)
        is_midnight = due == day_start(day, zone)
        is_refit = is_midnight and (day - first_day).days > 0 and (day - first_day).days % REFIT_DAYS == 0
        yield Tick(due, due == at_local_time(day, GATE_HOUR, zone), is_refit)
        due += PERIOD


def next_midnight(instant: datetime, zone: ZoneInfo) -> datetime:
    """The first local midnight after `instant`."""
    return day_start(local_day(instant, zone) + timedelta(days=1), zone)

"""The clock: the only place in the house that asks for the present instant.

A live run wires `SystemClock`; a replay wires `VirtualClock`, which the loop moves; `AcceleratedClock` is a live run
on recorded time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the present instant and waits for a later one."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def wait_until(self, instant: datetime) -> None:
        """Return when the present instant is `instant` or later."""
        ...


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC)

    def wait_until(self, instant: datetime) -> None:
        """Sleep until `instant`; returns at once when it is past."""
        while (left_s := (instant - self.now()).total_seconds()) > 0:
            time.sleep(min(left_s, 1.0))


class VirtualClock:
    """A clock that stands still until it is told to move; it never goes back."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """The instant the clock was last moved to."""
        return self._now

    def wait_until(self, instant: datetime) -> None:
        """Move to `instant` at once."""
        self._now = max(self._now, instant)


class AcceleratedClock:
    """A clock that runs `speed` times as fast as the machine's, from `start`.

    Args:
        start: First instant it shows.
        speed: Virtual seconds for each real second, above 0.
    """

    def __init__(self, start: datetime, speed: float) -> None:
        self._start, self._speed = start, speed
        self._origin_s = time.monotonic()

    def now(self) -> datetime:
        """The present virtual instant."""
        return self._start + timedelta(seconds=(time.monotonic() - self._origin_s) * self._speed)

    def wait_until(self, instant: datetime) -> None:
        """Sleep real time until the virtual clock shows `instant`."""
        while (left_s := (instant - self.now()).total_seconds() / self._speed) > 0:
            time.sleep(min(left_s, 1.0))

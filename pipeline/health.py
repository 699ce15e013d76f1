"""Health: is the process alive, and is it ready; if not, why, in words that name the part."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from time import perf_counter

from pipeline.observer import Unobserved

LIVE_WITHIN_S = 60.0
"""A loop that has not come round for so long hangs: longer than a batch and a lost connection's time-out take [s]."""

LIVE_WITHIN_FIT_S = 900.0
"""The same for a loop that also fits and decides, which takes it minutes [s]."""

LOOP = "loop"
"""The part that is the loop: not well until its first tick or batch can come."""

STREAM = "stream"
"""The part that is Kafka: ill while partitions are not read to their ends."""

STORE = "store"
"""The part that is the store: ill while it does not answer."""


class Health(Unobserved):
    """An `Observer` that knows what is wrong, by part; told by the parts, asked by the web, from any thread.

    Args:
        parts: Parts that must say that they are well before the process is ready.
        live_within_s: How long the loop may take to come round [s].
        now_s: A clock that never goes back [s].
    """

    def __init__(
        self, *parts: str, live_within_s: float = LIVE_WITHIN_S, now_s: Callable[[], float] = perf_counter
    ) -> None:
        self._reasons = dict.fromkeys(parts, "starting")
        self._lock, self._now_s, self._live_within_s = Lock(), now_s, live_within_s
        self._beat_s = now_s()

    def turned(self) -> None:
        """The loop has come round."""
        self._beat_s = self._now_s()

    def ill(self, part: str, reason: str) -> None:
        """A part can't do its work, and why."""
        with self._lock:
            self._reasons[part] = reason

    def well(self, part: str) -> None:
        """A part can do its work."""
        with self._lock:
            self._reasons.pop(part, None)

    def hanging(self) -> str:
        """Why the process is not alive; empty where it is."""
        silent_s = self._now_s() - self._beat_s
        return f"the loop has not come round for {silent_s:.0f} s" if silent_s > self._live_within_s else ""

    def reasons(self) -> dict[str, str]:
        """Why the process is not ready, by part; empty where it is."""
        with self._lock:
            found = dict(sorted(self._reasons.items()))
        return found | ({LOOP: hanging} if (hanging := self.hanging()) else {})

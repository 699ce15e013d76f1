"""A store that a live run outlives: lost, it is waited for and opened anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from gridcore.clock import Clock
from gridcore.errors import StoreConflictError, StoreUnreachableError
from gridcore.ports import Receipt, Store
from pipeline.stores import open_store

STORE_AWAY = timedelta(seconds=1)
"""Pause before a store that did not answer is asked again."""


class LastingStore:
    """Holds the store that is open at the moment.

    Args:
        where: Directory or address.
        clock: Waits.

    Raises:
        BadInputError: It can't be opened.
        StoreUnreachableError: It does not answer at the first time: an address may be wrong.
    """

    def __init__(self, where: str | Path, clock: Clock) -> None:
        self._where, self._clock = where, clock
        self.store: Store = open_store(where)

    def receipt(self, key: str) -> Receipt | None:
        """The receipt of a key, by the store that is open."""
        return self.store.receipt(key)

    def reopen(self, turned: Callable[[], None]) -> None:
        """Wait until the store answers, for as long as it takes.

        What the old one had in memory goes: whether its last step was committed, only the new one's offsets tell.

        Args:
            turned: Called before each try: who waits does not hang.
        """
        self.store.close()
        while True:
            turned()
            self._clock.wait_until(self._clock.now() + STORE_AWAY)
            try:
                self.store = open_store(self._where)
            except (StoreUnreachableError, StoreConflictError):
                continue
            return

    def close(self) -> None:
        """Release it."""
        self.store.close()

"""Observers: whom the loop and the commands tell what they did; what they are told changes nothing that is decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from gridcore.ports import Batch, Counts


class Observer(Protocol):
    """Is told what happened, after it happened."""

    def turned(self) -> None:
        """The loop has come round: it looks for what has come."""
        ...

    def kept(self, batch: Batch, counts: Counts, seconds: float) -> None:
        """A batch is committed; its checks and its commit took so long [s]."""
        ...

    def ticked(self, due: datetime, seconds: float, readiness: Mapping[str, str]) -> None:
        """A tick is published, so long after it began [s].

        Args:
            due: The tick.
            seconds: From its start to its publication [s].
            readiness: Why its readings were taken to be complete, by source: `read_past`, `at_end` or `grace_over`.
        """
        ...


class Unobserved:
    """Nobody is told."""

    def turned(self) -> None:
        """Nothing."""

    def kept(self, batch: Batch, counts: Counts, seconds: float) -> None:
        """Nothing."""

    def ticked(self, due: datetime, seconds: float, readiness: Mapping[str, str]) -> None:
        """Nothing."""


class Observers:
    """Several that are told one after the other."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def turned(self) -> None:
        """The loop has come round."""
        for observer in self._observers:
            observer.turned()

    def kept(self, batch: Batch, counts: Counts, seconds: float) -> None:
        """A batch is committed."""
        for observer in self._observers:
            observer.kept(batch, counts, seconds)

    def ticked(self, due: datetime, seconds: float, readiness: Mapping[str, str]) -> None:
        """A tick is published."""
        for observer in self._observers:
            observer.ticked(due, seconds, readiness)

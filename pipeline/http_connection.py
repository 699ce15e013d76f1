"""Connections of the web server with bounds of their own: silent and slow ones make room for those that speak.

uvicorn waits for ever for a request's head, and holds a silent connection for ever. Some hundreds of them, which need
no token, would shut the door for everyone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True)
class Bounds:
    """What a connection may take, and how many there may be."""

    connections: int = 500
    """Open at most; one more closes the one that has been silent longest, or is answered 503 where none is.

    A process may often open 1,024 files, of which the store and Kafka's client need some.
    """

    head_s: float = 10.0
    """How long a connection may take until a request's head is whole, however often it sends a little [s]."""

    request_s: float = 90.0
    """How long a request may take until its answer is taken [s]; longer than its body and its commit may."""


class BoundedConnection(H11Protocol):
    """A connection that is closed once it has been silent or busy too long.

    Args:
        bounds: How long.
        told: What uvicorn tells a protocol.
    """

    def __init__(self, *told: Any, bounds: Bounds, **named: Any) -> None:
        super().__init__(*told, **named)
        self._bounds = bounds
        self._timer: asyncio.TimerHandle | None = None
        self.silent_since = self.loop.time()

    @property
    def is_silent(self) -> bool:
        """No request is being answered: none came yet, or only a part of its head."""
        # uvicorn types it without the None that it has before the first request.
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Open; where there are too many, the longest silent one goes."""
        super().connection_made(transport)
        self._watch()
        if len(self.connections) < self._bounds.connections:
            return
        others = [each for each in self.connections if isinstance(each, BoundedConnection) and each is not self]
        if silent := [each for each in others if each.is_silent]:
            oldest = min(silent, key=lambda each: each.silent_since)
            # Counted as gone at once: uvicorn would answer 503 until the loop comes to it.
            self.connections.discard(oldest)
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone."""
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes came; as long as they are no whole head, the time goes on running."""
        was_silent = self.is_silent
        super().data_received(data)
        if was_silent and not self.is_silent:
            self._watch()

    def on_response_complete(self) -> None:
        """An answer is out."""
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        """Let the time run anew, for what is now waited for."""
        self._unwatch()
        self.silent_since = self.loop.time()
        if not self.transport.is_closing():
            seconds = self._bounds.head_s if self.is_silent else self._bounds.request_s
            self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

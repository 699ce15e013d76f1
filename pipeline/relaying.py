"""The relay beside a run, or alone: a thread that sends what the store holds for others while the loop goes on.

The broker may be away for as long as it likes: messages wait in the store, and no decision waits for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread

from gridcore.clock import Clock, SystemClock
from gridcore.errors import StoreConflictError, StoreUnreachableError
from pipeline.stores import open_tables
from pipeline.stream_settings import StreamSettings
from storage.relay import Relay

LOOK_S = 0.5
"""How often the outbox is looked into where nobody wakes the relay [s]."""


@contextmanager
def relayed(where: str | Path, stream: StreamSettings | None) -> Iterator[Callable[[], None]]:
    """Send beside the block what its run publishes, all of it by its end unless the broker does not answer.

    Args:
        where: Directory or address of the run's store.
        stream: Where messages go; None, or one that leaves it to `xiaona relay`: nothing is sent.

    Yields:
        To be called after a decision: it wakes the relay, and raises what ended it.
    """
    if stream is None or not stream.publishes:
        yield _nothing
        return
    relay = RelayThread(where, stream, SystemClock())

    def published() -> None:
        relay.wake()
        relay.demand_good()

    try:
        yield published
    finally:
        relay.close()
    relay.demand_good()


def _nothing() -> None:
    """Nobody sends."""


class RelayThread:
    """Sends until it is closed.

    Args:
        where: Directory or address of the store, which must be there; the thread has a connection of its own.
        stream: Where messages go.
        clock: The machine's.

    Raises:
        BadInputError: No broker answers, it refuses us, or a topic is missing.
    """

    def __init__(self, where: str | Path, stream: StreamSettings, clock: Clock) -> None:
        from storage.kafka_outlet import KafkaOutlet

        self._where, self._clock = where, clock
        self._is_ending, self._work = Event(), Event()
        self._failure: BaseException | None = None
        # When the thread last found nothing to send, and when it began to send; None while the other holds.
        self._idle_since: datetime | None = None
        self._busy_since: datetime | None = clock.now()
        self.sent: Counter[str] = Counter()
        self._outlet = KafkaOutlet(stream.client(), stream.prefix, is_ending=self._is_ending.is_set)
        self._thread = Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to send: a decision was published."""
        self._work.set()

    def demand_good(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self._failure is not None:
            raise self._failure

    @property
    def complaint(self) -> str:
        """What the broker's client said last, empty where it never complained."""
        return self._outlet.complaint

    @property
    def idle_for(self) -> timedelta | None:
        """How long nothing has been pending; None while something is."""
        return None if (since := self._idle_since) is None else self._clock.now() - since

    @property
    def busy_for(self) -> timedelta:
        """How long the round under way has lasted, or none is."""
        return timedelta(0) if (since := self._busy_since) is None else self._clock.now() - since

    def close(self) -> None:
        """Send what is pending, unless the broker does not answer, and end."""
        self._is_ending.set()
        self._work.set()
        self._thread.join()
        self._outlet.close()

    def _run(self) -> None:
        try:
            tables = open_tables(self._where)
            try:
                relay = Relay(tables, self._outlet, self._clock)
                while self._look(relay) or not self._is_ending.is_set():
                    pass
            finally:
                tables.close()
        except BaseException as failure:
            self._failure = failure

    def _look(self, relay: Relay) -> bool:
        """One round; whether something was sent. Without anything to send it waits to be woken."""
        self._work.clear()
        self._busy_since = began = self._clock.now()
        sent: Counter[str] | None = None
        # Locked, or away: what was sent meanwhile is sent again, under the same ids.
        with suppress(StoreConflictError, StoreUnreachableError):
            sent = relay.step()
        self._busy_since = None
        if sent:
            self.sent.update(sent)
            self._idle_since = None
        elif sent is not None and self._idle_since is None:
            self._idle_since = began
        if not sent and not self._is_ending.is_set():
            self._work.wait(LOOK_S)
        return bool(sent)

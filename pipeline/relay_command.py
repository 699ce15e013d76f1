"""`xiaona relay`, and the relay beside a live run: what the store has to tell goes out to Kafka."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from gridcore.clock import Clock, SystemClock
from gridcore.errors import GridError
from pipeline import console
from pipeline.stores import open_store
from pipeline.stream_settings import StreamSettings
from storage.address import is_server
from storage.kafka_outlet import KafkaOutlet
from storage.relay import EmbeddedOutbox, Relay

NAP = timedelta(seconds=0.1)
"""Pause before a store that had nothing to tell is asked again."""

RETRY = timedelta(seconds=1)
"""Pause beside a live run before a broker that did not take messages is tried again; they wait in the store."""


def run_relay(store_at: str, settings: StreamSettings, until_idle_s: float | None, *, as_json: bool) -> None:
    """Send what waits, and go on until stopped, or until nothing waited for a while.

    Args:
        store_at: Directory or address of the store.
        settings: Where it goes.
        until_idle_s: Seconds without anything to send after which it ends; None to go on [s].
        as_json: Print JSON alone.
    """
    clock, sent = SystemClock(), 0
    with _outbox(store_at) as outbox:
        relay = Relay(outbox, KafkaOutlet(settings.client(), settings.prefix))
        quiet_since = clock.now()
        while True:
            if done := relay.step():
                sent, quiet_since = sent + done, clock.now()
            elif until_idle_s is not None and clock.now() - quiet_since >= timedelta(seconds=until_idle_s):
                break
            else:
                clock.wait_until(clock.now() + NAP)
    if as_json:
        console.print_json({"sent": sent})
    else:
        console.results.print(f"sent {sent}")


@contextmanager
def relaying(store_at: str, settings: StreamSettings | None) -> Iterator[None]:
    """A relay in a thread of its own while the block runs; at its end it sends what is left, or leaves it waiting.

    Nothing is sent without a stream, or for one that does not publish. A broker that is away does not stop the run:
    what it should have had stays in the outbox, and is tried again.
    """
    if settings is None or not settings.publishes:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_relay_until, args=(stop.is_set, store_at, settings, SystemClock()), name="relay")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _relay_until(stopped: Callable[[], bool], store_at: str, settings: StreamSettings, clock: Clock) -> None:
    with _outbox(store_at) as outbox:
        relay = Relay(outbox, KafkaOutlet(settings.client(), settings.prefix))
        while True:
            is_last = stopped()
            try:
                done = relay.step()
            except GridError as error:
                console.errors.print(f"relay: {error}", highlight=False, markup=False)
                if is_last:
                    return
                clock.wait_until(clock.now() + RETRY)
                continue
            if not done:
                if is_last:
                    return
                clock.wait_until(clock.now() + NAP)


@contextmanager
def _outbox(store_at: str) -> Iterator[Any]:
    """The outbox of a store that another process or thread may have open."""
    opened: Any = open_store(store_at) if is_server(store_at) else EmbeddedOutbox(Path(store_at))
    try:
        yield opened
    finally:
        opened.close()

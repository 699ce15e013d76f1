"""`xiaona relay`: what a store holds for others goes to its topics, beside whoever writes the store or after it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from gridcore.clock import SystemClock
from gridcore.errors import BadInputError
from pipeline import console
from pipeline.relaying import RelayThread
from pipeline.stream_settings import StreamSettings
from storage.address import is_server
from storage.database import DATABASE_FILE

NAP = timedelta(seconds=0.2)
"""How often the thread is asked how it is."""

AWAY = timedelta(seconds=10)
"""A broker that has not answered for so long is told of."""


def run_relay(where: str, stream: StreamSettings, until_idle: timedelta | None, *, as_json: bool) -> None:
    """Send what is pending.

    Args:
        where: Directory or address of the store.
        stream: Where messages go.
        until_idle: Ends when nothing has been pending for so long; None: goes on until it is ended.
        as_json: Print JSON alone.

    Raises:
        BadInputError: There is no store, no broker answers, it refuses us, or a topic is missing.
    """
    if not is_server(where) and not (Path(where) / DATABASE_FILE).is_file():
        raise BadInputError("no store", file=where, wanted="the directory of a store, or postgresql://...")
    clock = SystemClock()
    relay = RelayThread(where, stream, clock)
    try:
        told = ""
        while until_idle is None or (idle_for := relay.idle_for) is None or idle_for < until_idle:
            relay.demand_good()
            if relay.busy_for > AWAY and relay.complaint != told:
                told = relay.complaint
                console.errors.print(f"waiting for the broker: {told}", highlight=False, markup=False)
            clock.wait_until(clock.now() + NAP)
    finally:
        relay.close()
    relay.demand_good()
    _show(dict(sorted(relay.sent.items())), as_json=as_json)


def _show(sent: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        console.print_json({"sent": sent})
        return
    for topic, count in sent.items():
        console.results.print(f"{topic} {count}", highlight=False)

"""A push server for tests: the real web server on a loopback port, a thread that keeps, a store in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from queue import Queue
from threading import Event, Semaphore, Thread
from typing import Any

import httpx

from gridcore.clock import SystemClock
from gridcore.ports import Batch, Counts
from ingest.channels import channels_of
from ingest.push import PushFeed, Reply, Request
from pipeline.health import STORE, Health
from pipeline.http import TELEMETRY, Limits, OperationsDoor, TelemetryDoor, web_app
from pipeline.http_access import Sender, Senders
from pipeline.http_connection import Bounds
from pipeline.http_server import Address, served
from pipeline.metrics import Metrics
from pipeline.observer import Observers
from pipeline.push_command import PushIntake
from storage.embedded import EmbeddedStore
from tests.ingest.builders import LOAD, MINUTE, START, WIND, small_network

TOKENS = {"wind": "token-of-the-wind-farm", "all": "token-of-the-control-room"}
"""Tokens by sender: the first may speak for the wind farm's bus alone."""

SENDERS = Senders(
    sender=tuple(
        Sender(
            name=name, sha256=hashlib.sha256(token.encode()).hexdigest(), sites=(WIND[0],) if name == "wind" else ("*",)
        )
        for name, token in TOKENS.items()
    )
)

ANSWER = b'{"received":1,"stored":1,"duplicate":0,"revised":0,"conflict":0,"dead_letters":{}}'
"""To one reading that is new."""

PATIENCE_S = 30.0
"""No test waits so long unless it fails [s]."""


def wire(
    valid: float = 0.0, value: float = 1.0, channel: tuple[str, str, str, str] = WIND, **other: Any
) -> dict[str, Any]:
    """A JSON reading, `valid` minutes after `START`."""
    site, name, _, unit = channel
    at = (START + valid * MINUTE).isoformat()
    return {"v": 1, "site": site, "channel": name, "valid_time": at, "value": value, "unit": unit} | other


__all__ = ["ANSWER", "LOAD", "PATIENCE_S", "SENDERS", "TOKENS", "CountedMetrics", "Gate", "Site", "push_server", "wire"]


class Gate:
    """An observer that holds the keeping thread after a commit, until it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened = Semaphore(0), Event()

    def turned(self) -> None:
        """Nothing."""

    def kept(self, batch: Batch, counts: Counts, seconds: float) -> None:
        self.entered.release()
        assert self.opened.wait(PATIENCE_S)

    def ticked(self, due: datetime, seconds: float, readiness: Mapping[str, str]) -> None:
        """Nothing."""


class CountedMetrics(Metrics):
    """Metrics that say when a request is over."""

    def __init__(self) -> None:
        super().__init__(channels_of(small_network()))
        self.statuses: Queue[int] = Queue()

    def answered(self, status: int, seconds: float) -> None:
        super().answered(status, seconds)
        self.statuses.put(status)


class CountedFeed(PushFeed):
    """A push feed that says when a request was handed over."""

    handed_over: Semaphore

    def submit(self, request: Request) -> Future[Reply]:
        reply = super().submit(request)
        self.handed_over.release()
        return reply


class Site:
    """A running push server and a client of it."""

    def __init__(self, port: int, feed: CountedFeed, health: Health, metrics: CountedMetrics, counts: Counts) -> None:
        self.port, self.feed, self.health, self.metrics, self.counts = port, feed, health, metrics, counts
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_S)

    def post(self, readings: object, sender: str = "all", key: str = "", **headers: str) -> httpx.Response:
        """Push readings as JSON, or a body as it is."""
        told = {"authorization": f"Bearer {TOKENS[sender]}", "content-type": "application/json"}
        told |= {"idempotency-key": key} if key else {}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = json.dumps(readings).encode() if isinstance(readings, dict | list) else readings
        return self.client.post(TELEMETRY, content=body, headers=told)  # type: ignore[arg-type]


@contextmanager
def push_server(
    folder: Path,
    limits: Limits | None = None,
    gate: Gate | None = None,
    connections: Bounds | None = None,
    **bounds: int,
) -> Iterator[Site]:
    """A push server of the small network; its store lies in the folder when the block is left."""
    channels, clock = channels_of(small_network()), SystemClock()
    health, metrics = Health(STORE), CountedMetrics()
    ready: Queue[PushIntake | BaseException] = Queue()
    stopping = Event()

    def keep() -> None:
        try:
            store = EmbeddedStore(folder, synchronous="OFF")
        except BaseException as error:
            ready.put(error)
            raise
        feed = CountedFeed(channels, store.receipt, **bounds)
        feed.handed_over = Semaphore(0)
        intake = PushIntake(feed, store, channels, clock, health, Observers(health, metrics, *([gate] if gate else [])))
        ready.put(intake)
        intake.run(stopping.is_set)
        feed.close()
        store.close()

    keeper = Thread(target=keep)
    keeper.start()
    intake = ready.get(timeout=PATIENCE_S)
    assert isinstance(intake, PushIntake)
    assert isinstance(intake.feed, CountedFeed)
    telemetry = TelemetryDoor(intake.feed, SENDERS, clock, limits or Limits(per_second=1e6, burst=10_000))
    try:
        with served(web_app(OperationsDoor(health, metrics), telemetry), Address("127.0.0.1", 0), connections) as port:
            site = Site(port, intake.feed, health, metrics, intake.counts)
            with site.client:
                yield site
    finally:
        stopping.set()
        if gate is not None:
            gate.opened.set()
        keeper.join(PATIENCE_S)

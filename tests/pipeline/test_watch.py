"""A live run is watched from outside while it goes on; what it is watched by changes nothing that it decides."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import structlog

from gridcore.clock import SystemClock, VirtualClock
from gridcore.errors import BadInputError
from gridcore.ports import Batch, Counts
from ingest.accept import accept
from ingest.channels import channels_of
from pipeline.health import LOOP
from pipeline.http import READY, TELEMETRY
from pipeline.loop import Loop
from pipeline.observer import Observers, Unobserved
from pipeline.schedule import Tick
from pipeline.watch import watched
from pipeline.web_settings import HttpSettings, MetricsSettings
from storage.memory import MemoryStore
from tests.contracts.store_content import decision
from tests.ingest.builders import START, batch_of, reading, small_network
from tests.pipeline.push_server import ANSWER, PATIENCE_S, wire

CHANNELS = channels_of(small_network())
TOKEN = "of-the-gateway"


@pytest.fixture
def quiet() -> Iterator[None]:
    """The log as it was before."""
    handlers = logging.root.handlers[:]
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    file = tmp_path / "tokens.toml"
    sha256 = hashlib.sha256(TOKEN.encode()).hexdigest()
    file.write_text(f'[[sender]]\nname = "gateway"\nsha256 = "{sha256}"\nsites = ["*"]\n', encoding="utf-8")
    return file


def test_a_run_tells_health_and_metrics_apart_from_the_door_for_readings(
    quiet: None, tokens: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = MemoryStore()
    http = HttpSettings(listen="http://127.0.0.1:0", tokens_file=tokens)
    at = MetricsSettings(listen="http://0.0.0.0:0")
    with watched(SystemClock(), CHANNELS, store.receipt, http, at) as watch:
        ports = {line["what"]: line["port"] for line in map(json.loads, capsys.readouterr().err.splitlines())}
        assert get(ports["metrics"], READY).json() == {"ready": False, "reasons": {LOOP: "starting"}}
        watch.health.well(LOOP)
        assert get(ports["telemetry"], READY).status_code == 200
        assert get(ports["metrics"], TELEMETRY).status_code == 404
        assert watch.push is not None
        answers: list[httpx.Response] = []
        sender = Thread(target=lambda: answers.append(post(ports["telemetry"])))
        sender.start()
        assert watch.push.wait(PATIENCE_S)
        while (batch := watch.push.next_until(SystemClock().now())) is not None:
            watch.observer.kept(batch, accept(batch, store, CHANNELS), 0.1)
        sender.join(PATIENCE_S)
        assert answers[0].content == ANSWER
        assert b'xiaona_readings_total{outcome="stored"} 1.0' in get(ports["metrics"], "/metrics").content


def get(port: int, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False, timeout=PATIENCE_S)


def post(port: int) -> httpx.Response:
    headers = {"authorization": f"Bearer {TOKEN}"}
    url = f"http://127.0.0.1:{port}{TELEMETRY}"
    return httpx.post(url, json=wire(0), headers=headers, trust_env=False, timeout=PATIENCE_S)


@pytest.mark.parametrize("listen", ["http://10.0.0.1:1", "http://127.0.0.1", "nowhere"])
def test_a_wrong_address_ends_before_anything_listens(quiet: None, tokens: Path, listen: str) -> None:
    http = HttpSettings(listen=listen, tokens_file=tokens)
    with pytest.raises(BadInputError), watched(SystemClock(), CHANNELS, MemoryStore().receipt, http, None):
        pytest.fail("it listens")


class Told(Unobserved):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def turned(self) -> None:
        self.said.append("turned")

    def kept(self, batch: Batch, counts: Counts, seconds: float) -> None:
        self.said.append((batch.source, counts.stored))

    def ticked(self, due: datetime, seconds: float, readiness: Mapping[str, str]) -> None:
        self.said.append((due, dict(readiness)))


class OneBatch:
    """A feed of one batch, and a desk that decides the same always."""

    def __init__(self) -> None:
        self.left = [batch_of([reading()])]
        self.forecaster = self

    def next_until(self, due: datetime) -> Batch | None:
        return self.left.pop() if self.left else None

    def readiness(self) -> dict[str, str]:
        return {"test/0": "at_end"}

    def deliver(self, *_: Any) -> None:
        """Nothing."""

    def checkpoint(self) -> bytes:
        return b"{}"

    def is_fitted(self, *_: Any) -> bool:
        return True

    def decide(self, *_: Any) -> Any:
        return decision(0, checkpoint=b"{}")


def test_the_loop_tells_each_observer_what_it_did_after_it_did_it() -> None:
    world, first, second = OneBatch(), Told(), Told()
    store = MemoryStore()
    tick = Tick(due=START, **{name: False for name in Tick.__dataclass_fields__ if name != "due"})
    loop: Any = Loop(VirtualClock(START), world, store, CHANNELS, world, observer=Observers(first, second))
    loop.run([tick])
    assert first.said == ["turned", ("test/0", 1), "turned", (START, {"test/0": "at_end"})]
    assert second.said == first.said

"""`xiaona run` on real telemetry, as an operator has it: Kafka, pushed readings, a PostgreSQL that dies and comes back."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from time import perf_counter

import httpx
import pytest

from gridcore.clock import SystemClock
from gridcore.timeline import PERIOD, local_day
from infra.postgres.server import Server
from ingest.catalogue import open_grid
from ingest.channels import Channel, channels_of
from pipeline.stores import care_of
from storage.postgres import PostgresStore
from tests.servers.clients import send

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

GRID, TOKEN = "example-9", "token-of-the-gateway"
INCOMING, OUTGOING = ("telemetry", "official", "outage"), ("forecast", "plan", "setpoint", "dead_letter")

PATIENCE_S = 120.0
"""How long anything may take [s]; a lost server is waited for 30 s before it is told."""


@pytest.fixture
def server(postgres_folder) -> Iterator[Server]:
    """A server of the test's own, which it kills."""
    made = Server(postgres_folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def test_a_live_run_outlives_its_database_and_keeps_all_that_came(kafka, topic_prefix, server, tmp_path):
    kafka.create_topics([f"{topic_prefix}.{name}.v1" for name in (*INCOMING, *OUTGOING)])
    source = open_grid(GRID)
    channels = channels_of(source.network, source.reading_period).channels
    push, watch = _free_port(), _free_port()
    config = _config(tmp_path, kafka.bootstrap, topic_prefix, server.url, push, watch)
    topic, newest = f"{topic_prefix}.telemetry.v1", _quarter(SystemClock().now()) - 2 * PERIOD
    command = [sys.executable, "-m", "pipeline.cli", "run", "--config", str(config)]
    with (tmp_path / "log").open("w", encoding="utf-8") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            _until(lambda: _status(watch, "ready") == 200)
            send(kafka.client(), topic, [_reading(channel, newest) for channel in channels])
            assert _push(push, "first", [_reading(channel, newest - PERIOD) for channel in channels]) == 200
            _until(lambda: _stored(server.url) == 2 * len(channels))
            _until(lambda: _decided(server.url) is not None)

            server.kill()
            send(kafka.client(), topic, [_reading(channel, newest - 2 * PERIOD) for channel in channels])
            pushed = [_reading(channel, newest - 3 * PERIOD) for channel in channels]
            assert _push(push, "second", pushed) == 503
            _until(lambda: _status(watch, "ready") == 503)
            reasons = httpx.get(f"http://127.0.0.1:{watch}/health/ready").json()["reasons"]
            assert "store" in reasons
            assert _status(watch, "live") == 200

            server.start()
            _until(lambda: _push(push, "second", pushed) == 200)
            _until(lambda: _stored(server.url) == 4 * len(channels))
            _until(lambda: _status(watch, "ready") == 200)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)
    said = [json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines() if line[:1] == "{"]
    assert [line["event"] for line in said if line["event"].startswith("store")] == ["store lost", "store back"]
    assert care_of(server.url).check() == []
    decided = _decided(server.url)
    assert decided is not None
    # The tick of the quarter in which it began: none before it is decided in hindsight.
    assert newest + 2 * PERIOD <= decided <= SystemClock().now()


def _config(folder: Path, brokers: str, prefix: str, store: str, push: int, watch: int) -> Path:
    tokens = folder / "tokens.toml"
    sha256 = hashlib.sha256(TOKEN.encode()).hexdigest()
    tokens.write_text(f'[[sender]]\nname = "gateway"\nsha256 = "{sha256}"\nsites = ["*"]\n', encoding="utf-8")
    today = local_day(SystemClock().now(), open_grid(GRID).network.zone)
    config = folder / "live.toml"
    config.write_text(
        f"""grid = "{GRID}"\nstart = {today}\ndays = 2\nplant = "none"\nclock = "system"\nwork = "{folder / "work"}"
[store]\nurl = "{store}"
[stream]\nbootstrap_servers = "{brokers}"\nprefix = "{prefix}"
[http]\nlisten = "http://127.0.0.1:{push}"\ntokens_file = "{tokens}"
[metrics]\nlisten = "http://127.0.0.1:{watch}"\n""",
        encoding="utf-8",
    )
    return config


def _reading(channel: Channel, valid_time: datetime) -> bytes:
    value = (max(channel.low, 0.0) + channel.high) / 2
    words = {"v": 1, "site": channel.site, "channel": channel.name, "value": value, "unit": channel.unit}
    return json.dumps({**words, "valid_time": valid_time.isoformat()}).encode()


def _push(port: int, key: str, readings: list[bytes]) -> int:
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": key}
    body = b"[" + b",".join(readings) + b"]"
    return httpx.post(f"http://127.0.0.1:{port}/v1/telemetry", content=body, headers=headers, timeout=60).status_code


def _status(port: int, what: str) -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/{what}").status_code
    except httpx.TransportError:
        return 0


def _stored(url: str) -> int:
    """Readings that are current; the same period of the same channel twice would be one."""
    with closing(PostgresStore(url)) as store:
        tally = dict(store.rows("SELECT name, sum(amount) FROM tally GROUP BY name"))
        assert not tally.keys() & {"conflict", "duplicate", "revised"}
        return int(tally.get("stored", 0))


def _decided(url: str) -> datetime | None:
    with closing(PostgresStore(url)) as store:
        found = store.last_decision()
    return found[0] if found is not None else None


def _quarter(instant: datetime) -> datetime:
    """The last quarter of an hour."""
    return datetime.fromtimestamp(instant.timestamp() // 900 * 900, UTC)


def _until(holds: Callable[[], bool]) -> None:
    until_s = perf_counter() + PATIENCE_S
    while not holds():
        assert perf_counter() < until_s
        Event().wait(0.2)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])

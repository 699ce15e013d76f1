"""`xiaona run` on real telemetry, as an operator has it: Kafka, pushed readings, a PostgreSQL that dies and returns."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from gridcore.clock import SystemClock
from gridcore.timeline import PERIOD, local_day
from infra.postgres.server import Server
from ingest.catalogue import open_grid
from ingest.channels import channels_of
from pipeline.stores import care_of
from storage.postgres import PostgresStore
from tests.servers.clients import LONGEST_S, free_port, reading_of, send, until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

GRID, TOKEN = "example-9", "token-of-the-gateway"
INCOMING, OUTGOING = ("telemetry", "official", "outage"), ("forecast", "plan", "setpoint", "dead_letter")


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
    push, watch = free_port(), free_port()
    config = _config(tmp_path, kafka.bootstrap, topic_prefix, server.url, push, watch)
    topic, newest = f"{topic_prefix}.telemetry.v1", _quarter(SystemClock().now()) - 2 * PERIOD
    command = [sys.executable, "-m", "pipeline.cli", "run", "--config", str(config)]
    with (tmp_path / "log").open("w", encoding="utf-8") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            until(lambda: _status(watch, "ready") == 200)
            send(kafka.client(), topic, [reading_of(channel, newest) for channel in channels])
            assert _push(push, "first", [reading_of(channel, newest - PERIOD) for channel in channels]) == 200
            until(lambda: _stored(server.url) == 2 * len(channels))
            until(lambda: _decided(server.url) is not None)

            server.kill()
            send(kafka.client(), topic, [reading_of(channel, newest - 2 * PERIOD) for channel in channels])
            pushed = [reading_of(channel, newest - 3 * PERIOD) for channel in channels]
            assert _push(push, "second", pushed) == 503
            until(lambda: _status(watch, "ready") == 503)
            reasons = httpx.get(f"http://127.0.0.1:{watch}/health/ready").json()["reasons"]
            assert "store" in reasons
            assert _status(watch, "live") == 200

            server.start()
            until(lambda: _push(push, "second", pushed) == 200)
            until(lambda: _stored(server.url) == 4 * len(channels))
            until(lambda: _status(watch, "ready") == 200)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(LONGEST_S)
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

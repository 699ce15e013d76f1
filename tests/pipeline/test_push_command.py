"""`xiaona ingest --from http://...` as a process of its own: started, pushed to, killed, started again, stopped."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from gridcore.errors import BadInputError
from ingest.catalogue import EXAMPLE, EXAMPLES, open_grid
from ingest.channels import channels_of
from pipeline.http import TELEMETRY
from pipeline.http_server import address_of
from storage.embedded import EmbeddedStore
from storage.maintenance import check

TOKEN = "a-token-that-no-log-may-show"
GRID = str(EXAMPLES / EXAMPLE)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A file with one sender."""
    sha256 = hashlib.sha256(TOKEN.encode()).hexdigest()
    file = tmp_path / "tokens.toml"
    file.write_text(f'[[sender]]\nname = "gateway"\nsha256 = "{sha256}"\nsites = ["*"]\n', encoding="utf-8")
    return file


@contextmanager
def started(*words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server process and the port that it says it listens at."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            line = json.loads(process.stderr.readline())
            assert line["event"] == "listening"
            yield process, line["port"]
        finally:
            process.kill()


def push(port: int, body: bytes, key: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json", "idempotency-key": key}
    url = f"http://127.0.0.1:{port}{TELEMETRY}"
    return httpx.post(url, content=body, headers=headers, trust_env=False, timeout=60.0)


def a_reading() -> bytes:
    """One reading of the example grid."""
    grid = open_grid(GRID)
    channel = channels_of(grid.network, grid.reading_period).channels[0]
    words = {"v": 1, "site": channel.site, "channel": channel.name, "unit": channel.unit}
    return json.dumps(words | {"valid_time": grid.first.isoformat(), "value": channel.low}).encode()


def test_a_kill_between_commit_and_answer_loses_nothing_and_doubles_nothing(tokens: Path, tmp_path: Path) -> None:
    body, store = a_reading(), tmp_path / "store"
    with started("tests.pipeline.push_victim", GRID, str(tokens), str(store)) as (victim, port):
        with pytest.raises(httpx.RemoteProtocolError):
            push(port, body, "once")
        assert victim.wait(60.0) == -signal.SIGKILL
    words = ["--from", "http://127.0.0.1:0", "--tokens", str(tokens), "--grid", GRID, "--store", str(store), "--json"]
    with started("pipeline.cli", "ingest", *words) as (server, port):
        answers = [push(port, body, "once") for _ in range(2)]
        server.send_signal(signal.SIGTERM)
        out, log = server.communicate(timeout=60.0)
    first = b'{"received":1,"stored":1,"duplicate":0,"revised":0,"conflict":0,"dead_letters":{}}'
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, first)] * 2
    assert server.returncode == 130
    told = json.loads(out)
    assert (told["received"], told["next_offsets"]) == (0, {"http": 1})
    assert TOKEN not in out + log
    assert check(store) == []
    with closing(EmbeddedStore(store, is_read_only=True)) as opened:
        assert dict(opened.rows("SELECT name, amount FROM tally"))["received"] == 1


def test_a_server_that_is_idle_ends_by_itself_with_its_counts(tokens: Path, tmp_path: Path) -> None:
    words = ["--from", "http://127.0.0.1:0", "--tokens", str(tokens), "--grid", GRID, "--store", str(tmp_path / "s")]
    body = a_reading()
    with started("pipeline.cli", "ingest", *words, "--until-idle", "3", "--json") as (server, port):
        assert push(port, body, "k").status_code == 200
        out, _ = server.communicate(timeout=60.0)
    assert server.returncode == 0
    assert json.loads(out)["stored"] == 1


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1:80", "ftp://127.0.0.1:1", "http://127.0.0.1", "http://127.0.0.1:99999", "https://127.0.0.1:1"],
)
def test_an_address_that_would_be_unsafe_or_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadInputError):
        address_of(url)


def test_an_address_for_all_is_allowed_behind_a_proxy_that_does_tls() -> None:
    assert address_of("http://0.0.0.0:80", in_clear=True).port == 80
    assert address_of("http://localhost:80").port == 80

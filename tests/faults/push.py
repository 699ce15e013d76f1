"""Faults of the HTTP door: a flood, wrong tokens, sites that are another's, bodies too large, a killed server."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import httpx

from tests.faults.ledger import Ledger, Outcome
from tests.faults.rig import GRID, Rig, end
from tests.faults.sender import Reading, readings_of
from tests.faults.setting import BEGINS, pause

TOKEN = "token-of-the-control-room"
"""May speak for every site."""

PATIENCE_S = 60.0
"""No request and no start waits longer [s]."""

CLIENT = httpx.Client(timeout=PATIENCE_S, trust_env=False)
"""Kept for all requests: one anew for each is no flood, but the making of clients."""


def flood(rig: Rig) -> Outcome:
    """2,000 requests from 16 senders at once, tokens and sites that don't fit, bodies too large; kill -9 in the middle.

    A sender repeats what got no 200, with the same key, as docs/http.md asks.
    """
    port, tokens = _free_port(), _tokens(rig.folder)
    readings = list(readings_of(rig.channels.channels, BEGINS, 140))
    parts = [readings[n : n + 2] for n in range(0, 4000, 2)]
    statuses: Counter[int] = Counter()
    with _serving(rig, port, tokens) as server:
        refused = _refusals(port, readings[0])
        with ThreadPoolExecutor(16) as pool:
            jobs = [pool.submit(_push, port, f"part-{n}", part, rig.ledger, statuses) for n, part in enumerate(parts)]
            pause(2.0)
            end(server.pop(), signal.SIGKILL)
            began = perf_counter()
            server.append(_start(rig, port, tokens))
            for job in jobs:
                job.result()
            recovery_s = perf_counter() - began
        # All once more, with the keys of before: the first answers, and nothing twice.
        # The flood has used up what a sender may send at once.
        pause(3.0)
        replayed = sum(_again(port, f"part-{n}", part) for n, part in enumerate(parts[:50]))
    told = {str(status): number for status, number in sorted(statuses.items())}
    holds = refused == [401, 401, 403, 413, 415, 422] and replayed == 50 and statuses[200] == len(parts)
    holds = holds and statuses[429] > 0
    note = f"refused {refused}; answers {told}; {replayed} of 50 repeats got their first answer"
    return rig.outcome("HTTP flood, bad tokens, kill -9", recovery_s, note, holds=holds)


def _push(port: int, key: str, part: list[Reading], ledger: Ledger, statuses: Counter[int]) -> None:
    """Push until it is acknowledged."""
    until = perf_counter() + 3 * PATIENCE_S
    while perf_counter() < until:
        ledger.note_sent(len(part))
        try:
            answer = _post(port, key, part)
        except httpx.TransportError:
            statuses[0] += 1
            pause(0.2)
            continue
        statuses[answer.status_code] += 1
        if answer.status_code == 200:
            for reading in part:
                ledger.note_reading(reading.identity)
            return
        pause(min(float(answer.headers.get("Retry-After", "0.2")), 1.0))
    raise AssertionError(f"{key} was never acknowledged")


def _again(port: int, key: str, part: list[Reading]) -> bool:
    answer = _post(port, key, part)
    return answer.status_code == 200 and answer.headers.get("Idempotent-Replayed") == "true"


def _post(port: int, key: str, part: list[Reading], token: str = TOKEN, **headers: str) -> httpx.Response:
    words = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": key} | headers
    body = b"[" + b",".join(reading.encode() for reading in part) + b"]"
    return CLIENT.post(f"http://127.0.0.1:{port}/v1/telemetry", content=body, headers=words)


def _refusals(port: int, reading: Reading) -> list[int]:
    """Statuses of requests that must be refused."""
    url = f"http://127.0.0.1:{port}/v1/telemetry"
    whole = {"Authorization": f"Bearer {TOKEN}"}
    small = {"Authorization": "Bearer token-of-one-site"}
    return [
        httpx.post(url, content=reading.encode()).status_code,
        _post(port, "bad-token", [reading], token="guess").status_code,
        httpx.post(url, content=reading.encode(), headers=small).status_code,
        httpx.post(url, content=b" " * (9 << 20), headers=whole, timeout=PATIENCE_S).status_code,
        _post(port, "bad-type", [reading], **{"Content-Type": "text/csv"}).status_code,
        httpx.post(url, content=b"no json at all", headers=whole).status_code,
    ]


def _tokens(folder: Path) -> Path:
    file = folder / "tokens.toml"
    senders = [("control", TOKEN, ["*"]), ("one", "token-of-one-site", ["a site that sends nothing"])]
    lines = []
    for name, token, sites in senders:
        sha256 = hashlib.sha256(token.encode()).hexdigest()
        lines += ["[[sender]]", f'name = "{name}"', f'sha256 = "{sha256}"', f"sites = {json.dumps(sites)}"]
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return file


@contextmanager
def _serving(rig: Rig, port: int, tokens: Path) -> Iterator[list[subprocess.Popen[str]]]:
    servers = [_start(rig, port, tokens)]
    try:
        yield servers
    finally:
        for server in servers:
            end(server)


def _start(rig: Rig, port: int, tokens: Path) -> subprocess.Popen[str]:
    """`xiaona ingest --from http://...`, answering."""
    log = rig.folder / "server.log"
    server = rig.start_command(
        "ingest", "--from", f"http://127.0.0.1:{port}", "--tokens", str(tokens), "--grid", GRID, "--store", rig.store,
        log=log,
    )  # fmt: skip
    until = perf_counter() + PATIENCE_S
    while perf_counter() < until:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=2).status_code == 200:
                return server
        except httpx.TransportError:
            pause(0.1)
        if server.poll() is not None:
            raise AssertionError(f"the server ended: {log.read_text(encoding='utf-8')[-1500:]}")
    raise AssertionError("the server does not answer")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])

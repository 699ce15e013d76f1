"""Pushing over TLS: who trusts the certificate gets in, who does not stays out, and nothing goes in clear."""

from __future__ import annotations

import hashlib
import json
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from ingest.catalogue import open_grid
from ingest.channels import channels_of
from tests.servers.clients import LONGEST_S, free_port, reading_of, until

pytestmark = pytest.mark.system

GRID, TOKEN, AT = "example-9", "token-of-the-gateway", datetime(2025, 1, 1, tzinfo=UTC)
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def make_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate of `localhost` that signs itself, and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    words = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run(["openssl", "req", "-x509", *words], check=True, capture_output=True)
    return certificate, key


def command(folder: Path, port: int, certificate: Path, key: Path) -> list[str]:
    tokens, sha256 = folder / "tokens.toml", hashlib.sha256(TOKEN.encode()).hexdigest()
    tokens.write_text(f'[[sender]]\nname = "gateway"\nsha256 = "{sha256}"\nsites = ["*"]\n', encoding="utf-8")
    words = ["--from", f"https://localhost:{port}", "--tls-cert", str(certificate), "--tls-key", str(key), "--json"]
    words += ["--tokens", str(tokens), "--grid", GRID, "--store", str(folder / "store")]
    return [sys.executable, "-m", "pipeline.cli", "ingest", *words]


@pytest.fixture
def port(tmp_path) -> Iterator[int]:
    """A program that listens there, with the certificate `own`."""
    found = free_port()
    process = subprocess.Popen(command(tmp_path, found, *make_pair(tmp_path, "own")), stdout=subprocess.PIPE, text=True)

    def is_up() -> bool:
        try:
            return httpx.get(f"https://localhost:{found}/health/ready", verify=False).status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(is_up)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=LONGEST_S)
    assert json.loads(told)["stored"] == 1


def test_a_reading_goes_over_tls_to_whom_it_trusts_and_never_in_clear(port, tmp_path):
    source = open_grid(GRID)
    body = reading_of(channels_of(source.network, source.reading_period).channels[0], AT)
    make_pair(tmp_path, "other")
    trusting, doubting = (ssl.create_default_context(cafile=str(tmp_path / f"{name}.pem")) for name in ("own", "other"))
    url = f"localhost:{port}/v1/telemetry"
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.post(f"https://{url}", content=body, headers=HEADERS, verify=doubting)
    with pytest.raises(httpx.TransportError):
        httpx.post(f"http://{url}", content=body, headers=HEADERS)
    assert httpx.post(f"https://{url}", content=body, headers=HEADERS, verify=trusting).status_code == 200


def test_a_key_of_another_certificate_is_bad_input(tmp_path):
    certificate, _ = make_pair(tmp_path, "own")
    _, key = make_pair(tmp_path, "other")
    words = command(tmp_path, free_port(), certificate, key)
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=LONGEST_S)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr

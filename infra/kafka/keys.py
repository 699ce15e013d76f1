"""Keys for loopback: an authority of one's own, the broker's certificate, and a stranger's that it did not sign."""

from __future__ import annotations

import subprocess
from pathlib import Path

DAYS = "3650"
"""Validity of the certificates [d]."""

NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost"
"""Names that a client may find the broker under."""


def make_keys(folder: Path) -> None:
    """Write ca.pem, broker.pem (key and certificate) and stranger-ca.pem into a folder; those that are there stay."""
    if (folder / "broker.pem").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    _authority(folder, "ca")
    _authority(folder, "stranger-ca")
    _run(
        folder,
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "broker.key",
        "-out",
        "broker.csr",
        "-subj",
        "/CN=broker",
    )
    (folder / "names").write_text(NAMES, encoding="utf-8")
    signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", DAYS, "-extfile", "names"]
    _run(folder, "x509", "-req", "-in", "broker.csr", *signing, "-out", "broker.crt")
    # Kafka reads a PKCS 8 key and the chain from one file.
    parts = [(folder / name).read_text(encoding="utf-8") for name in ("broker.key", "broker.crt", "ca.pem")]
    whole = folder / "broker.pem"
    whole.touch(mode=0o600)
    whole.write_text("".join(parts), encoding="utf-8")


def _authority(folder: Path, name: str) -> None:
    files = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
    _run(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", DAYS, *files, "-subj", f"/CN=xiaona {name}")


def _run(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

"""Faults of trust: a wrong password, an authority we don't know, plaintext, no right to read."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

from infra.kafka.properties import ADMIN
from tests.faults.ledger import Outcome
from tests.faults.rig import Rig
from tests.faults.sender import Sender, readings_of
from tests.faults.setting import BEGINS

FAST_S = 60.0
"""A refusal that takes longer is not fast [s]."""


def refused(rig: Rig) -> Outcome:
    """Each refusal ends the run with its words, and nothing goes over another way; who may in gets everything."""
    sender = Sender(rig.cluster.client(), rig.ledger)
    sender.send(readings_of(rig.channels.channels, BEGINS, 20))
    wrong = {
        "wrong password": {"password": "guess"},
        "unknown authority": {"ca_file": str(rig.cluster.keys / "stranger-ca.pem")},
        "plaintext to a TLS port": {"security": "plaintext", "user": "", "password": None, "ca_file": None},
        "no ACL": {"user": "nobody", "password": rig.cluster.users["nobody"]},
    }
    told, holds = [], True
    for name, words in wrong.items():
        began = perf_counter()
        process = rig.ingest("--config", str(_config(rig, **words)), until_idle_s=2.0)
        process.communicate(timeout=300)
        seconds = perf_counter() - began
        holds &= process.returncode == 2 and seconds < FAST_S and not rig.offsets()
        told.append(f"{name}: exit {process.returncode} after {seconds:.0f} s")
    rig.options = ("--config", str(_config(rig)))
    rig.drain()
    return rig.outcome("TLS, SASL, ACL refused", 0.0, "; ".join(told), holds=holds)


def _config(rig: Rig, **changes: str | None) -> Path:
    """A file with `[stream]` for the secured cluster, as admin unless changed."""
    words: dict[str, str | None] = {
        "bootstrap_servers": rig.cluster.bootstrap,
        "security": "sasl_tls",
        "ca_file": str(rig.cluster.keys / "ca.pem"),
        "user": ADMIN,
        "password": rig.cluster.users[ADMIN],
    }
    words |= changes
    file = rig.folder / f"stream-{len(list(rig.folder.glob('stream-*')))}.toml"
    lines = [f'{name} = "{value}"' for name, value in words.items() if value]
    file.write_text("\n".join(["[stream]", *lines, ""]), encoding="utf-8")
    return file

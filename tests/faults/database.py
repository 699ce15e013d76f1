"""Faults of a PostgreSQL server: killed, locked, slow."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from time import perf_counter

from adbc_driver_postgresql import dbapi

from infra.postgres.server import Server
from tests.faults.ledger import Outcome
from tests.faults.rig import Rig, end
from tests.faults.sender import Sender, readings_of
from tests.faults.setting import BEGINS, pause

LOCKED_S = 8.0
"""How long somebody holds the tables [s]."""


def killed(rig: Rig, server: Server) -> Outcome:
    """The server is killed and started again, twice, while readings come; the run waits, or ends and goes on anew."""
    sender = Sender(rig.cluster.client(), rig.ledger)
    sender.start(readings_of(rig.channels.channels, BEGINS, 10**6), 1000)
    process = rig.ingest()
    codes = []
    pause(6.0)
    for _ in range(2):
        server.kill()
        pause(3.0)
        server.start()
        pause(5.0)
        if process.poll() is not None:
            codes.append(process.returncode)
            process = rig.ingest()
    return _through(rig, sender, process, "database killed", codes)


def locked(rig: Rig, server: Server) -> Outcome:
    """Somebody locks the offsets for 8 s: commits wait or are refused, and all is there in the end."""
    sender = Sender(rig.cluster.client(), rig.ledger)
    sender.start(readings_of(rig.channels.channels, BEGINS, 10**6), 1000)
    process = rig.ingest()
    rig.wait_until_caught_up()
    with dbapi.connect(rig.store) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE source_offset IN ACCESS EXCLUSIVE MODE")
        pause(LOCKED_S)
        connection.rollback()
    return _through(rig, sender, process, "database locked for 8 s")


def slow(rig: Rig, server: Server) -> Outcome:
    """The server is frozen for a second out of every two, eight times."""
    sender = Sender(rig.cluster.client(), rig.ledger)
    sender.start(readings_of(rig.channels.channels, BEGINS, 10**6), 1000)
    process = rig.ingest()
    rig.wait_until_caught_up()
    for _ in range(8):
        server.signal_all(signal.SIGSTOP)
        pause(1.0)
        server.signal_all(signal.SIGCONT)
        pause(1.0)
    return _through(rig, sender, process, "database slow")


def _through(  # type: ignore[no-untyped-def]
    rig: Rig, sender: Sender, process, name: str, ended: Sequence[int] = ()
) -> Outcome:
    """Stop sending, catch up, and give the outcome; a run that ended meanwhile is started again."""
    began = perf_counter()
    sender.stop()
    codes = list(ended)
    if process.poll() is not None:
        codes.append(process.returncode)
        process = rig.ingest()
    rig.wait_until_caught_up()
    recovery_s = perf_counter() - began
    end(process)
    rig.drain()
    holds = all(code not in {0, 1} for code in codes)
    return rig.outcome(name, recovery_s, f"exit codes of ended runs {codes}", holds=holds)

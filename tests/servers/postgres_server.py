"""A PostgreSQL server of the tests' own: made in a directory, started, killed, started again, removed."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

SERVER_USER = "postgres"
"""Who runs the server where the tests run as root, which PostgreSQL refuses to be."""

SETTINGS = {"fsync": "off", "full_page_writes": "off", "listen_addresses": "127.0.0.1", "max_connections": "40"}
"""A server that dies loses nothing by these; only the machine's own fall would."""


def programs() -> Path:
    """Folder of initdb and pg_ctl."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("pg_ctl")
    if not found and on_path is None:
        raise FileNotFoundError("PostgreSQL's pg_ctl is missing; `make test-servers` installs it")
    return found[-1].parent if found else Path(on_path or "").parent


class PostgresServer:
    """One server on the loopback.

    Args:
        folder: Its directory; the server's user must own it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._data = folder, folder / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        given = ("-A", "trust", "-U", "xiaona", "-E", "UTF8", "--locale=C", "--data-checksums", "--no-sync")
        self._call("initdb", "-D", str(self._data), *given)

    @property
    def url(self) -> str:
        """Address of its database."""
        return f"postgresql://xiaona@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """Number of the server's first process."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def start(self, **settings: str) -> None:
        """Start it, and wait until it serves."""
        given = SETTINGS | {"port": str(self.port), "unix_socket_directories": "''"} | settings
        options = " ".join(f"-c {name}={value}" for name, value in given.items())
        self._call("pg_ctl", "-D", str(self._data), "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop it; connections are broken off."""
        self._call("pg_ctl", "-D", str(self._data), "-w", "-m", "immediate", "stop")

    def kill(self) -> None:
        """Kill all of its processes at once, as a machine's fall would."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        # A handle of a process can be waited for, whoever its parent is; the memory they share is free only then.
        handles = [os.pidfd_open(pid) for pid in (self.pid, *map(int, children))]
        for handle in handles:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        for handle in handles:
            select.select([handle], [], [])
            os.close(handle)
        # pg_ctl takes a server for running whose file is left and whose number lives on as a zombie.
        (self._data / "postmaster.pid").unlink()

    def _call(self, program: str, *values: str) -> None:
        user = SERVER_USER if os.geteuid() == 0 else None
        subprocess.run(
            [programs() / program, *values],
            check=True,
            cwd=self._folder,
            user=user,
            env={"LC_ALL": "C", "PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )


@contextmanager
def own_server(**settings: str) -> Iterator[PostgresServer]:
    """A started server, stopped and removed at the end."""
    folder = Path(mkdtemp(prefix="xiaona-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, SERVER_USER)
    try:
        server = PostgresServer(folder)
        server.start(**settings)
        try:
            yield server
        finally:
            if (folder / "data" / "postmaster.pid").exists():
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a server that the whole session shares; `XIAONA_TEST_POSTGRES` names one that is there already."""
    if given := os.environ.get("XIAONA_TEST_POSTGRES"):
        yield given
        return
    with own_server() as server:
        yield server.url

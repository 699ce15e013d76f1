"""A private PostgreSQL server: made, started, stopped and killed as a process; as a user that is not root."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

READY_S = 60.0
"""How long the server may take to answer; it takes 1 s on two idle cores [s]."""

STOP_S = 30.0
"""How long it may take to end; it takes well below 1 s [s]."""

OWNER = "postgres"
"""User that the server runs as when we are root, which it refuses to be."""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "50",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
}
"""Loopback alone; durable as it comes (fsync stays on)."""


@dataclass
class Server:
    """One server; its folder keeps the data, so that it can be started again."""

    folder: Path
    """Data and log."""

    port: int = 0
    """Port on 127.0.0.1; a free one where 0."""

    password: str = "xiaona"
    """Of the user `xiaona`, who owns everything."""

    def __post_init__(self) -> None:
        """Choose a port."""
        self.folder = self.folder.resolve()
        self.port = self.port or _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """URL of the database `xiaona`."""
        return self.url_of("xiaona")

    @property
    def is_running(self) -> bool:
        """The server was started and has not ended; a frozen one runs."""
        return self._process is not None and self._process.poll() is None

    def url_of(self, database: str) -> str:
        """URL of a database."""
        return f"postgresql://xiaona:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Make the data folder where there is none, start the server, and wait until it answers."""
        data = self.folder / "data"
        if not (data / "PG_VERSION").is_file():
            self._make(data)
        words = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_as_owner(), str(_program("postgres")), "-D", str(data), "-p", str(self.port), *words],
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
            )
        self._wait_until_ready()
        if not self._sql("postgres", "SELECT 1 FROM pg_database WHERE datname = 'xiaona'").strip():
            self.create_database("xiaona")

    def create_database(self, name: str) -> str:
        """Make an empty database; gives its URL."""
        self._sql("postgres", f'CREATE DATABASE "{name}"')
        return self.url_of(name)

    def stop(self) -> None:
        """End the server in order, a frozen one too, its connections with it; one that does not end is killed."""
        self.signal_all(signal.SIGCONT)
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGINT)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """Kill the server and all its processes at once (kill -9)."""
        if self._process is None:
            return
        # Stopped first, so that it starts no process that the list lacks.
        os.kill(self._process.pid, signal.SIGSTOP)
        handles = [os.pidfd_open(pid) for pid in _family(self._process.pid)]
        for handle in handles:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        for handle in handles:
            # The memory that they share is free for the next start only when the last of them is gone.
            select.select([handle], [], [], STOP_S)
            os.close(handle)
        self._process.wait(STOP_S)
        self._process = None

    def signal_all(self, what: signal.Signals) -> None:
        """Send a signal to the server and all its processes, e.g. SIGSTOP and SIGCONT."""
        for pid in _family(self._process.pid) if self.is_running and self._process is not None else ():
            # One that ends by itself meanwhile needs no signal.
            with suppress(ProcessLookupError):
                os.kill(pid, what)

    def _make(self, data: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        secret = self.folder / "password"
        secret.write_text(self.password, encoding="utf-8")
        if os.geteuid() == 0:
            shutil.chown(self.folder, OWNER)
            shutil.chown(secret, OWNER)
        # Made beside its place: a folder that a killed initdb left half made is not taken for a server's data.
        draft = data.with_name("data.draft")
        shutil.rmtree(draft, ignore_errors=True)
        words = ["-D", str(draft), "-U", "xiaona", "-A", "scram-sha-256", "--pwfile", str(secret), "-E", "UTF8"]
        done = subprocess.run(
            [*_as_owner(), str(_program("initdb")), *words, "--locale=C.UTF-8"],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )
        if done.returncode:
            raise SystemExit(f"PostgreSQL's data could not be made:\n{done.stdout}{done.stderr}")
        draft.rename(data)

    def _wait_until_ready(self) -> None:
        until = perf_counter() + READY_S
        while perf_counter() < until:
            words = [str(_program("pg_isready")), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(words, check=False).returncode == 0:
                return
            if self._process is None or self._process.poll() is not None:
                break
            threading.Event().wait(0.1)
        told = (self.folder / "server.log").read_text(errors="replace")[-2000:]
        raise SystemExit(f"PostgreSQL does not answer:\n{told}")

    def _sql(self, database: str, statement: str) -> str:
        words = [str(_program("psql")), "-At", "-v", "ON_ERROR_STOP=1", "-d", self.url_of(database), "-c", statement]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def _program(name: str) -> Path:
    """A program of the newest PostgreSQL from 15 on."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda f: int(f.parent.name), reverse=True)
    for folder in folders:
        if int(folder.parent.name) >= 15 and (folder / name).is_file():
            return folder / name
    raise SystemExit("PostgreSQL 15 or newer is lacking. Debian: apt-get install postgresql")


def _as_owner() -> list[str]:
    """Words before a command that make it run as a user that is not root."""
    return ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups", "--"] if os.geteuid() == 0 else []


def _family(pid: int) -> list[int]:
    """A process and all that come from it, itself first."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [pid] + [member for child in found for member in _family(int(child))]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])

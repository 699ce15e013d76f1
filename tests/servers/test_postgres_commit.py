"""The answer to a commit is lost on its way: the server has the batch, the writer can not know, the offsets tell."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from gridcore.errors import StoreConflictError, StoreUnreachableError
from storage.postgres import PostgresStore
from storage.postgres_care import check
from tests.contracts.store_content import SOURCE, batch, reading

pytestmark = pytest.mark.postgres

FIRST = batch(0, [reading("W1/power", 0, 7.0, 6), reading("W2/power", 0, 7.0, 6)])
SECOND = batch(FIRST.next_offset, [reading("W1/power", 60, 8.0, 66)])


class Wire:
    """Passes bytes between clients and a server; it can swallow the answer to the next commit and hang up.

    Args:
        port: The server's port on loopback.
    """

    def __init__(self, port: int) -> None:
        self._server, self.swallows, self.swallowed = port, False, threading.Event()
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        self._begin(self._serve)

    def close(self) -> None:
        """Cut all connections and let no one else in."""
        for end in (self._door, *self._ends):
            _shut(end)
        for thread in self._threads:
            thread.join(10)
        for end in (self._door, *self._ends):
            end.close()

    def _begin(self, work: Callable[..., None], *words: object) -> None:
        self._threads.append(threading.Thread(target=work, args=words, daemon=True))
        self._threads[-1].start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                self._ends += [client, server]
                cut = threading.Event()
                self._begin(self._ask, client, server, cut)
                self._begin(self._answer, client, server, cut)

    def _ask(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self.swallows and b"COMMIT" in data:
                    self.swallows = False
                    cut.set()
                server.sendall(data)
        _shut(server)

    def _answer(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if cut.is_set() and b"COMMIT\0" in data:
                    # The command's tag: the server has done it.
                    self.swallowed.set()
                    break
                client.sendall(data)
        _shut(client)
        _shut(server)


def _shut(end: socket.socket) -> None:
    """Hang up; to close alone says nothing to the other side while another thread still reads."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def wired(url: str) -> Iterator[tuple[Wire, str]]:
    """A wire to the server of an address, and the address by it."""
    port = urlsplit(url).port
    assert port is not None
    wire = Wire(port)
    try:
        yield wire, url.replace(f":{port}/", f":{wire.port}/")
    finally:
        wire.close()


def test_a_commit_whose_answer_is_lost_is_found_kept_and_not_written_again(postgres):
    with wired(postgres) as (wire, url), closing(PostgresStore(url)) as store:
        wire.swallows = True
        with pytest.raises(StoreUnreachableError, match="the offsets tell"):
            store.accept(FIRST, [])
        assert wire.swallowed.is_set()
        # The same connection object goes on by a new connection: the batch is there, and is refused a second time.
        assert store.offsets() == {SOURCE: FIRST.next_offset}
        with pytest.raises(StoreConflictError):
            store.accept(FIRST, [])
        assert store.accept(SECOND, []).stored == 1
    with closing(PostgresStore(postgres)) as store:
        tally = dict(store.rows("SELECT name, amount FROM tally"))
        assert (tally["received"], tally["stored"]) == (3, 3)
    assert check(postgres) == []

"""Connections that are silent, slow or too many do not shut the door for those that speak."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.http import HUNG_UP, TELEMETRY
from pipeline.http_connection import Bounds
from tests.pipeline.push_server import PATIENCE_S, TOKENS, push_server, wire

HEAD = f"POST {TELEMETRY} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKENS['all']}\r\n".encode()
"""The beginning of a request's head."""

LOOK_S = 0.02
"""How long is looked for what the other side sent, between two drips [s]."""

MOST_DRIPS = 1_000
"""Far more than fit into the time that a connection has here."""


@pytest.mark.parametrize("begun", [b"", HEAD], ids=["nothing", "half a head"])
def test_silent_connections_make_room_for_one_that_speaks(tmp_path: Path, begun: bytes) -> None:
    with push_server(tmp_path, connections=Bounds(connections=5)) as site, ExitStack() as held:
        silent = [held.enter_context(socket.create_connection(("127.0.0.1", site.port), PATIENCE_S)) for _ in range(20)]
        for each in silent:
            if begun:
                each.sendall(begun)
        assert site.post(wire(0)).status_code == 200
        assert _is_closed(silent[0])


def test_a_head_that_is_never_whole_is_cut_however_often_a_little_comes(tmp_path: Path) -> None:
    with (
        push_server(tmp_path, connections=Bounds(head_s=0.3)) as site,
        socket.create_connection(("127.0.0.1", site.port), LOOK_S) as slow,
    ):
        slow.sendall(HEAD)
        assert _is_cut(slow, b"x: y\r\n")


def test_a_body_that_goes_on_after_its_refusal_is_cut(tmp_path: Path) -> None:
    with (
        push_server(tmp_path, connections=Bounds(head_s=0.3)) as site,
        socket.create_connection(("127.0.0.1", site.port), LOOK_S) as stubborn,
    ):
        stubborn.sendall(HEAD.replace(b"Bearer ", b"Bearer not-") + b"content-length: 1000000\r\n\r\n")
        assert _is_cut(stubborn, b" ")


def test_a_request_that_takes_too_long_is_cut(tmp_path: Path) -> None:
    with (
        push_server(tmp_path, connections=Bounds(request_s=0.3)) as site,
        socket.create_connection(("127.0.0.1", site.port), LOOK_S) as slow,
    ):
        slow.sendall(HEAD + b"content-length: 1000000\r\n\r\n")
        assert _is_cut(slow, b" ")
        assert site.metrics.statuses.get(timeout=PATIENCE_S) == HUNG_UP


def test_requests_on_one_connection_have_their_time_each(tmp_path: Path) -> None:
    with push_server(tmp_path, connections=Bounds(connections=3)) as site:
        assert [site.post(wire(5 * n)).status_code for n in range(5)] == [200] * 5


def _is_cut(caller: socket.socket, drip: bytes) -> bool:
    """The other side closes the connection, although a little comes again and again."""
    for _ in range(MOST_DRIPS):
        try:
            caller.sendall(drip)
            if _is_closed(caller):
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


def _is_closed(caller: socket.socket) -> bool:
    """The other side has closed the connection."""
    try:
        return not caller.recv(1_000)
    except ConnectionError:
        return True

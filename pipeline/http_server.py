"""The web server: uvicorn in a thread of its own, beside the loop, on a socket that is bound before it starts."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import cast
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from gridcore.errors import BadInputError
from pipeline.http_connection import BoundedConnection, Bounds

STOP_S = 5
"""How long requests may take to end when the server stops [s]."""


@dataclass(frozen=True)
class Address:
    """Where to listen."""

    host: str
    """Name or number of the interface."""

    port: int
    """0 for any free one."""

    certificate: Path | None = None
    """PEM file of the certificate, for TLS."""

    key: Path | None = None
    """PEM file of its key."""


def address_of(
    url: str, certificate: Path | None = None, key: Path | None = None, *, in_clear: bool = False
) -> Address:
    """Where `http://HOST:PORT` or `https://HOST:PORT` says to listen.

    Args:
        url: The address.
        certificate: PEM file of the certificate, for https.
        key: PEM file of its key, for https.
        in_clear: http may be for other machines too: a proxy before it does TLS, or no token comes this way.

    Raises:
        BadInputError: It is no such address, tokens would cross the network in clear, or a file of TLS is missing.
    """
    wanted = "http://127.0.0.1:PORT, or https://HOST:PORT with a certificate and its key"
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port is None or parts.username is not None:
        raise BadInputError("an address that nothing can listen at", got=parts.scheme or "no scheme", wanted=wanted)
    if parts.scheme == "http":
        if not (in_clear or _is_of_this_machine(parts.hostname)):
            got = f"http on {parts.hostname}"
            raise BadInputError("tokens would cross the network in clear", got=got, wanted=wanted)
        return Address(parts.hostname, port)
    for file in (certificate, key):
        if file is None or not file.is_file():
            raise BadInputError("https without its files", file=file, wanted="--tls-cert and --tls-key")
    return Address(parts.hostname, port, certificate, key)


@contextmanager
def served(app: ASGIApp, address: Address, bounds: Bounds | None = None) -> Iterator[int]:
    """Answer requests while the block runs; gives the port. What was begun is answered before the block is left.

    Args:
        app: Answers.
        address: Where to listen; port 0 for any free one.
        bounds: What connections may take; the usual where it is None.

    Raises:
        BadInputError: The address can't be bound, or the certificate and the key do not belong together.
    """
    bound, bounds = _bound(address), bounds or Bounds()
    # uvicorn makes a connection by calling this; its types know classes only.
    connection = cast(type[BoundedConnection], partial(BoundedConnection, bounds=bounds))
    config = uvicorn.Config(
        app, http=connection, ws="none", loop="asyncio", lifespan="off", log_config=None, access_log=False,
        server_header=False, proxy_headers=False, limit_concurrency=bounds.connections,
        timeout_graceful_shutdown=STOP_S, ssl_certfile=address.certificate, ssl_keyfile=address.key,
        # Else a key with a password would be asked for at a terminal that is not there.
        ssl_keyfile_password="none",
    )  # fmt: skip
    try:
        config.load()
    except OSError as cause:
        bound.close()
        wanted = "PEM files of a certificate and of its own key, without a password"
        raise BadInputError("TLS can't begin", file=address.certificate, got=cause, wanted=wanted) from cause
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [bound]}, name="http", daemon=True)
    thread.start()
    try:
        yield int(bound.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


def _bound(address: Address) -> socket.socket:
    """A socket that listens; requests queue in it until the server is up."""
    try:
        family, kind, _, _, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(place)
            bound.listen(2048)
        except BaseException:
            bound.close()
            raise
    except OSError as cause:
        where = f"{address.host}:{address.port}"
        raise BadInputError("an address that can't be listened at", got=f"{where}: {cause.strerror}") from cause
    return bound


def _is_of_this_machine(host: str) -> bool:
    """Only this machine reaches the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

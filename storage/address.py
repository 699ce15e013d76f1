"""Addresses of stores: a directory, or `postgresql://...` of a database on a server."""

from __future__ import annotations

from pathlib import Path

SCHEMES = ("postgresql://", "postgres://")
"""How the address of a server's database begins; libpq knows these two."""


def is_server(where: str | Path) -> bool:
    """The address names a server's database.

    >>> is_server("postgresql://grid@db.example/xiaona"), is_server("live/store")
    (True, False)
    """
    return str(where).startswith(SCHEMES)


def shown(where: str | Path) -> str:
    """The address as it may be shown: without user, password and parameters.

    >>> shown("postgresql://grid:secret@db.example:5432/xiaona?sslmode=require")
    'postgresql://db.example:5432/xiaona'
    """
    if not is_server(where):
        return str(where)
    scheme, _, rest = str(where).partition("://")
    hosts, slash, database = rest.partition("?")[0].partition("/")
    return f"{scheme}://{hosts.rpartition('@')[2]}{slash}{database}"

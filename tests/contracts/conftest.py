"""Each law of a store is tried on every adapter; the ones that need a server are marked with its name."""

from __future__ import annotations

from functools import partial

import pytest

from tests.contracts.stores import STORES, NewStore
from tests.servers.postgres_server import postgres

__all__ = ["new_store", "postgres"]

SERVED = ("postgres", "two connections to postgres")
"""Adapters that need a server."""


@pytest.fixture(scope="module", params=[*STORES, *(pytest.param(name, marks=pytest.mark.postgres) for name in SERVED)])
def new_store(request: pytest.FixtureRequest) -> NewStore:
    """Opens a fresh store of one kind."""
    if request.param in STORES:
        return STORES[request.param]
    from tests.servers import postgres_stores

    opened = postgres_stores.in_postgres if request.param == SERVED[0] else postgres_stores.two_in_postgres
    return partial(opened, request.getfixturevalue("postgres"))

"""Each law of a store is tried on every adapter; the ones that need a server are marked with its name."""

from __future__ import annotations

from functools import partial

import pytest

from tests.contracts.stores import STORES, NewStore
from tests.servers.conftest import postgres_server

__all__ = ["new_database", "new_store", "postgres_server"]

POSTGRES = ("postgres", "two connections to postgres")
"""Adapters that need a PostgreSQL server."""

SERVED = [pytest.param(name, marks=pytest.mark.postgres) for name in POSTGRES]


@pytest.fixture(scope="module", params=[*STORES, *SERVED])
def new_store(request: pytest.FixtureRequest) -> NewStore:
    """Opens a fresh store of one kind."""
    return opening(request)


@pytest.fixture(scope="module", params=["embedded", SERVED[0]])
def new_database(request: pytest.FixtureRequest) -> NewStore:
    """Opens a fresh store of a kind that has a database, and so an outbox."""
    return opening(request)


def opening(request: pytest.FixtureRequest) -> NewStore:
    """How to open the store that a fixture's parameter names; a server is started where it is asked for first."""
    if request.param in STORES:
        return STORES[request.param]
    from tests.servers import postgres_stores

    opened = postgres_stores.in_postgres if request.param == POSTGRES[0] else postgres_stores.two_in_postgres
    return partial(opened, request.getfixturevalue("postgres_server").url)

"""Each law of a store is tried on every adapter."""

from __future__ import annotations

import pytest

from tests.contracts.stores import STORES, NewStore


@pytest.fixture(scope="module", params=list(STORES.values()), ids=list(STORES))
def new_store(request: pytest.FixtureRequest) -> NewStore:
    """Opens a fresh store of one kind."""
    opened: NewStore = request.param
    return opened

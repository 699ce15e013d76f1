"""On/off states that the units' limits allow."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from dispatch.compiled import compiled
from dispatch.schedule import allowed_states
from dispatch.settings import DispatchSettings
from gridcore.state import unknown_state
from tests.builders import START, six_bus
from tests.dispatch.outlooks import outlook


@pytest.mark.parametrize("first", [0, 1])
def test_a_start_from_nothing_keeps_minimum_times_after_the_first_period(first: int) -> None:
    """Coal, 2 h on and 2 h off: what it is in the first period may end at once, what follows lasts 8 periods."""
    network = six_bus()
    problem = compiled(network, 16, timedelta(minutes=15), DispatchSettings(), with_commitment=False)
    wanted = np.zeros((len(problem.fleet.unit_asset), 16), bool)
    wanted[0] = np.arange(16) % 2 != first
    allowed = allowed_states(problem, wanted, outlook(network, {"1": 60.0}, {}), unknown_state(network, START))
    runs = np.diff(np.flatnonzero(np.diff(allowed[0].astype(int))))
    assert allowed[0, 0] == wanted[0, 0]
    assert allowed[0, 1] == wanted[0, 1]
    assert runs.min() >= 8

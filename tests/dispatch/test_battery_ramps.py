"""The optimiser keeps a battery's ramp, and a ramp that energy can't keep gives way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dispatch.settings import DispatchSettings
from gridcore.asset import Technology
from gridcore.network import Network
from gridcore.plan import PlanStatus
from tests.builders import three_bus
from tests.dispatch.outlooks import outlook, state
from tests.dispatch.test_reserves import dispatched

SETTINGS = DispatchSettings()
CELL = 4
"""Row of the battery in the three-bus grid."""


def slow_battery() -> Network:
    """The three-bus grid with a battery of 30 MW that moves by 1 MW/min, 15 MW in a period."""
    network = three_bus()
    slow = tuple(
        replace(asset, ramp_mw_per_min=1.0) if asset.technology is Technology.BATTERY else asset
        for asset in network.assets
    )
    return replace(network, assets=slow)


@pytest.mark.parametrize("power_mw", [-25.0, 0.0, 25.0])
def test_a_battery_moves_no_faster_than_its_ramp(power_mw: float) -> None:
    """Wind comes and goes every other period; a battery without a ramp would follow all of it."""
    network = slow_battery()
    expected = outlook(network, {"b": 90.0}, {"wind": np.where(np.arange(16) % 2, 120.0, 10.0)})
    begin = state(network, {"coal": 60.0, "gas": 20.0, "cell": power_mw})
    plan = dispatched(network, expected, begin, "coal", "gas")
    power = np.concatenate([[power_mw], plan.power_mw[CELL]])
    assert plan.status is PlanStatus.SOLVED
    assert np.abs(np.diff(power)).max() == pytest.approx(15.0, abs=1e-6)


@pytest.mark.parametrize(("power_mw", "stored_mwh"), [(30.0, 0.0), (-30.0, 60.0)])
def test_a_ramp_that_the_store_can_not_keep_gives_way(power_mw: float, stored_mwh: float) -> None:
    """30 MW down to zero by 15 MW a period takes 3.75 MWh: an empty or a full battery stops at once."""
    network = slow_battery()
    expected = outlook(network, {"b": 90.0}, {"wind": 40.0})
    begin = state(network, {"coal": 40.0, "gas": 10.0, "cell": power_mw}, soc_mwh=stored_mwh)
    plan = dispatched(network, expected, begin, "coal", "gas")
    assert plan.status is PlanStatus.SOLVED


def test_a_battery_that_goes_out_of_service_stops_at_once() -> None:
    network = slow_battery()
    expected = outlook(network, {"b": 90.0}, {"wind": 40.0})
    expected.out_of_service[CELL, 4:8] = True
    begin = state(network, {"coal": 40.0, "gas": 10.0, "cell": 25.0}, soc_mwh=60.0)
    plan = dispatched(network, expected, begin, "coal", "gas")
    assert plan.status is PlanStatus.SOLVED
    assert not plan.power_mw[CELL, 4:8].any()

"""What counts as reserve: quick units once they could run, tanks and batteries by the energy behind them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from dispatch.commit import commit
from dispatch.compiled import compiled
from dispatch.economic import EconomicDispatch
from dispatch.frame import Choice, frame_of
from dispatch.outlook import Outlook
from dispatch.settings import DispatchSettings
from gridcore.network import Network, ReserveProduct
from gridcore.plan import Plan
from gridcore.state import GridState
from tests.builders import six_bus, three_bus
from tests.dispatch.outlooks import outlook, state

SETTINGS = DispatchSettings()


def with_product(network: Network, direction: str, *eligible: str) -> Network:
    """The grid with one reserve product; each asset's tag is its name."""
    product = ReserveProduct(direction, direction, 600.0, network.areas, eligible)
    assets = tuple(replace(asset, tags=(asset.name,)) for asset in network.assets)
    return replace(network, reserves=(product,), assets=assets)


def dispatched(network: Network, expected: Outlook, begin: GridState, *on: str) -> Plan:
    """The economic dispatch with these units on, and all others off."""
    plan = commit(network, expected, begin, SETTINGS)
    is_on = np.zeros_like(plan.is_on)
    is_on[[network.asset_index[name] for name in on]] = True
    return EconomicDispatch(network, SETTINGS).solve(expected, begin, replace(plan, is_on=is_on), None, None)[0]


def short_mw(plan: Plan, place: str) -> list[float]:
    """Shortfall of a reserve row in each period."""
    found = {s.valid_time: s.size_mw for s in plan.slacks if s.kind.startswith("reserve") and s.place == place}
    return [found.get(instant, 0.0) for instant in plan.valid_time]


def test_a_quick_unit_that_is_off_counts_from_the_third_period_on() -> None:
    """A margin of 80 MW: coal holds 20 (2 MW/min for 10 min), the battery 30, gas that is off 60 when it could run."""
    network = three_bus()
    expected = outlook(network, {"b": 60.0}, {}, margin_mw=80.0)
    plan = dispatched(network, expected, state(network, {"coal": 60.0}, soc_mwh=60.0), "coal")
    assert short_mw(plan, "margin") == pytest.approx([30.0, 30.0] + [0.0] * 14, abs=1e-6)


@pytest.mark.parametrize(("ahead", "counts_from"), [(timedelta(minutes=15), 1), (timedelta(hours=10), 0)])
def test_by_the_hour_it_counts_where_the_whole_hour_lies_late_enough(ahead: timedelta, counts_from: int) -> None:
    network = three_bus()
    fine = outlook(network, {"b": 60.0}, {}, margin_mw=80.0)
    hourly = fine.aggregated(timedelta(hours=1))
    hourly = replace(hourly, issue_time=hourly.issue_time + timedelta(minutes=15) - ahead)
    problem = compiled(network, 4, timedelta(hours=1), SETTINGS, with_commitment=True)
    free = Choice(np.zeros((2, 4), bool), np.ones((2, 4), bool))
    frame = frame_of(problem, hourly, state(network, {"coal": 60.0}), free, SETTINGS)
    most = frame.upper[problem.columns["standby"]]
    assert not most[:counts_from].any()
    assert np.isinf(most[counts_from:]).all()


def test_a_tank_without_energy_gives_no_reserve() -> None:
    """The field feeds the least output of 5 MW; reserve for an hour takes as much from the tank."""
    network = with_product(six_bus(), "up", "mirror")
    begin = state(network, {"coal": 40.0, "atom": 48.0, "mirror": 5.0})
    for stored, missed in ((0.0, 10.0), (20.0, 0.0)):
        soc = np.where([a.name == "mirror" for a in network.assets], stored, begin.soc_mwh)
        expected = outlook(network, {"1": 60.0, "4": 60.0}, {"mirror": 5.0 / 0.98}, reserve_mw=10.0)
        plan = dispatched(network, expected, replace(begin, soc_mwh=soc), "coal", "atom", "mirror")
        assert short_mw(plan, "up") == pytest.approx([missed] * 16, abs=1e-6)


def test_an_idle_battery_counts_downward_and_no_wind_is_given_up_for_it() -> None:
    """The battery alone counts: empty and idle, it could take up 30 MW."""
    network = with_product(three_bus(), "down", "cell")
    expected = outlook(network, {"b": 80.0}, {"wind": 60.0}, reserve_mw=25.0)
    plan = dispatched(network, expected, state(network, {"coal": 20.0}, soc_mwh=0.0), "coal")
    assert short_mw(plan, "down") == pytest.approx([0.0] * 16, abs=1e-6)
    assert plan.curtailment_mw.sum() == pytest.approx(0.0, abs=1e-6)


def test_a_full_battery_has_no_room_for_downward_reserve() -> None:
    """It discharges at most 30 MW: 7.5 / 0.9 MWh of room after a period, an hour of 9.3 MW at 0.9."""
    network = with_product(three_bus(), "down", "cell")
    expected = outlook(network, {"b": 80.0}, {"wind": 60.0}, reserve_mw=25.0)
    plan = dispatched(network, expected, state(network, {"coal": 20.0}, soc_mwh=60.0), "coal")
    assert short_mw(plan, "down")[0] == pytest.approx(25.0 - 7.5 / 0.9 / 0.9, abs=1e-6)

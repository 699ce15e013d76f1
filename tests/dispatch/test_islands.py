"""Outages that split the grid: each island is balanced on its own, and the plans go on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from dispatch.commit import commit
from dispatch.economic import EconomicDispatch
from dispatch.outlook import Outlook
from dispatch.ptdf import islands, ptdf, ptdf_of
from dispatch.settings import DispatchSettings
from gridcore.network import Network
from gridcore.plan import Plan, PlanStatus
from gridcore.timeline import PERIOD
from ingest.catalogue import open_grid
from tests.builders import six_bus, three_bus
from tests.dispatch.outlooks import outlook, state

SETTINGS = DispatchSettings()
Bools = npt.NDArray[np.bool_]


def out_of(network: Network, *names: str) -> Bools:
    """Branches out of service by name."""
    return np.array([branch.name in names for branch in network.branches])


def imbalances(network: Network, expected: Outlook, plan: Plan, period: int) -> npt.NDArray[np.float64]:
    """What each island's assets, DC lines, shed and over-generation leave of its load [MW]."""
    count, lines = len(network.assets), len(network.branches)
    net = np.bincount(network.asset_bus, weights=plan.power_mw[:count, period], minlength=len(network.buses))
    net -= expected.load_mw[:, period]
    for row, line in enumerate(network.dc_lines):
        net[network.bus_index[line.from_bus]] -= plan.power_mw[count + row, period]
        net[network.bus_index[line.to_bus]] += plan.power_mw[count + row, period]
    for slack in plan.slacks:
        if slack.kind in {"shed", "over_generation"} and slack.valid_time == plan.valid_time[period]:
            net[network.bus_index[slack.place]] += slack.size_mw if slack.kind == "shed" else -slack.size_mw
    island = islands(network, expected.branch_out[:lines, period])
    sums: npt.NDArray[np.float64] = np.bincount(island, weights=net).astype(np.float64)
    return sums


def test_islands_are_numbered_by_their_first_buses() -> None:
    network = six_bus()
    assert islands(network).tolist() == [0] * 6
    assert islands(network, out_of(network, "2-3", "4-5", "3-4")).tolist() == [0, 0, 1, 2, 0, 0]


def test_factors_of_islands_are_those_of_each_alone() -> None:
    """Buses 3 and 4 cut off as a pair: what is injected at 3 and taken at 4 is on their line, and on no other."""
    network = six_bus()
    out = out_of(network, "2-3", "4-5")
    factors = ptdf(network, 0, out)
    moved = factors[:, 2] - factors[:, 3]
    assert moved == pytest.approx([float(branch.name == "3-4") for branch in network.branches], abs=1e-12)
    others = [branch.name != "3-4" for branch in network.branches]
    assert not factors[others][:, [2, 3]].any()
    assert ptdf_of(network, out)[len(network.branches) :].tolist() == [[0.0, 0.0, 1.0, 1.0, 0.0, 0.0]]


@pytest.mark.parametrize("cut", [("2-3", "3-4"), ("2-3", "4-5"), ("1-2", "6-1")])
def test_the_dispatch_of_a_split_six_bus_grid_balances_each_island(cut: tuple[str, ...]) -> None:
    network = six_bus()
    expected = outlook(
        network, {"1": 40.0, "2": 30.0, "4": 60.0, "5": 20.0}, {"wind": 70.0, "sun": 20.0, "river": 10.0}
    )
    expected.branch_out[: len(network.branches), 3:9] = out_of(network, *cut)[:, None]
    begin = state(network, {"coal": 60.0, "gas": 20.0, "atom": 48.0})
    day = commit(network, expected, begin, SETTINGS)
    plan, _ = EconomicDispatch(network, SETTINGS).solve(expected, begin, day, None, None)
    assert day.status is not PlanStatus.HELD
    assert plan.status is PlanStatus.SOLVED
    for period in range(16):
        found = imbalances(network, expected, plan, period)
        assert len(found) == (2 if 3 <= period < 9 else 1)
        assert found == pytest.approx(np.zeros(len(found)), abs=1e-5)


def test_load_of_a_bus_cut_off_is_shed_or_served_by_what_is_there() -> None:
    """All load at b with gas (60 MW) and the battery; cut off, coal and wind at a and c can't reach it."""
    network = three_bus()
    expected = outlook(network, {"b": 100.0}, {"wind": 60.0})
    expected.branch_out[out_of(network, "ab", "cb"), 4:8] = True
    begin = state(network, {"coal": 50.0, "gas": 50.0}, soc_mwh=0.0)
    day = commit(network, expected, begin, SETTINGS)
    day = replace(day, is_on=np.ones_like(day.is_on))
    plan, _ = EconomicDispatch(network, SETTINGS).solve(expected, begin, day, None, None)
    shed = {s.valid_time for s in plan.slacks if s.kind == "shed"}
    assert shed <= set(plan.valid_time[4:8])
    assert plan.power_mw[network.asset_index["gas"], 5:8] == pytest.approx([60.0] * 3)
    assert (plan.curtailment_mw[network.asset_index["wind"], 4:8] > 59.0).all()


def test_ticks_go_on_while_an_island_comes_and_goes_and_warm_starts_change_nothing() -> None:
    network = three_bus()
    begin = state(network, {"coal": 50.0, "gas": 50.0})
    dispatch, warm = EconomicDispatch(network, SETTINGS), None
    for tick in range(6):
        expected = outlook(network, {"b": 100.0 + tick}, {"wind": 60.0})
        expected.branch_out[out_of(network, "ac", "cb"), max(0, 3 - 2 * tick) : max(0, 6 - 2 * tick)] = True
        expected = replace(expected, issue_time=expected.issue_time + tick * PERIOD)
        day = commit(network, expected, begin, SETTINGS)
        day = replace(day, is_on=np.ones_like(day.is_on))
        cold, _ = dispatch.solve(expected, begin, day, None, None)
        plan, warm = dispatch.solve(expected, begin, day, None, warm)
        assert plan.status is PlanStatus.SOLVED
        assert plan.objective == pytest.approx(cold.objective)
        assert plan.curtailment_mw.sum() == pytest.approx(cold.curtailment_mw.sum(), abs=1e-6)


@pytest.mark.solver
def test_rts_goes_on_without_the_only_line_to_a_bus() -> None:
    """B11 is the only way to bus 207, with two units and load."""
    network = open_grid("rts-gmlc").network
    weights = network.area_shares @ np.array([1000.0, 1000.0, 1000.0])
    load = {bus.name: float(weight) for bus, weight in zip(network.buses, weights, strict=True)}
    expected = outlook(network, load, {}, 4)
    expected.branch_out[: len(network.branches), 2:] = out_of(network, "B11")[:, None]
    running = {a.name: 0.7 * a.p_max_mw for a in network.assets if a.commitment and a.fuel in {"Coal", "Nuclear"}}
    begin = state(network, running)
    day = commit(network, expected, begin, SETTINGS)
    plan, _ = EconomicDispatch(network, SETTINGS).solve(expected, begin, day, None, None)
    assert plan.status is PlanStatus.SOLVED
    for period in range(4):
        found = imbalances(network, expected, plan, period)
        assert len(found) == (2 if period >= 2 else 1)
        assert found == pytest.approx(np.zeros(len(found)), abs=1e-5)

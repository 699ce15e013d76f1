"""Laws of the real-time balance, on random small grids and on cases worked by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from dispatch.balance import Balance, Reach, RealTimeBalance
from dispatch.balance_means import Means, means_of
from gridcore.asset import Technology
from gridcore.network import Branch, Bus, DcLine, Network
from gridcore.plan import Cause
from tests.builders import battery, six_bus, source, thermal, three_bus

Floats = npt.NDArray[np.float64]

BALANCED_MW = 1e-7


@dataclass(frozen=True)
class Case:
    """A grid and one step of it."""

    network: Network
    reach: Reach


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A connected grid of 2 to 7 buses with any mixture of assets, and a step from calm to impossible."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    network = _random_network(rng, draw(st.integers(2, 7)), line_mw=draw(st.sampled_from([5.0, 40.0, 400.0])))
    load_mw = draw(st.floats(0.0, 400.0))
    return Case(network, _random_reach(rng, network, load_mw))


def _random_network(rng: np.random.Generator, buses: int, line_mw: float) -> Network:
    weights = rng.uniform(0.1, 1.0, buses)
    nodes = tuple(Bus(str(b), "all", float(weight)) for b, weight in enumerate(weights / weights.sum()))
    ends = [(int(rng.integers(0, b)), b) for b in range(1, buses)]
    ends += [(0, int(b)) for b in rng.integers(1, buses, size=int(rng.integers(0, 4)))]
    branches = tuple(
        Branch(f"l{n}", str(f), str(t), float(rng.uniform(0.01, 0.3)), float(line_mw * rng.uniform(0.5, 2.0)))
        for n, (f, t) in enumerate(ends)
    )
    dc = (DcLine("dc", "0", str(buses - 1), 25.0),) if rng.random() < 0.5 else ()
    assets = [thermal("t0", "0", 10.0, 80.0)]
    kinds = [Technology.WIND, Technology.PV, Technology.ROOFTOP_PV, Technology.HYDRO]
    for n in range(int(rng.integers(2, 9))):
        bus, kind = str(rng.integers(0, buses)), int(rng.integers(0, 6))
        if kind < 4:
            assets.append(source(f"s{n}", kinds[kind], bus, 60.0))
        elif kind == 4:
            assets.append(thermal(f"t{n + 1}", bus, 5.0, 50.0))
        else:
            assets.append(battery(f"b{n}", bus, 20.0, 40.0))
    return Network("random", "UTC", nodes, branches, dc, tuple(assets))


def _random_reach(rng: np.random.Generator, network: Network, load_mw: float) -> Reach:
    means = means_of(network)
    capacity = np.array([asset.p_max_mw for asset in network.assets])
    upper = capacity * rng.uniform(0.0, 1.0, len(capacity))
    lower = np.where(means == Means.REGULATION, upper * rng.uniform(0.0, 1.0, len(capacity)), 0.0)
    lower = np.where(means == Means.STORAGE, -capacity * rng.uniform(0.0, 1.0, len(capacity)), lower)
    lower = np.where(means == Means.FIXED, upper, lower)
    base = lower + (upper - lower) * rng.choice([0.0, 0.5, 1.0], len(capacity))
    dc = rng.uniform(-25.0, 25.0, len(network.dc_lines))
    out = np.zeros(len(network.branches) + len(network.dc_lines), bool)
    if rng.random() < 0.3:
        out[rng.integers(0, len(out))] = True
    return Reach(base, lower, upper, network.area_shares @ np.array([load_mw]), dc, out)


def _incidence(network: Network) -> Floats:
    ends = [(b.from_bus, b.to_bus) for b in network.branches] + [(d.from_bus, d.to_bus) for d in network.dc_lines]
    matrix = np.zeros((len(network.buses), len(ends)))
    for line, (f, t) in enumerate(ends):
        matrix[network.bus_index[f], line] += 1
        matrix[network.bus_index[t], line] -= 1
    return matrix


def _imbalance(case: Case, answer: Balance) -> Floats:
    made = np.bincount(case.network.asset_bus, weights=answer.power_mw, minlength=len(case.network.buses))
    net = made - case.reach.load_mw + answer.shed_mw - answer.over_generation_mw
    imbalance: Floats = net - _incidence(case.network) @ answer.flow_mw
    return imbalance


def _limits(network: Network) -> Floats:
    return np.array([b.limit_mw for b in network.branches] + [d.limit_mw for d in network.dc_lines])


def _least_slack_and_curtailment(case: Case) -> tuple[float, float]:
    """Least shed + over-generation within line limits, and then least curtailment below the base points.

    An independent program, by scipy: columns output, shed, over-generation, flow, angle, curtailment; lexicographic.
    """
    network, reach = case.network, case.reach
    buses, branches, assets = len(network.buses), len(network.branches), len(network.assets)
    incidence, farms = _incidence(network), np.flatnonzero(means_of(network) == Means.VARIABLE)
    at_bus = np.zeros((buses, assets))
    at_bus[network.asset_bus, np.arange(assets)] = 1
    eye, lines = np.eye(buses), incidence.shape[1]
    x = np.array([b.x_pu * b.ratio / network.base_mva for b in network.branches])
    balance = np.hstack([at_bus, eye, -eye, -incidence, np.zeros((buses, buses + len(farms)))])
    none, dc = np.zeros((branches, assets + 2 * buses)), np.zeros((branches, lines - branches))
    angles = np.hstack([none, np.diag(x), dc, -incidence[:, :branches].T, np.zeros((branches, len(farms)))])
    angles = angles[~reach.branch_out[:branches]]
    limit = np.where(reach.branch_out, 0.0, _limits(network))
    bounds = [*zip(reach.lower_mw, reach.upper_mw, strict=True), *((0, load) for load in reach.load_mw)]
    bounds += [(0, None)] * buses + [(-one, one) for one in limit] + [(None, None)] * buses + [(0, None)] * len(farms)
    below = np.zeros((len(farms), len(bounds)))
    below[np.arange(len(farms)), farms], below[:, len(bounds) - len(farms) :] = -1, -np.eye(len(farms))
    slack, curtailed = np.zeros(len(bounds)), np.zeros(len(bounds))
    slack[assets : assets + 2 * buses], curtailed[len(bounds) - len(farms) :] = 1, 1
    equal = {"A_eq": np.vstack([balance, angles]), "b_eq": np.concatenate([reach.load_mw, np.zeros(len(angles))])}
    upper = -reach.base_mw[farms]
    first = linprog(slack, A_ub=below, b_ub=upper, bounds=bounds, method="highs", **equal)
    assert first.status == 0
    kept, at_most = np.vstack([below, slack]), np.append(upper, first.fun + 1e-6)
    second = linprog(curtailed, A_ub=kept, b_ub=at_most, bounds=bounds, method="highs", **equal)
    assert second.status == 0
    return float(first.fun), float(second.fun)


@given(cases())
@settings(max_examples=150, deadline=None)
def test_every_bus_balances_and_no_line_is_overloaded(case: Case) -> None:
    answer = RealTimeBalance(case.network).solve(case.reach)
    assert np.abs(_imbalance(case, answer)).max() < BALANCED_MW
    assert (np.abs(answer.flow_mw) <= _limits(case.network)).all()
    assert not answer.flow_mw[case.reach.branch_out].any()
    assert (answer.power_mw >= case.reach.lower_mw - 1e-9).all()
    assert (answer.power_mw <= case.reach.upper_mw + 1e-9).all()
    assert (answer.shed_mw >= 0).all()
    assert (answer.over_generation_mw >= 0).all()


@given(cases())
@settings(max_examples=100, deadline=None)
def test_slacks_then_curtailment_are_the_least_that_lines_and_reach_leave(case: Case) -> None:
    answer = RealTimeBalance(case.network).solve(case.reach)
    slack = float((answer.shed_mw + answer.over_generation_mw).sum())
    farms = means_of(case.network) == Means.VARIABLE
    curtailed = float(np.maximum(case.reach.base_mw - answer.power_mw, 0.0)[farms].sum())
    # The margin below each limit costs at most a few times itself.
    assert (slack, curtailed) == pytest.approx(_least_slack_and_curtailment(case), abs=1e-2)


@given(cases())
@settings(max_examples=100, deadline=None)
def test_what_is_given_stays_as_it_is(case: Case) -> None:
    answer = RealTimeBalance(case.network).solve(case.reach)
    given_rows = means_of(case.network) == Means.FIXED
    assert np.array_equal(answer.power_mw[given_rows], case.reach.base_mw[given_rows])


@given(cases())
@settings(max_examples=100, deadline=None)
def test_a_means_rests_until_the_one_before_is_used_up(case: Case) -> None:
    answer = RealTimeBalance(case.network).solve(case.reach)
    if answer.is_line_bound or case.reach.branch_out.any():
        return
    means, reach = means_of(case.network), case.reach
    up, down = answer.power_mw - reach.base_mw, reach.base_mw - answer.power_mw

    def used(one: Means, moved: Floats) -> bool:
        return bool((moved[means == one] > 1e-7).any())

    def has_room(one: Means, room: Floats) -> bool:
        return bool((room[means == one] > 1e-7).any())

    above, below = reach.upper_mw - answer.power_mw, answer.power_mw - reach.lower_mw
    upward = [Means.VARIABLE, Means.REGULATION, Means.STORAGE]
    downward = [Means.REGULATION, Means.STORAGE, Means.VARIABLE]
    for before, after in ((0, 1), (0, 2), (1, 2)):
        assert not (used(upward[after], up) and has_room(upward[before], above))
        assert not (used(downward[after], down) and has_room(downward[before], below))
    if answer.shed_mw.sum() > 1e-7:
        assert not any(has_room(one, above) for one in upward)
    if answer.over_generation_mw.sum() > 1e-7:
        assert not any(has_room(one, below) for one in downward)


@given(st.lists(cases(), min_size=2, max_size=3))
@settings(max_examples=40, deadline=None)
def test_an_answer_does_not_depend_on_what_was_asked_before(several: list[Case]) -> None:
    first = several[0]
    balance = RealTimeBalance(first.network)
    answer = balance.solve(first.reach)
    heavier = replace(first.reach, load_mw=first.reach.load_mw * 1.7 + 3.0)
    balance.solve(heavier)
    for again in (balance.solve(first.reach), RealTimeBalance(first.network).solve(first.reach)):
        assert again.power_mw.tobytes() == answer.power_mw.tobytes()
        assert again.flow_mw.tobytes() == answer.flow_mw.tobytes()
        assert again.shed_mw.tobytes() == answer.shed_mw.tobytes()


def _three(network: Network, load_mw: float, **powers: tuple[float, float, float]) -> Reach:
    """A step of the three-bus grid: base, least and largest power by asset; 0 for those not named."""
    values = np.array([powers.get(asset.name, (0.0, 0.0, 0.0)) for asset in network.assets])
    load = np.array([0.0, load_mw, 0.0])
    return Reach(values[:, 0], values[:, 1], values[:, 2], load, np.zeros(0), np.zeros(3, bool))


def _by_name(network: Network, power_mw: Floats) -> dict[str, float]:
    return {asset.name: float(power) for asset, power in zip(network.assets, power_mw, strict=True)}


def test_regulation_is_shared_in_proportion_to_room() -> None:
    network = three_bus()
    # 30 MW are missing; coal has 40 and gas 20 MW of room: two thirds and one third.
    reach = _three(network, 130.0, coal=(60.0, 20.0, 100.0), gas=(40.0, 10.0, 60.0))
    answer = RealTimeBalance(network).solve(reach)
    assert _by_name(network, answer.power_mw)["coal"] == pytest.approx(80.0)
    assert _by_name(network, answer.power_mw)["gas"] == pytest.approx(50.0)


def test_a_full_line_curtails_the_wind_behind_it_and_other_units_serve_the_load() -> None:
    network = three_bus(line_mw=40.0)
    # Two thirds of the wind take the direct line: 40 MW of it carry 60 MW of wind, less what coal pushes the same way
    # round (a third of it), which regulation takes down first.
    reach = _three(network, 120.0, coal=(20.0, 20.0, 100.0), gas=(10.0, 10.0, 60.0), wind=(90.0, 0.0, 90.0))
    answer = RealTimeBalance(network).solve(reach)
    power = _by_name(network, answer.power_mw)
    assert answer.is_line_bound
    assert power["coal"] == pytest.approx(20.0, abs=1e-3)
    assert 2 / 3 * power["wind"] + power["coal"] / 3 == pytest.approx(40.0, abs=1e-3)
    assert power["gas"] == pytest.approx(120.0 - power["wind"] - 20.0, abs=1e-3)
    assert answer.shed_mw.sum() == 0.0


def test_what_stands_against_a_release_is_named() -> None:
    tight, wide = three_bus(line_mw=40.0), three_bus()
    limited = {"coal": (50.0, 20.0, 100.0), "gas": (30.0, 10.0, 60.0), "wind": (40.0, 0.0, 90.0)}
    for network, expected in ((tight, Cause.CONGESTION), (wide, None)):
        reach = _three(network, 120.0, **limited)
        released = np.where([a.name == "wind" for a in network.assets], 90.0, reach.base_mw)
        assert RealTimeBalance(network).obstacle(reach, released) is expected
    at_minimum = limited | {"coal": (20.0, 20.0, 100.0), "gas": (10.0, 10.0, 60.0)}
    reach = _three(wide, 70.0, **at_minimum)
    released = np.where([a.name == "wind" for a in wide.assets], 90.0, reach.base_mw)
    assert RealTimeBalance(wide).obstacle(reach, released) is Cause.SURPLUS


def test_a_bus_cut_off_by_outages_is_balanced_on_its_own() -> None:
    network = three_bus()
    reach = _three(network, 50.0, gas=(10.0, 10.0, 60.0), wind=(90.0, 0.0, 90.0), coal=(0.0, 0.0, 0.0))
    reach = replace(reach, branch_out=np.array([False, True, True]))
    answer = RealTimeBalance(network).solve(reach)
    power = _by_name(network, answer.power_mw)
    assert power["wind"] == pytest.approx(0.0, abs=1e-9)
    assert power["gas"] == pytest.approx(50.0, abs=1e-9)
    assert not answer.flow_mw[1:].any()


def test_a_dc_line_follows_its_target_while_lines_allow() -> None:
    network = six_bus(line_mw=500.0)
    count = len(network.assets)
    base = np.array([60.0, 40.0, 45.0, *([0.0] * (count - 3))])
    upper = np.array([120.0, 80.0, 50.0, *([0.0] * (count - 3))])
    lower = np.array([30.0, 10.0, 45.0, *([0.0] * (count - 3))])
    load = network.area_shares @ np.array([80.0, 70.0])
    reach = Reach(base, lower, upper, load, np.array([17.5]), np.zeros(8, bool))
    assert RealTimeBalance(network).solve(reach).flow_mw[-1] == 17.5


@pytest.mark.parametrize(
    ("line_mw", "target_mw", "least_mw"), [(30.0, -10.0, 0.0), (25.0, -10.0, 10.0), (20.0, 5.0, 20.0)]
)
def test_a_dc_line_leaves_its_target_only_as_far_as_full_lines_ask(
    line_mw: float, target_mw: float, least_mw: float
) -> None:
    """60 MW of wind at bus 3, two AC lines and the DC line: it carries what the two can't, and no more."""
    network = six_bus(line_mw=line_mw)
    rest = [0.0] * (len(network.assets) - 4)
    base, upper = np.array([60.0, 40.0, 45.0, 60.0, *rest]), np.array([120.0, 80.0, 50.0, 60.0, *rest])
    lower = np.array([30.0, 10.0, 45.0, 0.0, *rest])
    load = network.area_shares @ np.array([80.0, 120.0])
    reach = Reach(base, lower, upper, load, np.array([target_mw]), np.zeros(8, bool))
    answer = RealTimeBalance(network).solve(reach)
    assert answer.is_line_bound
    assert answer.flow_mw[-1] == pytest.approx(least_mw, abs=1e-3)
    assert answer.power_mw[3] == pytest.approx(60.0, abs=1e-3)

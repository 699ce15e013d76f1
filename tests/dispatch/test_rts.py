"""The real grid: plans of an April morning pass the validator, within their work, whatever the wind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from dispatch.commit import commit, recommit
from dispatch.economic import EconomicDispatch
from dispatch.outlook import Outlook
from dispatch.settings import DispatchSettings
from dispatch.validate import validate_plan
from gridcore.asset import Technology
from gridcore.plan import PlanStatus
from gridcore.reading import to_matrix
from gridcore.state import GridState, unknown_state
from gridcore.target import inflow_channel, load_channel, power_channel
from gridcore.timeline import PERIOD, periods_between
from ingest.catalogue import open_grid

pytestmark = [pytest.mark.solver]
MORNING = datetime(2020, 4, 18, 14, tzinfo=UTC)  # 06:00 of the grid's clock: wind high, sun rising
WEATHER = (Technology.WIND, Technology.PV, Technology.ROOFTOP_PV, Technology.HYDRO)


def actual(source, start, hours):
    """What really came, as an outlook: perfect foresight."""
    network, end = source.network, start + timedelta(hours=hours)
    periods = hours * 4
    readings = source.readings(start, end)
    available = np.zeros((len(network.assets), periods))
    rows = [row for row, a in enumerate(network.assets) if a.technology in WEATHER]
    channels = [power_channel(network.assets[row].name) for row in rows]
    limits = np.array([[network.assets[row].p_max_mw] for row in rows])
    available[rows] = np.clip(to_matrix(readings, channels, start, end, PERIOD), 0.0, limits)
    tank = next(row for row, a in enumerate(network.assets) if a.technology is Technology.CSP)
    available[tank] = to_matrix(readings, [inflow_channel(network.assets[tank].name)], start, end, PERIOD)
    load = network.area_shares @ to_matrix(readings, [load_channel(a) for a in network.areas], start, end, PERIOD)
    names = [f"reserve/{p.name}" for p in network.reserves]
    official = source.official(start, end)
    hourly = to_matrix(official, names, start, end, timedelta(hours=1), key_column="asset", value_column="power_mw")
    return Outlook(
        issue_time=start - PERIOD,
        valid_time=periods_between(start, end),
        resolution=PERIOD,
        load_mw=load,
        available_mw=available,
        reserve_mw=hourly.repeat(4, axis=1),
        margin_mw=np.full(periods, 100.0),
        out_of_service=np.zeros((len(network.assets), periods), dtype=np.bool_),
        branch_out=np.zeros((len(network.branches) + len(network.dc_lines), periods), dtype=np.bool_),
    )


@pytest.fixture(scope="module")
def morning():
    source = open_grid("rts-gmlc")
    expected = actual(source, MORNING, 5)
    begin = unknown_state(source.network, MORNING)
    return source, expected, begin, commit(source.network, expected, begin, DispatchSettings())


def test_a_commitment_passes_the_validator_and_certifies_its_gap(morning):
    source, expected, begin, plan = morning
    assert plan.status is (PlanStatus.SOLVED if plan.gap <= DispatchSettings().gap else PlanStatus.LIMITED)
    assert plan.status is PlanStatus.SOLVED or f"{plan.gap:.4f}" in plan.reason
    assert validate_plan(source.network, plan, begin, expected) == []


def test_an_hour_of_rolling_dispatch_passes_the_validator_and_adds_up(morning):
    source, _, begin, commitment = morning
    network = source.network
    dispatch = EconomicDispatch(network, DispatchSettings())
    last, warm, count = None, None, len(network.assets)
    for tick in range(4):
        start = MORNING + tick * PERIOD
        expected = actual(source, start, 4)
        plan, warm = dispatch.solve(expected, begin, commitment, last, warm)
        assert plan.status is PlanStatus.SOLVED
        assert validate_plan(network, plan, begin, expected) == []
        shed = sum(s.size_mw for s in plan.slacks if s.kind == "shed")
        dumped = sum(s.size_mw for s in plan.slacks if s.kind == "over_generation")
        total = plan.power_mw[:count].sum() + shed - dumped
        assert total == pytest.approx(expected.load_mw.sum(), abs=1e-3)
        is_on = plan.is_on[:count, 0]
        hours = np.where(is_on == begin.is_on, begin.hours_in_state + 0.25, 0.25)
        since = np.full(count, np.inf) if begin.is_free else hours
        begin = GridState(start + PERIOD, plan.power_mw[:count, 0], is_on, since, plan.soc_mwh[:count, 0])
        last = plan


def test_quick_units_are_committed_anew_within_the_limits(morning):
    source, expected, begin, commitment = morning
    started = GridState(
        MORNING,
        commitment.power_mw[: len(source.network.assets), 0],
        commitment.is_on[: len(source.network.assets), 0],
        np.full(len(source.network.assets), np.inf),
        begin.soc_mwh,
    )
    gusty = expected.first(16)
    gusty.load_mw[:] *= 1.1
    plan = recommit(source.network, gusty, started, commitment, DispatchSettings())
    assert plan is not None
    assert validate_plan(source.network, plan, started, gusty) == []
    slow = [row for row, a in enumerate(source.network.assets) if a.commitment and a.commitment.min_up_h > 2.5]
    assert np.array_equal(plan.is_on[slow], commitment.is_on[slow, :16])

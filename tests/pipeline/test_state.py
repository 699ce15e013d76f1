"""The state that a plan starts from: telemetry, each channel carried on from its own last reading by what was told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from gridcore.network import Network
from gridcore.plan import Layer, Plan, PlanStatus
from gridcore.state import GridState
from gridcore.timeline import PERIOD, PLANT_PERIOD, periods_between
from pipeline.state import grid_state, projected_state
from tests.builders import START, battery, readings, setpoints, thermal, three_bus

NOW = START + timedelta(hours=3)
BEGINS = NOW + PERIOD


@dataclass
class Seen:
    """What is known at `instant`: these readings, and these setpoints."""

    table: pa.Table
    orders: pa.Table
    instant: datetime = NOW

    def readings(self, channels: list[str], start: datetime, end: datetime) -> pa.Table:
        inside = [c in channels and start <= t < end for c, t in self._keys()]
        return self.table.filter(pa.array(inside, pa.bool_()))

    def setpoints(self, since: datetime) -> pa.Table:
        return self.orders.filter(pc.greater_equal(self.orders.column("issue_time"), pa.scalar(since)))

    def _keys(self) -> list[tuple[str, datetime]]:
        return list(
            zip(self.table.column("channel").to_pylist(), self.table.column("valid_time").to_pylist(), strict=True)
        )


def up_to(values: dict[str, tuple[float, timedelta]]) -> pa.Table:
    """The last hour of each channel: one value throughout, up to so long before NOW."""
    tables = []
    for channel, (value, late) in values.items():
        count = int((timedelta(hours=1) - late) / PLANT_PERIOD)
        tables.append(readings({channel: [value] * count}, start=NOW - timedelta(hours=1)))
    return pa.concat_tables(tables)


def orders(power: dict[str, float], off: tuple[str, ...] = (), since: timedelta = timedelta(hours=1)) -> pa.Table:
    """The same setpoints for every quarter of an hour from so long before NOW to BEGINS."""
    quarters = periods_between(NOW - since, BEGINS)
    return pa.concat_tables(
        [setpoints(power, start=t.astype(datetime).replace(tzinfo=NOW.tzinfo), off=off) for t in quarters]
    )


def two_cells() -> Network:
    network = three_bus()
    return replace(network, assets=(*network.assets, battery("late", "a", 30.0, 60.0)))


ON = {"coal/status": (1.0, timedelta(0)), "gas/status": (0.0, timedelta(0))}
COAL = three_bus().asset_index["coal"]
GAS = three_bus().asset_index["gas"]


def test_each_battery_is_carried_on_from_its_own_last_reading() -> None:
    """Told to charge at 10 MW, 90 %: 0.75 MWh in 5 min. One is read up to now, the other up to 40 min ago."""
    told = orders({"cell": -10.0, "late": -10.0})
    table = up_to(ON | {"cell/soc": (20.0, timedelta(0)), "late/soc": (20.0, timedelta(minutes=40))})
    network = two_cells()
    soc = grid_state(Seen(table, told), network, BEGINS).soc_mwh  # type: ignore[arg-type]
    assert soc[network.asset_index["cell"]] == pytest.approx(20.0 + 3 * 0.75)
    assert soc[network.asset_index["late"]] == pytest.approx(20.0 + 11 * 0.75)


def test_stored_energy_goes_by_what_is_delivered_and_stays_within_the_store() -> None:
    """18 MW out at 90 % take 20 MW from the store: 1.67 MWh in 5 min; 4 MWh last for two of three."""
    network = three_bus()
    cell = network.asset_index["cell"]
    for before, after in ((20.0, 20.0 - 3 * 20.0 / 12), (4.0, 0.0)):
        table = up_to(ON | {"cell/soc": (before, timedelta(0))})
        state = grid_state(Seen(table, orders({"cell": 18.0})), network, BEGINS)  # type: ignore[arg-type]
        assert state.soc_mwh[cell] == pytest.approx(after)


def test_without_a_reading_the_store_starts_from_its_initial_energy() -> None:
    state = grid_state(Seen(up_to(ON), setpoints({"gas": 0.0})), three_bus(), BEGINS)  # type: ignore[arg-type]
    assert state.soc_mwh[three_bus().asset_index["cell"]] == 30.0


def test_a_unit_told_to_switch_has_switched_when_the_plan_begins() -> None:
    told = pa.concat_tables(
        [setpoints({"coal": 50.0, "gas": 0.0}, start=NOW - PERIOD, off=["gas"]),
         setpoints({"coal": 0.0, "gas": 10.0}, start=NOW, off=["coal"])]
    )  # fmt: skip
    state = grid_state(Seen(up_to(ON), told), three_bus(), BEGINS)  # type: ignore[arg-type]
    assert list(state.is_on[[COAL, GAS]]) == [False, True]
    assert list(state.hours_in_state[[COAL, GAS]]) == [0.25, 0.25]


def test_a_late_status_is_carried_on_by_what_was_told_since() -> None:
    """Gas was last heard of 40 min ago, off, and told to run from half an hour ago on: 45 min when the plan begins."""
    told = pa.concat_tables(
        [setpoints({"gas": 0.0}, start=NOW - 3 * PERIOD, off=["gas"]), orders({"gas": 10.0}, since=2 * PERIOD)]
    )
    table = up_to(ON | {"gas/status": (0.0, timedelta(minutes=40))})
    state = grid_state(Seen(table, told), three_bus(), BEGINS)  # type: ignore[arg-type]
    assert state.is_on[GAS]
    assert state.hours_in_state[GAS] == 0.75


@pytest.mark.parametrize(("late_min", "reached"), [(0, 80.0), (5, 90.0), (30, 100.0)])
def test_output_follows_what_was_told_as_far_as_the_ramp_reaches(late_min: int, reached: float) -> None:
    """Coal at 50 MW, told 100, 2 MW a minute over the 15 min to the plan's start and what its telemetry is late."""
    table = up_to(ON | {"coal/power": (50.0, timedelta(minutes=late_min)), "cell/power": (0.0, timedelta(0))})
    state = grid_state(Seen(table, orders({"coal": 100.0})), three_bus(), BEGINS)  # type: ignore[arg-type]
    assert state.power_mw[COAL] == pytest.approx(reached)


def test_without_any_status_the_state_is_free() -> None:
    table = up_to({"coal/power": (50.0, timedelta(0))})
    assert grid_state(Seen(table, setpoints({"coal": 50.0})), three_bus(), BEGINS).is_free  # type: ignore[arg-type]


def test_a_plan_that_is_followed_leads_to_its_own_end() -> None:
    """Coal on for 5 h goes on for an hour; gas, off for 2 h, starts in the third quarter: on for half an hour."""
    network = three_bus()
    names = tuple(asset.name for asset in network.assets)
    shape = (len(names), 4)
    on = np.ones(shape, bool)
    on[GAS, :2] = False
    power = np.tile(np.array([[60.0], [25.0], [70.0], [5.0], [-3.0]]), 4)
    soc = np.full(shape, np.nan)
    soc[network.asset_index["cell"]] = 31.0, 32.0, 33.0, 34.0
    zero = np.zeros(shape)
    plan = Plan(
        Layer.SCUC, NOW, periods_between(BEGINS, BEGINS + 4 * PERIOD), PERIOD, names, on, power, zero, zero, soc, zero,
        zero, np.full(shape, "", object), zero, PlanStatus.SOLVED,
    )  # fmt: skip
    hours, was_on = np.array([5.0, 2.0, 9.0, 9.0, 9.0]), np.array([True, False, True, True, True])
    start = GridState(BEGINS, np.zeros(5), was_on, hours, np.array([np.nan] * 4 + [30.0]))
    after = projected_state(network, start, plan, BEGINS + 4 * PERIOD)
    assert list(after.hours_in_state[[COAL, GAS]]) == [6.0, 0.5]
    assert list(after.power_mw[[COAL, GAS]]) == [60.0, 25.0]
    assert after.soc_mwh[4] == 34.0
    off = replace(plan, is_on=np.where(np.arange(5)[:, None] == GAS, False, on))
    assert projected_state(network, start, off, BEGINS + 4 * PERIOD).power_mw[GAS] == 0.0
    assert projected_state(network, start, off, BEGINS + 4 * PERIOD).hours_in_state[GAS] == 3.0


@pytest.mark.parametrize("late", [timedelta(hours=1), timedelta(minutes=65), timedelta(minutes=125)])
def test_a_store_told_late_is_carried_on_from_its_last_reading_not_from_its_initial_energy(late: timedelta) -> None:
    """Read 55 MWh until so long ago, telemetry by whole hours or an hour late; 9 MW out at 90 % take 10 MW since."""
    begun = NOW - late - PLANT_PERIOD
    table = pa.concat_tables([up_to(ON), readings({"cell/soc": [55.0], "coal/power": [50.0]}, start=begun)])
    told = orders({"cell": 9.0, "coal": 100.0}, since=timedelta(hours=3))
    network = three_bus()
    state = grid_state(Seen(table, told), network, BEGINS)  # type: ignore[arg-type]
    hours = (late + PERIOD) / timedelta(hours=1)
    assert state.soc_mwh[network.asset_index["cell"]] == pytest.approx(55.0 - 10.0 * hours)
    assert state.power_mw[COAL] == pytest.approx(100.0)


def test_a_newer_reading_of_the_plant_counts_and_an_old_one_of_the_wind_does_not() -> None:
    old = readings({"cell/soc": [55.0], "wind/power": [80.0], "coal/power": [90.0]}, start=NOW - timedelta(hours=2))
    new = up_to(ON | {"cell/soc": (20.0, timedelta(0)), "coal/power": (50.0, timedelta(0))})
    network = three_bus()
    state = grid_state(Seen(pa.concat_tables([old, new]), setpoints({"gas": 0.0})), network, BEGINS)  # type: ignore[arg-type]
    assert state.soc_mwh[network.asset_index["cell"]] == 20.0
    assert state.power_mw[COAL] == 50.0
    assert np.isnan(state.power_mw[network.asset_index["wind"]])


@pytest.mark.parametrize(("min_h", "remembered"), [(8.0, 49.25), (48.0, 49.25), (72.0, 73.25)])
def test_a_unit_is_remembered_for_longer_than_it_must_stay(min_h: float, remembered: float) -> None:
    """Off for so long: within the memory its hours are counted, beyond it the unit is free."""
    network = three_bus()
    slow = (thermal("coal", "a", 20.0, 100.0, min_h=min_h), *network.assets[1:])
    for ago_h in (48.0, 60.0, 72.0, 74.0):
        steps = int(timedelta(hours=ago_h) / PLANT_PERIOD)
        table = readings({"coal/status": [1.0] * 12 + [0.0] * steps}, start=NOW - timedelta(hours=ago_h + 1))
        seen = Seen(table, setpoints({"coal": 0.0}, start=NOW, off=["coal"]))
        hours = grid_state(seen, replace(network, assets=slow), BEGINS).hours_in_state[COAL]  # type: ignore[arg-type]
        assert hours == (pytest.approx(ago_h + 0.25) if ago_h + 0.25 < remembered else np.inf)

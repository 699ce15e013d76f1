"""Laws of the simulated plant: what it enforces, what it reports, and that it can be stopped and continued."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.ipc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcore.errors import BrokenInvariantError
from gridcore.network import Network
from gridcore.plan import SETPOINT_SCHEMA
from gridcore.reading import OUTAGE_SCHEMA, READING_SCHEMA
from gridcore.timeline import PERIOD, PLANT_PERIOD
from pipeline.findings import Findings
from pipeline.plant import Plant, Step
from pipeline.plant_orders import orders_in_force
from pipeline.truth import Truth
from pipeline.validate_flows import check_flows
from pipeline.validate_units import check_units
from tests.builders import START, readings, setpoints, six_bus, three_bus

NOTHING = SETPOINT_SCHEMA.empty_table()
STEP_H = PLANT_PERIOD / timedelta(hours=1)


def _three(
    steps: int = 12,
    *,
    wind: float | list[float] = 40.0,
    load: float | list[float] = 100.0,
    outages: pa.Table | None = None,
    network: Network | None = None,
) -> Plant:
    series = {"wind/power": wind, "roof/power": 5.0, "east/load": load}
    columns = {name: [value] * steps if isinstance(value, float) else value for name, value in series.items()}
    grid = network or three_bus()
    return Plant(grid, Truth(grid, readings(columns), outages), START)


def _six(steps: int, seed: int, *, calm: bool = False) -> Plant:
    """The six-bus plant in wandering weather; calm, load is low enough for any unit to stop."""
    rng = np.random.default_rng(seed)
    capacity = {"wind/power": 120.0, "sun/power": 60.0, "roof/power": 30.0, "river/power": 25.0, "mirror/inflow": 80.0}
    series = {name: _wandering(rng, steps, high) for name, high in capacity.items()}
    peaks = (50.0, 40.0) if calm else (180.0, 140.0)
    for area, peak in zip(("north", "south"), peaks, strict=True):
        series[f"{area}/load"] = np.maximum(20.0, _wandering(rng, steps, peak))
    network = six_bus()
    return Plant(network, Truth(network, readings(series)), START)


def _wandering(rng: np.random.Generator, steps: int, high: float) -> npt.NDArray[np.float64]:
    walk: npt.NDArray[np.float64] = np.clip(rng.uniform(0, high) + rng.normal(0, high / 10, steps).cumsum(), 0, high)
    return walk


def _power(plant: Plant, step: Step, network: Network | None = None) -> dict[str, float]:
    names = [asset.name for asset in (network or three_bus()).assets]
    return dict(zip(names, step.realised.power_mw.tolist(), strict=True))


def _value(step: Step, channel: str) -> float | None:
    rows = step.telemetry.to_pylist()
    return next((row["value"] for row in rows if row["channel"] == channel), None)


def _bits(table: pa.Table) -> bytes:
    """The table's bytes; NaN, which equals nothing, is compared as well."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _random_orders(rng: np.random.Generator, network: Network, steps: int) -> pa.Table:
    """Setpoints of every quarter, as wild as a broken optimiser's; one quarter in five is lost."""
    tables = []
    for quarter in range(steps // 3 + 1):
        if quarter and rng.random() < 0.2:
            continue
        told = [asset for asset in network.assets if asset.name not in ("roof", "river", "spin")]
        orders = {asset.name: rng.uniform(-1.2, 1.2) * asset.p_max_mw for asset in told}
        orders["dc"] = float(rng.uniform(-40, 40))
        off = [name for name in ("coal", "gas", "atom", "mirror") if rng.random() < 0.4]
        tables.append(setpoints(orders, start=START + quarter * PERIOD, off=off))
    return pa.concat_tables(tables)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_whatever_it_is_told_it_breaks_no_limit(seed: int) -> None:
    steps = 36
    plant = _six(steps, seed)
    orders = _random_orders(np.random.default_rng(seed + 1), six_bus(), steps)
    tables: dict[str, list[pa.Table]] = {"asset": [], "bus": [], "branch": []}
    for _ in range(steps):
        for name, table in plant.step(orders).tables.items():
            tables[name].append(table)
    whole = {name: pa.concat_tables(parts) for name, parts in tables.items()}
    findings = Findings()
    check_flows(six_bus(), whole, OUTAGE_SCHEMA.empty_table(), "plant", findings)
    check_units(six_bus(), whole["asset"], OUTAGE_SCHEMA.empty_table(), "plant", findings)
    assert findings.violations == []
    assert findings.max_bus_imbalance_mw["plant"] < 1e-7
    assert min(findings.checked.values()) > 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 17))
@settings(max_examples=15, deadline=None)
def test_a_plant_continued_from_its_bytes_does_the_same_bit_for_bit(seed: int, cut: int) -> None:
    steps = 18
    orders = _random_orders(np.random.default_rng(seed + 1), six_bus(), steps)
    whole, first, second = (_six(steps, seed) for _ in range(3))
    expected = [whole.step(orders) for _ in range(steps)]
    done = [first.step(orders) for _ in range(cut)]
    second.restore(first.to_bytes())
    done += [second.step(orders) for _ in range(steps - cut)]
    for one, other in zip(done, expected, strict=True):
        assert one.telemetry.equals(other.telemetry)
        assert all(_bits(one.tables[name]) == _bits(other.tables[name]) for name in one.tables)
        assert one.realised.power_mw.tobytes() == other.realised.power_mw.tobytes()
        assert one.realised.flow_mw.tobytes() == other.realised.flow_mw.tobytes()
    assert second.to_bytes() == whole.to_bytes()


def test_a_checkpoint_of_another_grid_is_refused() -> None:
    with pytest.raises(BrokenInvariantError):
        _six(3, 1).restore(_three().to_bytes())


def test_the_first_setpoints_decide_who_runs() -> None:
    plant = _three(wind=0.0, load=65.0)
    step = plant.step(setpoints({"coal": 60.0, "gas": 0.0, "wind": 150.0}, off=["gas"]))
    assert step.realised.is_on.tolist() == [True, False, True, True, True]
    assert _power(plant, step)["coal"] == pytest.approx(60.0)
    assert step.refused == ()


def test_a_target_is_approached_by_the_ramp_and_the_rest_is_balanced_by_others() -> None:
    plant = _three(wind=0.0, load=[85.0, 85.0, 85.0])
    both = {"coal": 50.0, "gas": 30.0}
    plant.step(setpoints(both))
    # Coal may fall by 5 min * 2 MW/min in a step; told 20 MW it gives 40, and gas takes up the rest.
    step = plant.step(setpoints(both | {"coal": 20.0, "gas": 40.0}))
    assert _power(plant, step)["coal"] == pytest.approx(40.0)
    assert _power(plant, step)["gas"] == pytest.approx(40.0)


def test_a_start_before_the_minimum_down_time_is_refused_and_named() -> None:
    gas, orders = six_bus().asset_index["gas"], {"coal": 60.0, "gas": 40.0, "atom": 48.0}
    plant = _six(30, 3, calm=True)
    stop, start = setpoints(orders, off=["gas"], minutes=600), setpoints(orders, minutes=600)
    plant.step(start)
    while plant.step(stop).realised.is_on[gas]:
        pass
    down_since = plant.instant - PLANT_PERIOD
    step = plant.step(start)
    assert ("gas", "min_down") in step.refused
    while not step.realised.is_on[gas]:
        step = plant.step(start)
    assert step.realised.valid_time - down_since == timedelta(minutes=30)
    # It starts at its minimum of 10 MW, with a step's ramp of 20 MW on top at most.
    assert 10.0 <= step.realised.power_mw[gas] <= 30.0
    assert plant.refused["min_down"] == 5


def test_a_must_run_unit_is_not_stopped() -> None:
    plant, network = _six(3, 5), six_bus()
    orders = setpoints({"coal": 60.0, "gas": 40.0, "atom": 0.0}, off=["atom"])
    for _ in range(3):
        step = plant.step(orders)
        assert step.realised.is_on[network.asset_index["atom"]]
    assert plant.refused == {"must_run": 3}


def test_expired_setpoints_hold_units_release_wind_and_stop_batteries() -> None:
    plant = _three(wind=60.0, load=120.0)
    table = setpoints({"coal": 50.0, "gas": 30.0, "wind": 20.0, "cell": 15.0}, minutes=5)
    first = _power(plant, plant.step(table))
    assert first == pytest.approx({"coal": 50.0, "gas": 30.0, "wind": 20.0, "roof": 5.0, "cell": 15.0})
    second = _power(plant, plant.step(table))
    assert second["wind"] == pytest.approx(60.0)
    assert second["cell"] == pytest.approx(0.0)
    assert second["coal"] + second["gas"] == pytest.approx(55.0)


def test_stored_energy_is_what_went_in_and_out_with_its_losses() -> None:
    plant = _three(wind=60.0, load=100.0)
    told = {"coal": 60.0, "gas": 20.0, "wind": 150.0}
    charged = plant.step(setpoints(told | {"cell": -27.0, "coal": 42.0})).realised
    cell = three_bus().asset_index["cell"]
    drawn = -charged.power_mw[cell]
    assert drawn > 0
    assert charged.soc_mwh[cell] == pytest.approx(30.0 + 0.9 * drawn * STEP_H)
    given_out = plant.step(setpoints(told | {"cell": 18.0, "coal": 32.0, "wind": 25.0})).realised
    assert given_out.power_mw[cell] > 0
    expected = charged.soc_mwh[cell] - given_out.power_mw[cell] / 0.9 * STEP_H
    assert given_out.soc_mwh[cell] == pytest.approx(expected)


def test_a_tripped_unit_gives_nothing_and_the_others_take_over() -> None:
    rows = [{"available_at": START, "asset": "coal", "from": START + PLANT_PERIOD, "until": START + PERIOD}]
    plant = _three(wind=0.0, load=80.0, outages=pa.Table.from_pylist(rows, schema=OUTAGE_SCHEMA))
    orders = setpoints({"coal": 30.0, "gas": 45.0})
    plant.step(orders)
    tripped = plant.step(orders)
    power = _power(plant, tripped)
    assert power["coal"] == 0.0
    # Gas rises by its ramp to 60 MW, roof gives 5, the battery the rest.
    assert power["gas"] == pytest.approx(60.0)
    assert power["cell"] == pytest.approx(15.0)
    assert ("coal", "out_of_service") in tripped.refused


def test_a_curtailed_farm_reports_its_power_as_the_limit() -> None:
    plant = _three(wind=60.0, load=100.0)
    orders = {"coal": 60.0, "gas": 20.0, "wind": 15.0}
    step = plant.step(setpoints(orders))
    wind = three_bus().asset_index["wind"]
    assert step.realised.curtailment_mw[wind] == pytest.approx(45.0)
    assert _value(step, "wind/limit") == pytest.approx(15.0)
    # Units have room to go down and no line is full: the limit went by a wrong forecast.
    assert step.realised.cause[wind] == "forecast"


def test_a_limit_below_capacity_is_reported_while_it_does_not_bind() -> None:
    plant = _three(wind=10.0, load=100.0)
    step = plant.step(setpoints({"coal": 60.0, "gas": 25.0, "wind": 15.0}))
    assert step.realised.curtailment_mw.sum() == 0
    assert _value(step, "wind/limit") == 15.0
    free = plant.step(setpoints({"coal": 60.0, "gas": 25.0, "wind": 150.0}))
    assert _value(free, "wind/limit") is None


def test_a_limit_is_released_before_a_unit_is_moved() -> None:
    plant = _three(wind=60.0, load=100.0)
    step = plant.step(setpoints({"coal": 60.0, "gas": 10.0, "wind": 15.0}))
    # 100 - 60 - 10 - 5 (roof) leaves 25 MW: the wind's limit is lifted from 15 to 25, nobody else moves.
    assert _power(plant, step) == pytest.approx({"coal": 60.0, "gas": 10.0, "wind": 25.0, "roof": 5.0, "cell": 0.0})


def test_surplus_is_told_from_congestion_and_from_ramps() -> None:
    idle = {"coal": 20.0, "gas": 10.0, "cell": -30.0}
    wind = three_bus().asset_index["wind"]
    surplus = _three(wind=150.0, load=100.0).step(setpoints(idle | {"wind": 150.0})).realised
    assert (surplus.cause[wind], surplus.power_mw[wind]) == ("surplus", pytest.approx(95.0))
    narrow = three_bus(line_mw=40.0)
    plant = _three(wind=90.0, load=150.0, network=narrow)
    congested = plant.step(setpoints({"coal": 20.0, "gas": 30.0, "wind": 150.0}))
    assert congested.realised.cause[wind] == "congestion"
    # Coal and gas can fall by 10 and 20 MW, the battery takes 30: of 120 MW wind 60 are left. At their minimum output
    # the units would have made room for 75 MW more.
    plant = _three(wind=[0.0, 120.0], load=[140.0, 140.0])
    running = {"coal": 90.0, "gas": 45.0, "wind": 150.0}
    plant.step(setpoints(running))
    assert plant.step(setpoints(running)).realised.cause[wind] == "ramp"


def test_telemetry_is_of_channels_of_the_grid_and_comes_after_the_period() -> None:
    plant = _six(2, 7)
    step = plant.step(setpoints({"coal": 60.0, "gas": 40.0, "atom": 48.0}))
    rows = step.telemetry.to_pylist()
    assert step.telemetry.schema == READING_SCHEMA
    assert {row["available_at"] for row in rows} == {START + PLANT_PERIOD + timedelta(minutes=1)}
    names = [row["channel"] for row in rows]
    assert names == sorted(names)
    own = {f"{unit}/{what}" for unit in ("coal", "gas", "atom", "mirror") for what in ("power", "status")}
    assert set(names) - {"wind/limit", "sun/limit"} == own | {"cell/power", "cell/soc", "mirror/soc"}


def test_without_any_setpoint_load_is_shed_and_nothing_breaks() -> None:
    step = _three(wind=0.0, load=100.0).step(NOTHING)
    # Nothing runs; the roof gives 5 MW and the battery its 30.
    assert step.realised.shed_mw.sum() == pytest.approx(65.0)


def test_a_unit_is_not_stopped_onto_shed_load() -> None:
    gas = three_bus().asset_index["gas"]
    plant = _three(wind=0.0, load=[120.0, 140.0, 100.0, 100.0])
    told = {"coal": 85.0, "gas": 30.0}
    stop = setpoints(told, off=["gas"], minutes=60)
    plant.step(setpoints(told))
    # Without gas: coal 95 MW after its ramp, battery 30, roof 5; 10 MW short of 140.
    held = plant.step(stop)
    assert held.realised.shed_mw.sum() == 0.0
    assert held.refused == (("gas", "needed"),)
    # It was raised to 43 MW, and comes within a step's ramp (20) of its minimum (10) before it stops.
    assert plant.step(stop).refused == (("gas", "ramping_down"),)
    assert not plant.step(stop).realised.is_on[gas]


def test_targets_are_joined_through_their_middles() -> None:
    # The last step of the first quarter and the first of the second stand a third of the way to the other.
    quarters = [
        setpoints({"coal": 60.0, "cell": power}, start=START + n * PERIOD) for n, power in enumerate((6.0, 18.0))
    ]
    orders = [orders_in_force(three_bus(), pa.concat_tables(quarters), START + n * PLANT_PERIOD) for n in range(6)]
    cell = three_bus().asset_index["cell"]
    assert [one.target_mw[cell] for one in orders] == pytest.approx([6.0, 6.0, 10.0, 14.0, 18.0, 18.0])


def test_a_setpoint_of_the_future_is_not_known() -> None:
    now, late = setpoints({"cell": 6.0}), setpoints({"cell": 18.0}, start=START, issue_time=START + PLANT_PERIOD)
    cell = three_bus().asset_index["cell"]
    both = pa.concat_tables([late, now])
    assert orders_in_force(three_bus(), both, START).target_mw[cell] == 6.0
    assert orders_in_force(three_bus(), both, START + PLANT_PERIOD).target_mw[cell] == 18.0

"""Costs worked by hand."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from dispatch.settings import DispatchSettings
from gridcore.asset import StartUp
from gridcore.network import Network
from gridcore.realised import REALISED_ASSET_SCHEMA, REALISED_BUS_SCHEMA
from gridcore.timeline import PLANT_PERIOD
from pipeline.cost import realised_cost, start_category, unit_use
from tests.builders import START, three_bus

HOUR = timedelta(hours=1) // PLANT_PERIOD


def _realised(network: Network, power: dict[str, npt.NDArray[np.float64]], shed_mw: float = 0.0) -> dict[str, pa.Table]:
    periods = len(next(iter(power.values())))
    times = [START + n * PLANT_PERIOD for n in range(periods)]
    soc = np.full(periods, np.nan)
    rows = []
    for asset in sorted(network.assets, key=lambda a: a.name):
        values = power.get(asset.name, np.zeros(periods))
        if asset.store is not None:
            gained = np.where(values < 0, -values * 0.9, -values / 0.9) / HOUR
            soc = asset.store.initial_soc_mwh + np.cumsum(gained)
        for n, instant in enumerate(times):
            is_on = asset.commitment is None or values[n] > 0
            row = {"valid_time": instant, "asset": asset.name, "bus": asset.bus, "power_mw": values[n], "is_on": is_on}
            row |= {"available_mw": values[n], "curtailment_mw": 0.0, "cause": "", "soc_mwh": soc[n]}
            rows.append(row)
    rows.sort(key=lambda row: (row["valid_time"], row["asset"]))
    bus = [
        {"valid_time": t, "bus": b.name, "load_mw": 9.0, "shed_mw": shed_mw, "over_generation_mw": 0.0}
        for t in times
        for b in network.buses
    ]
    return {
        "asset": pa.Table.from_pylist(rows, schema=REALISED_ASSET_SCHEMA),
        "bus": pa.Table.from_pylist(bus, schema=REALISED_BUS_SCHEMA),
    }


def test_an_hour_of_coal_costs_its_heat_its_operation_and_its_carbon() -> None:
    found = realised_cost(three_bus(), _realised(three_bus(), {"coal": np.full(HOUR, 50.0)}))
    # 50 MWh at 10 MMBtu/MWh, 2 per MMBtu, 1 per MWh of operation, 0.1 t per MMBtu.
    assert found["cost"]["fuel"] == pytest.approx(1000.0)
    assert found["cost"]["vom"] == pytest.approx(50.0)
    assert found["tco2"] == pytest.approx(50.0)
    assert found["starts"] == 0
    assert found["cost"]["penalty"] == 0.0


def test_a_start_costs_its_category_and_a_stop_its_price() -> None:
    power = np.concatenate([np.full(HOUR, 50.0), np.zeros(HOUR), np.full(HOUR, 50.0)])
    found = realised_cost(three_bus(), _realised(three_bus(), {"coal": power}))
    # Off for one hour: hot, 100 MMBtu at 2; the stop costs 7; the carbon of the start counts.
    assert found["cost"]["start"] == pytest.approx(207.0)
    assert found["starts"] == 1
    assert found["tco2"] == pytest.approx(100.0 + 10.0)


def test_what_switches_at_the_first_period_is_the_rows_own() -> None:
    """Coal stops after an hour of warm-up, gas starts there; what switched within the warm-up does not count."""
    network = three_bus()
    idle, half = np.zeros(2 * HOUR), np.repeat([0.0, 50.0], HOUR)
    before = _realised(network, {"coal": half, "gas": np.repeat([40.0, 0.0], HOUR)})["asset"]
    realised = _realised(network, {"coal": idle, "gas": np.full(2 * HOUR, 40.0)})
    found = realised_cost(network, realised, before=before)
    # Coal's stop costs 7; gas was off for an hour: hot, 100 MMBtu at 2, and 0.1 t of CO2 for each.
    assert found["cost"]["start"] == pytest.approx(7.0 + 200.0)
    assert found["starts"] == 1
    assert found["tco2"] == pytest.approx(2 * 40.0 + 10.0)
    assert realised_cost(network, realised)["starts"] == 0


def test_a_start_of_unknown_age_counts_as_the_coldest() -> None:
    unit = three_bus().assets[0]
    use = unit_use(unit, np.array([0.0, 20.0]), np.array([False, True]))
    assert (use.starting_mmbtu, use.other_cost, use.starts) == (300.0, 50.0, 1)


def test_a_category_holds_from_its_time_off() -> None:
    hot, cold = StartUp(1.0, 10.0), StartUp(6.0, 30.0)
    assert start_category((hot, cold), 0.5) is hot
    assert start_category((hot, cold), 6.0) is cold
    assert start_category((hot, cold), 5.9) is hot
    assert start_category((), 3.0) is None


def test_shed_load_costs_its_value() -> None:
    prices = DispatchSettings(voll_per_mwh=5000.0)
    realised = _realised(three_bus(), {"coal": np.full(HOUR, 50.0)}, shed_mw=2.0)
    assert realised_cost(three_bus(), realised, prices)["cost"]["penalty"] == pytest.approx(3 * 2.0 * 5000.0)


def test_energy_left_in_a_battery_is_worth_the_same_however_it_came() -> None:
    prices = DispatchSettings(stored_energy_value_per_mwh=20.0)
    charged = realised_cost(three_bus(), _realised(three_bus(), {"cell": np.full(HOUR, -10.0)}), prices)
    assert charged["stored_energy_mwh"] == pytest.approx(9.0)
    assert charged["cost"]["stored_energy"] == pytest.approx(-180.0)

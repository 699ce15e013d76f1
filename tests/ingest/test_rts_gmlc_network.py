"""The numbers of RTS-GMLC, against its own tables (Barrows et al. 2020, IEEE Trans. Power Syst. 35(1))."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pyarrow.compute as pc
import pytest

from gridcore.asset import Asset, StartUp, Technology
from gridcore.network import Network
from ingest.heat_rate import is_convex
from ingest.rts_gmlc import RtsGmlc


@pytest.fixture(scope="module")
def network(rts: RtsGmlc) -> Network:
    return rts.network


def asset(network: Network, name: str) -> Asset:
    return network.assets[network.asset_index[name]]


def test_the_whole_system_is_there(network: Network) -> None:
    counts = Counter(asset.technology for asset in network.assets)
    assert (len(network.buses), len(network.branches), len(network.dc_lines), len(network.assets)) == (73, 120, 1, 158)
    assert counts[Technology.THERMAL] + counts[Technology.NUCLEAR] == 73
    assert {technology: counts[technology] for technology in counts if technology is not Technology.THERMAL} == {
        Technology.NUCLEAR: 1,
        Technology.HYDRO: 20,
        Technology.WIND: 4,
        Technology.PV: 25,
        Technology.ROOFTOP_PV: 31,
        Technology.CSP: 1,
        Technology.SYNCHRONOUS_CONDENSER: 3,
        Technology.BATTERY: 1,
    }


def test_a_line_has_no_ratio_and_a_transformer_keeps_its_own(network: Network) -> None:
    ratios = {branch.name: branch.ratio for branch in network.branches if branch.is_transformer}
    assert len(ratios) == 16
    assert ratios["A7"] == 1.015
    assert all(branch.ratio == 1.0 for branch in network.branches if not branch.is_transformer)
    assert (network.dc_lines[0].from_bus, network.dc_lines[0].to_bus, network.dc_lines[0].limit_mw) == (
        "113",
        "316",
        100.0,
    )


def test_a_bus_takes_its_share_of_its_areas_load(network: Network) -> None:
    # MW Load of bus 101 is 108; the loads of each RTS-96 area sum to 2850 MW.
    assert network.buses[0].load_share == 108.0 / 2850.0
    assert network.areas == ("1", "2", "3")
    assert all(bus.latitude is not None and 30 < bus.latitude < 38 for bus in network.buses)


def test_heat_rates_are_the_tables_own(network: Network) -> None:
    # 101_STEAM_3: 30 MW at 13,270 BTU/kWh, then 6,713 BTU/kWh to 0.596491 x 76 MW.
    curve = asset(network, "101_STEAM_3").heat_rate
    assert curve is not None
    assert curve.power_mw[0] == 30.0
    assert curve.power_mw[-1] == 76.0
    assert curve.heat_mmbtu_per_h[0] == pytest.approx(398.1)
    first_slope = (curve.heat_mmbtu_per_h[1] - curve.heat_mmbtu_per_h[0]) / (curve.power_mw[1] - curve.power_mw[0])
    assert first_slope == pytest.approx(6.713)


def test_every_curve_is_convex_as_it_stands(network: Network) -> None:
    curves = {a.name: a.heat_rate for a in network.assets if a.technology is Technology.THERMAL}
    assert len(curves) == 72
    assert all(curve is not None and is_convex(curve) and len(curve.power_mw) == 4 for curve in curves.values())


def test_the_nuclear_unit_runs_and_burns_at_one_rate(network: Network) -> None:
    unit = asset(network, "121_NUCLEAR_1")
    assert unit.commitment is not None
    assert unit.commitment.must_run
    assert unit.commitment.start_ups == ()
    assert unit.ramp_mw_per_min == 20.0
    assert unit.heat_rate is not None
    assert unit.heat_rate.heat_mmbtu_per_h == (3960.0, 4000.0)


def test_starts_are_hot_warm_and_cold_but_an_oil_turbine_has_one(network: Network) -> None:
    steam, oil = asset(network, "101_STEAM_3").commitment, asset(network, "101_CT_1").commitment
    assert steam is not None
    assert oil is not None
    assert steam.start_ups == (StartUp(3.0, 3379.4), StartUp(10.0, 4861.4), StartUp(12.0, 5284.8))
    assert oil.start_ups == (StartUp(0.0, 5.0),)
    assert (steam.min_up_h, steam.min_down_h) == (8.0, 4.0)


def test_co2_is_in_tonnes(network: Network) -> None:
    # 210 lb/MMBtu of coal; 1 lb = 0.45359237 kg.
    assert asset(network, "101_STEAM_3").co2_t_per_mmbtu == pytest.approx(0.0952543977)
    assert asset(network, "309_WIND_1").co2_t_per_mmbtu == 0.0


def test_the_battery_returns_85_percent(network: Network) -> None:
    store = asset(network, "313_STORAGE_1").store
    assert store is not None
    assert store.charge_efficiency * store.discharge_efficiency == pytest.approx(0.85)
    assert (store.energy_mwh, store.charge_mw, store.initial_soc_mwh) == (150.0, 50.0, 75.0)


def test_the_csp_has_a_tank_of_six_hours(network: Network, rts: RtsGmlc) -> None:
    unit = asset(network, "212_CSP_1")
    assert unit.store is not None
    assert unit.store.energy_mwh == 6 * unit.p_max_mw == 1200.0
    table = rts.readings(rts.first + timedelta(days=150), rts.first + timedelta(days=210))
    inflow = table.filter(pc.field("channel") == "212_CSP_1/inflow").column("value")
    assert 380.0 < pc.max(inflow).as_py() < unit.store.charge_mw
    # Its heat rates are MWh/MWh: 0.83 to 15 %, then 0.989, 1.055, 1.055, 1.042: 1.007 in all.
    assert 1 / unit.store.discharge_efficiency == pytest.approx(1.00694, abs=1e-5)


def test_condensers_give_no_power(network: Network) -> None:
    assert [a.p_max_mw for a in network.of(Technology.SYNCHRONOUS_CONDENSER)] == [0.0, 0.0, 0.0]


def test_the_seven_reserve_rows(network: Network) -> None:
    assert [(r.name, r.direction, r.timeframe_s, r.areas) for r in network.reserves] == [
        ("Spin_Up_R1", "up", 600.0, ("1",)),
        ("Spin_Up_R2", "up", 600.0, ("2",)),
        ("Spin_Up_R3", "up", 600.0, ("3",)),
        ("Flex_Up", "up", 1200.0, ("1", "2", "3")),
        ("Flex_Down", "down", 1200.0, ("1", "2", "3")),
        ("Reg_Up", "up", 300.0, ("1", "2", "3")),
        ("Reg_Down", "down", 300.0, ("1", "2", "3")),
    ]
    tags = {tag for product in network.reserves for tag in product.eligible}
    assert tags == {"Gas CT", "Gas CC", "Oil CT", "Oil ST", "Coal", "Solar PV", "Wind", "CSP"}
    # 72 thermal, 25 PV, 4 wind, 1 CSP; nuclear, hydro, roofs and the battery are not eligible.
    assert sum(a.spinning for a in network.assets) == 102

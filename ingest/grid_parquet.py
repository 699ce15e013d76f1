"""A network as four Arrow tables, for a reader of an export who knows Parquet and nothing of this project."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from gridcore.asset import Asset
from gridcore.network import Network

POINTS = pa.list_(pa.float64())
"""A short list of numbers in one cell."""

ASSETS = pa.schema(
    [
        *((name, pa.string()) for name in ("name", "technology", "bus", "fuel")),
        *((name, pa.float64()) for name in ("p_min_mw", "p_max_mw", "ramp_mw_per_min", "fuel_price_per_mmbtu")),
        *((name, pa.float64()) for name in ("vom_per_mwh", "co2_t_per_mmbtu", "min_up_h", "min_down_h")),
        *((name, pa.float64()) for name in ("shut_down_cost", "energy_mwh", "charge_mw", "charge_efficiency")),
        *((name, pa.float64()) for name in ("discharge_efficiency", "initial_soc_mwh")),
        *((name, POINTS) for name in ("heat_power_mw", "heat_mmbtu_per_h", "start_off_h", "start_heat_mmbtu")),
        *(
            (
                ("start_cost", POINTS),
                ("must_run", pa.bool_()),
                ("spinning", pa.bool_()),
                ("tags", pa.list_(pa.string())),
            )
        ),
    ]
)
"""An asset with every limit and cost point; null where it has no such thing."""

COMMITMENT = ("min_up_h", "min_down_h", "shut_down_cost", "must_run")
STORE = ("energy_mwh", "charge_mw", "charge_efficiency", "discharge_efficiency", "initial_soc_mwh")
OWN = (
    *("name", "bus", "fuel", "p_min_mw", "p_max_mw", "ramp_mw_per_min", "fuel_price_per_mmbtu", "vom_per_mwh"),
    *("co2_t_per_mmbtu", "spinning"),
)
"""Columns by the object they come from."""


def parquet_tables(network: Network) -> dict[str, pa.Table]:
    """Buses, branches, DC lines and assets in the network's order, by file name."""
    buses = [(b.name, b.area, b.load_share, b.base_kv, b.latitude, b.longitude) for b in network.buses]
    branches = [(b.name, b.from_bus, b.to_bus, b.x_pu, b.ratio, b.limit_mw) for b in network.branches]
    lines = [(d.name, d.from_bus, d.to_bus, d.limit_mw) for d in network.dc_lines]
    return {
        "buses": _table(buses, ("name", "area"), ("load_share", "base_kv", "latitude", "longitude")),
        "branches": _table(branches, ("name", "from", "to"), ("x", "ratio", "limit")),
        "dc_lines": _table(lines, ("name", "from", "to"), ("limit",)),
        "assets": pa.Table.from_pylist([_asset(asset) for asset in network.assets], schema=ASSETS),
    }


def _table(rows: Sequence[tuple[object, ...]], texts: tuple[str, ...], numbers: tuple[str, ...]) -> pa.Table:
    schema = pa.schema([*((name, pa.string()) for name in texts), *((name, pa.float64()) for name in numbers)])
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


def _asset(asset: Asset) -> dict[str, object]:
    """One asset's cells."""
    curve, limits = asset.heat_rate, asset.commitment
    starts = limits.start_ups if limits else ()
    return {
        **{name: getattr(asset, name) for name in OWN},
        **{name: getattr(limits, name, None) for name in COMMITMENT},
        **{name: getattr(asset.store, name, None) for name in STORE},
        "technology": asset.technology.value,
        "heat_power_mw": curve.power_mw if curve else None,
        "heat_mmbtu_per_h": curve.heat_mmbtu_per_h if curve else None,
        "start_off_h": [start.off_h for start in starts],
        "start_heat_mmbtu": [start.heat_mmbtu for start in starts],
        "start_cost": [start.cost for start in starts],
        "tags": list(asset.tags),
    }

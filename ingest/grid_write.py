"""A network as a directory of TOML and CSV: its files and columns, and writing them with every digit of every number.

docs/grid-format.md says what each file and column means.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from gridcore.asset import Asset
from gridcore.errors import BadInputError
from gridcore.network import Network

SEPARATOR = ";"
"""Between several words in one cell."""

COLUMNS = {
    "buses": ("name", "area", "load_share", "base_kv", "latitude", "longitude"),
    "branches": ("name", "from_bus", "to_bus", "x_pu", "limit_mw", "ratio", "is_transformer"),
    "dc_lines": ("name", "from_bus", "to_bus", "limit_mw"),
    "assets": (
        *("name", "technology", "bus", "p_min_mw", "p_max_mw", "ramp_mw_per_min", "fuel", "fuel_price_per_mmbtu"),
        *("vom_per_mwh", "co2_t_per_mmbtu", "spinning", "latitude", "longitude", "tags"),
    ),
    "heat_rates": ("asset", "power_mw", "heat_mmbtu_per_h"),
    "commitments": ("asset", "min_up_h", "min_down_h", "shut_down_cost", "must_run"),
    "start_ups": ("asset", "off_h", "heat_mmbtu", "cost"),
    "stores": (*("asset", "energy_mwh", "charge_mw", "charge_efficiency", "discharge_efficiency", "initial_soc_mwh"),),
    "reserves": ("name", "direction", "timeframe_s", "areas", "eligible"),
}
"""Columns of each file, as written."""

OPTIONAL_FILES = ("dc_lines", "heat_rates", "commitments", "start_ups", "stores", "reserves")
"""Files that a grid without such things leaves out."""


def write_network(network: Network, directory: Path, facts: dict[str, object] | None = None) -> None:
    """Write grid.toml and the CSV files; a network read back equals this one bit for bit.

    Args:
        network: The grid.
        directory: Made where it is missing; files of these names are replaced.
        facts: Further keys of grid.toml (text, flag or number).

    Raises:
        BadInputError: A name has blanks at its ends, or a word in a list holds the separator.
    """
    directory.mkdir(parents=True, exist_ok=True)
    words: dict[str, object] = {
        "name": network.name,
        "time_zone": network.zone_name,
        "base_mva": network.base_mva,
        "currency": network.currency,
        "source": network.source,
        "country": network.country,
        "official_hydro": network.official_hydro.value,
        "telemetry_latency_s": network.telemetry_latency_s,
        "latency_is_declared": network.latency_is_declared,
        **(facts or {}),
    }
    lines = [f"{key} = {_toml(value)}" for key, value in words.items()]
    (directory / "grid.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for table, rows in _tables(network).items():
        file = directory / f"{table}.csv"
        if rows or table not in OPTIONAL_FILES:
            _write_rows(file, COLUMNS[table], rows)
        else:
            file.unlink(missing_ok=True)


def _tables(network: Network) -> dict[str, list[Sequence[object]]]:
    """Cells of every file, in the order of `COLUMNS`."""
    assets = network.assets
    return {
        "buses": [(b.name, b.area, b.load_share, b.base_kv, b.latitude, b.longitude) for b in network.buses],
        "branches": [
            (b.name, b.from_bus, b.to_bus, b.x_pu, b.limit_mw, b.ratio, b.is_transformer) for b in network.branches
        ],
        "dc_lines": [(d.name, d.from_bus, d.to_bus, d.limit_mw) for d in network.dc_lines],
        "assets": [_asset_cells(asset) for asset in assets],
        "heat_rates": [
            (asset.name, power, heat)
            for asset in assets
            if asset.heat_rate
            for power, heat in zip(asset.heat_rate.power_mw, asset.heat_rate.heat_mmbtu_per_h, strict=True)
        ],
        "commitments": [
            (a.name, c.min_up_h, c.min_down_h, c.shut_down_cost, c.must_run) for a in assets if (c := a.commitment)
        ],
        "start_ups": [
            (a.name, s.off_h, s.heat_mmbtu, s.cost) for a in assets if a.commitment for s in a.commitment.start_ups
        ],
        "stores": [
            (a.name, s.energy_mwh, s.charge_mw, s.charge_efficiency, s.discharge_efficiency, s.initial_soc_mwh)
            for a in assets
            if (s := a.store)
        ],
        "reserves": [
            (r.name, r.direction, r.timeframe_s, _listed(r.areas, r.name), _listed(r.eligible, r.name))
            for r in network.reserves
        ],
    }


def _asset_cells(asset: Asset) -> Sequence[object]:
    ramp = None if asset.ramp_mw_per_min == float("inf") else asset.ramp_mw_per_min
    return (
        *(asset.name, asset.technology.value, asset.bus, asset.p_min_mw, asset.p_max_mw, ramp, asset.fuel),
        *(asset.fuel_price_per_mmbtu, asset.vom_per_mwh, asset.co2_t_per_mmbtu, asset.spinning),
        *(asset.latitude, asset.longitude, _listed(asset.tags, asset.name)),
    )


def _listed(words: Sequence[str], owner: str) -> str:
    """Several words in one cell."""
    if wrong := [word for word in words if SEPARATOR in word or not word.strip() or word != word.strip()]:
        raise BadInputError("a word of a list", asset=owner, got=repr(wrong[0]), wanted=f"no '{SEPARATOR}', no blanks")
    return SEPARATOR.join(words)


def _write_rows(file: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: object) -> str:
    """A cell: numbers by repr, which gives back the same float; None is an empty cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(float(value))
    if (text := str(value)) != text.strip() or not text.isprintable():
        raise BadInputError("a text that no cell holds", got=repr(text), wanted="printable, no blanks at its ends")
    return text


def _toml(value: object) -> str:
    """A TOML value of a text, flag or number."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return _cell(value)

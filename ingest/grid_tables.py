"""A network read from its directory: every wrong cell is named by file, line, asset, what came and what was wanted."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from gridcore.asset import Asset, Commitment, HeatRate, StartUp, Store, Technology
from gridcore.errors import BadInputError
from gridcore.network import Branch, Bus, DcLine, Network, ReserveProduct
from gridcore.reading import OfficialValue
from gridcore.timeline import time_zone
from ingest.csv_rows import Row, read_rows
from ingest.grid_write import COLUMNS, OPTIONAL_FILES, SEPARATOR
from ingest.heat_rate import convex

NEEDED = {
    "buses": ("name", "area", "load_share"),
    "branches": ("name", "from_bus", "to_bus", "x_pu", "limit_mw"),
    "assets": ("name", "technology", "bus", "p_min_mw", "p_max_mw"),
}
"""Columns that a file must have, where not all; the others have a default."""

FACTS = ("name", "time_zone")
"""Keys that grid.toml must have."""

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class GridFacts:
    """grid.toml: what is said of the grid as a whole."""

    words: dict[str, object]
    """As read."""

    file: Path
    """Where it was read from."""

    def text(self, key: str, default: str = "") -> str:
        """A text; raises `BadInputError` for another type."""
        return self._of_type(key, default, str, "a text")

    def one_of(self, key: str, kind: type[E], default: E) -> E:
        """One of an enumeration's words; raises `BadInputError` for another one."""
        word = self.words.get(key, default.value)
        for known in kind:
            if known.value == word:
                return known
        wanted = " or ".join(known.value for known in kind)
        raise BadInputError(f"key {key}", file=self.file, got=repr(word), wanted=wanted)

    def flag(self, key: str, default: bool) -> bool:
        """A yes or no; raises `BadInputError` for another type."""
        return self._of_type(key, default, bool, "true or false")

    def number(self, key: str, default: float) -> float:
        """A number of 0 or more."""
        value = self.words.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise BadInputError(f"key {key}", file=self.file, got=repr(value), wanted="a number of 0 or more")
        return float(value)

    def _of_type(self, key: str, default: T, kind: type[T], wanted: str) -> T:
        value = self.words.get(key, default)
        if not isinstance(value, kind):
            raise BadInputError(f"key {key}", file=self.file, got=repr(value), wanted=wanted)
        return value


def read_facts(directory: Path) -> GridFacts:
    """grid.toml; raises `BadInputError` where it is missing, is no TOML, or lacks name or zone."""
    file = directory / "grid.toml"
    try:
        words = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as cause:
        raise BadInputError("no grid here", file=file, got="no such file", wanted="a grid's directory") from cause
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise BadInputError("not TOML", file=file, got=cause, wanted="keys of docs/grid-format.md") from cause
    if missing := [key for key in FACTS if not words.get(key)]:
        raise BadInputError("a missing key", file=file, got=", ".join(words) or "none", wanted=", ".join(missing))
    return GridFacts(words, file)


def read_network(directory: Path, *, latency_is_declared: bool) -> Network:
    """The network of a grid's directory.

    Args:
        directory: Where grid.toml and the CSV files lie.
        latency_is_declared: Whether the latency is declared, where grid.toml does not say.

    Raises:
        BadInputError: A file or column is missing or a cell wrong, with file and line; or the grid contradicts itself.
    """
    facts = read_facts(directory)
    zone_name = facts.text("time_zone")
    try:
        time_zone(zone_name)
    except BadInputError as cause:
        raise BadInputError(cause.what, file=facts.file, got=cause.got, wanted=cause.wanted) from cause
    rows = {table: _rows(directory, table) for table in COLUMNS}
    _check_references(rows)
    parts = _PartsOfAssets.read(rows)
    try:
        return Network(
            name=facts.text("name"),
            zone_name=zone_name,
            buses=tuple(_bus(row) for row in rows["buses"]),
            branches=tuple(_branch(row) for row in rows["branches"]),
            dc_lines=tuple(_dc_line(row) for row in rows["dc_lines"]),
            assets=tuple(_asset(row, parts) for row in rows["assets"]),
            reserves=tuple(_reserve(row) for row in rows["reserves"]),
            base_mva=facts.number("base_mva", 100.0),
            currency=facts.text("currency", "USD"),
            source=facts.text("source"),
            country=facts.text("country"),
            official_hydro=facts.one_of("official_hydro", OfficialValue, OfficialValue.MEAN),
            telemetry_latency_s=facts.number("telemetry_latency_s", 60.0),
            latency_is_declared=facts.flag("latency_is_declared", latency_is_declared),
        )
    except BadInputError as cause:
        raise _located(cause, rows, facts) from cause


def _rows(directory: Path, table: str) -> list[Row]:
    """Rows of one file; none for an optional file that is absent."""
    file = directory / f"{table}.csv"
    if table in OPTIONAL_FILES and not file.exists():
        return []
    return read_rows(file, NEEDED.get(table, COLUMNS[table]))


def _check_references(rows: dict[str, list[Row]]) -> None:
    """Names stand once, and what is referred to is there: errors with file and line."""
    buses, assets = ({row.key for row in rows[table]} for table in ("buses", "assets"))
    for table in ("buses", "assets", "reserves", "commitments", "stores"):
        _check_once(rows[table])
    _check_once([*rows["branches"], *rows["dc_lines"]])
    for table, column in (
        ("assets", "bus"),
        *((t, c) for t in ("branches", "dc_lines") for c in ("from_bus", "to_bus")),
    ):
        for row in rows[table]:
            if row.name(column) not in buses:
                raise row.bad(column, row.text(column), "a bus of buses.csv")
    for table in ("heat_rates", "commitments", "start_ups", "stores"):
        for row in rows[table]:
            if row.key not in assets:
                raise row.bad("asset", row.key, "an asset of assets.csv")


def _check_once(rows: list[Row]) -> None:
    """Each name stands once, and is not empty."""
    line_of: dict[str, int] = {}
    for row in rows:
        column = "name" if "name" in row.cells else "asset"
        name = row.name(column)
        if name in line_of:
            raise row.bad(column, f"a name that stands in line {line_of[name]} too", "each name once")
        line_of[name] = row.line


@dataclass(frozen=True, slots=True)
class _PartsOfAssets:
    """What the files besides assets.csv say of each asset."""

    heat_rates: dict[str, HeatRate]
    commitments: dict[str, Commitment]
    stores: dict[str, Store]

    @staticmethod
    def read(rows: dict[str, list[Row]]) -> _PartsOfAssets:
        """All parts, by asset."""
        starts = _grouped(rows["start_ups"])
        committed = {row.key: _commitment(row, starts.pop(row.key, [])) for row in rows["commitments"]}
        for name, orphans in starts.items():
            raise orphans[0].bad("asset", name, "a row in commitments.csv too")
        return _PartsOfAssets(
            {name: _heat_rate(points) for name, points in _grouped(rows["heat_rates"]).items()},
            committed,
            {row.key: _store(row) for row in rows["stores"]},
        )


def _grouped(rows: list[Row]) -> dict[str, list[Row]]:
    """Rows by their key, in the order of the file."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.key, []).append(row)
    return groups


def _heat_rate(rows: list[Row]) -> HeatRate:
    """A curve; made convex where it is not (see `ingest.heat_rate.convex`)."""
    power = [row.number("power_mw") for row in rows]
    for row, earlier, later in zip(rows[1:], power[:-1], power[1:], strict=True):
        if later <= earlier:
            raise row.bad("power_mw", later, f"above {earlier}: break points ascend")
    return convex(HeatRate(tuple(power), tuple(row.number("heat_mmbtu_per_h") for row in rows)))


def _commitment(row: Row, starts: list[Row]) -> Commitment:
    start_ups = tuple(StartUp(s.number("off_h"), s.number("heat_mmbtu"), s.number("cost")) for s in starts)
    for later, earlier in zip(starts[1:], start_ups[:-1], strict=True):
        if later.number("off_h") <= earlier.off_h:
            raise later.bad("off_h", later.text("off_h"), f"above {earlier.off_h}: categories ascend")
    cost = row.number("shut_down_cost")
    return Commitment(row.number("min_up_h"), row.number("min_down_h"), start_ups, cost, row.flag("must_run"))


def _store(row: Row) -> Store:
    energy_mwh, charge_mw = row.number("energy_mwh"), row.number("charge_mw")
    if energy_mwh < 0 or charge_mw < 0:
        raise row.bad("energy_mwh, charge_mw", f"{energy_mwh}, {charge_mw}", "0 or more")
    efficiencies = row.number("charge_efficiency"), row.number("discharge_efficiency")
    return Store(energy_mwh, charge_mw, *efficiencies, row.number("initial_soc_mwh"))


def _bus(row: Row) -> Bus:
    share = row.number("load_share")
    if not 0 <= share <= 1:
        raise row.bad("load_share", share, "0 to 1")
    place = row.optional("latitude"), row.optional("longitude")
    return Bus(row.name("name"), row.name("area"), share, row.number("base_kv", 0.0), *place)


def _branch(row: Row) -> Branch:
    ends = row.name("from_bus"), row.name("to_bus")
    ratio, is_transformer = row.number("ratio", 1.0), row.flag("is_transformer")
    return Branch(row.name("name"), *ends, row.number("x_pu"), row.number("limit_mw"), ratio, is_transformer)


def _dc_line(row: Row) -> DcLine:
    return DcLine(row.name("name"), row.name("from_bus"), row.name("to_bus"), row.number("limit_mw"))


def _asset(row: Row, parts: _PartsOfAssets) -> Asset:
    name, word = row.name("name"), row.name("technology")
    if word not in {technology.value for technology in Technology}:
        raise row.bad("technology", word, ", ".join(technology.value for technology in Technology))
    p_min_mw, p_max_mw = row.number("p_min_mw"), row.number("p_max_mw")
    if p_max_mw < 0:
        raise row.bad("p_max_mw", p_max_mw, "a capacity of 0 MW or more")
    return Asset(
        name=name,
        technology=Technology(word),
        bus=row.name("bus"),
        p_min_mw=p_min_mw,
        p_max_mw=p_max_mw,
        ramp_mw_per_min=row.number("ramp_mw_per_min", float("inf")),
        fuel=row.text("fuel"),
        fuel_price_per_mmbtu=row.number("fuel_price_per_mmbtu", 0.0),
        vom_per_mwh=row.number("vom_per_mwh", 0.0),
        co2_t_per_mmbtu=row.number("co2_t_per_mmbtu", 0.0),
        heat_rate=parts.heat_rates.get(name),
        commitment=parts.commitments.get(name),
        store=parts.stores.get(name),
        spinning=row.flag("spinning"),
        latitude=row.optional("latitude"),
        longitude=row.optional("longitude"),
        tags=_words(row, "tags"),
    )


def _reserve(row: Row) -> ReserveProduct:
    direction = row.name("direction")
    if direction not in {"up", "down"}:
        raise row.bad("direction", direction, "up or down")
    return ReserveProduct(
        row.name("name"), direction, row.number("timeframe_s"), _words(row, "areas"), _words(row, "eligible")
    )


def _words(row: Row, column: str) -> tuple[str, ...]:
    text = row.text(column)
    return tuple(word.strip() for word in text.split(SEPARATOR)) if text else ()


def _located(cause: BadInputError, rows: dict[str, list[Row]], facts: GridFacts) -> BadInputError:
    """The network's own complaint with the file and line of what it names; what names the grid stands in grid.toml."""
    if cause.file is not None:
        return cause
    looked_at = ("buses",) if "island" in cause.what else ("assets", "branches", "dc_lines", "buses")
    hits = [row for table in looked_at for row in rows[table] if row.key == cause.asset]
    elsewhere = facts.file if cause.asset == facts.words["name"] else facts.file.parent
    where: object = f"{hits[0].file}, line {hits[0].line}" if hits else elsewhere
    return BadInputError(cause.what, file=where, asset=cause.asset, got=cause.got, wanted=cause.wanted)

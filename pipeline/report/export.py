"""A replay's export as arrays: what the sections of the report are drawn from.

Tables are read once, by column, and laid on a regular time line; a period without a row is NaN, a file that is not
there is None, so that a section can say so. Source of the layout: INTERFACES.md and the schemas of gridcore.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from gridcore.errors import BadInputError
from gridcore.forecast import FORECAST_SCHEMA
from gridcore.network import Network
from gridcore.plan import PLAN_SCHEMA
from gridcore.realised import REALISED_ASSET_SCHEMA, REALISED_BRANCH_SCHEMA, REALISED_BUS_SCHEMA
from gridcore.timeline import Instants, from_numpy, time_zone, to_numpy

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


SCHEMAS = {"asset": REALISED_ASSET_SCHEMA, "bus": REALISED_BUS_SCHEMA, "branch": REALISED_BRANCH_SCHEMA}
"""Files of realised/ROW and their columns."""


@dataclass(frozen=True)
class Realised:
    """What flowed in one row; arrays have shape (assets | buses | lines, periods), NaN where the export has no row."""

    valid_time: Instants
    """Period starts, regular, shape (periods,)."""

    hours: float
    """Period length [h]."""

    power_mw: Floats
    """Net output by asset [MW]."""

    available_mw: Floats
    """Possible output by asset [MW]."""

    curtailment_mw: Floats
    """Curtailed power by asset [MW]."""

    soc_mwh: Floats
    """Stored energy by asset, NaN where there is no store [MWh]."""

    causes: tuple[str, ...]
    """Causes that occur, sorted."""

    cause: Codes
    """Row of `causes`, by asset and period; -1 where the export has no row."""

    load_mw: Floats
    """Load before shedding by bus [MW]."""

    shed_mw: Floats
    """Shed load by bus [MW]."""

    over_generation_mw: Floats
    """Power without taker by bus [MW]."""

    flow_mw: Floats
    """Flow by branch, then DC line [MW]."""

    limit_mw: Floats
    """Limit in force by branch, then DC line [MW]."""


class Export:
    """An `OUT/` directory.

    Args:
        folder: The directory.
        network: The grid that was replayed.
        summary: The object of `xiaona replay --json`; its start, end and time zone bound the charts.
    """

    def __init__(self, folder: Path, network: Network, summary: dict[str, Any]) -> None:
        self.folder, self.network, self.summary = folder, network, summary
        self._realised: dict[str, Realised | None] = {}

    @cached_property
    def zone(self) -> ZoneInfo:
        """Time zone of all axes."""
        name = self.summary.get("time_zone")
        return time_zone(name) if name else self.network.zone

    @cached_property
    def rows(self) -> tuple[str, ...]:
        """Rows that have realised data, in the summary's order; a row of the folder alone comes last."""
        stated = [row["name"] for row in self.summary.get("rows", [])]
        found = sorted(path.name for path in (self.folder / "realised").glob("*") if path.is_dir())
        return (*(n for n in stated if n in found), *(n for n in found if n not in stated))

    @property
    def main(self) -> str | None:
        """The row that figures for one row show: ours, else the first."""
        return "ours" if "ours" in self.rows else next(iter(self.rows), None)

    @cached_property
    def line_names(self) -> tuple[str, ...]:
        """Branches, then DC lines."""
        return (*(branch.name for branch in self.network.branches), *(line.name for line in self.network.dc_lines))

    def realised(self, row: str) -> Realised | None:
        """What flowed in a row; None where the export does not hold it."""
        if row not in self._realised:
            self._realised[row] = self._read_realised(row)
        return self._realised[row]

    def realised_tables(self, row: str) -> dict[str, pa.Table] | None:
        """The realised tables as they are (asset, bus, branch); None where one is not there."""
        folder = self.folder / "realised" / row
        tables = {name: _read(folder / f"{name}.parquet", schema) for name, schema in SCHEMAS.items()}
        found = {name: table for name, table in tables.items() if table is not None}
        return found if len(found) == len(SCHEMAS) else None

    def forecasts(self, row: str, targets: Sequence[str]) -> pa.Table | None:
        """Forecast rows of some targets; None where the export does not hold any."""
        file = self.folder / "decisions" / row / "forecasts.parquet"
        keep = ds.field("target").isin(list(targets))
        columns = ["issue_time", "valid_time", "target", "quantile", "power_mw", "model_id"]
        return _read(file, FORECAST_SCHEMA, columns, keep)

    def plans(self, row: str) -> pa.Table | None:
        """Plan rows of a row; None where the export does not hold any."""
        columns = ["plan_id", "layer", "issue_time", "valid_time", "asset", "power_mw", "cause"]
        columns += ["reserve_mw", "status", "gap"]
        return _read(self.folder / "decisions" / row / "plans.parquet", PLAN_SCHEMA, columns)

    def _read_realised(self, row: str) -> Realised | None:
        folder = self.folder / "realised" / row
        assets = _read(folder / "asset.parquet", REALISED_ASSET_SCHEMA)
        if assets is None or assets.num_rows == 0:
            return None
        valid, hours = self._time_line(assets)
        names = [asset.name for asset in self.network.assets]
        causes = tuple(sorted({word or "" for word in pc.unique(assets["cause"]).to_pylist()}))
        cause = [causes.index(word or "") for word in assets["cause"].to_pylist()]
        buses = _read(folder / "bus.parquet", REALISED_BUS_SCHEMA)
        lines = _read(folder / "branch.parquet", REALISED_BRANCH_SCHEMA)
        bus_names = [bus.name for bus in self.network.buses]

        def spread(table: pa.Table | None, key: str, keys: Sequence[str], column: str) -> Floats:
            if table is None:
                return np.full((len(keys), len(valid)), np.nan)
            return pivot(table, key, keys, valid, table[column].to_numpy().astype(np.float64))

        cause_code = pivot(assets, "asset", names, valid, np.array(cause, dtype=np.float64))
        return Realised(
            valid_time=valid,
            hours=hours,
            power_mw=spread(assets, "asset", names, "power_mw"),
            available_mw=spread(assets, "asset", names, "available_mw"),
            curtailment_mw=spread(assets, "asset", names, "curtailment_mw"),
            soc_mwh=spread(assets, "asset", names, "soc_mwh"),
            causes=causes,
            cause=np.nan_to_num(cause_code, nan=-1).astype(np.int64),
            load_mw=spread(buses, "bus", bus_names, "load_mw"),
            shed_mw=spread(buses, "bus", bus_names, "shed_mw"),
            over_generation_mw=spread(buses, "bus", bus_names, "over_generation_mw"),
            flow_mw=spread(lines, "branch", self.line_names, "flow_mw"),
            limit_mw=spread(lines, "branch", self.line_names, "limit_mw"),
        )

    def _time_line(self, table: pa.Table) -> tuple[Instants, float]:
        """Regular period starts that cover the summary's span, or the table's own where it states none."""
        instants = np.unique(table["valid_time"].to_numpy().astype("datetime64[us]"))
        minutes = self.summary.get("plant_period_minutes")
        if minutes:
            step = np.timedelta64(round(60 * minutes), "s")
        else:
            step = np.diff(instants).min() if len(instants) > 1 else np.timedelta64(15, "m")
        first, last = instants[0], instants[-1] + step
        if self.summary.get("start") and self.summary.get("end"):
            first, last = (parse_instant(self.summary[key]) for key in ("start", "end"))
        return np.arange(first, last, step), float(step / np.timedelta64(1, "h"))


def parse_instant(text: str) -> np.datetime64:
    """An ISO 8601 instant with offset as `datetime64[us]` in UTC."""
    try:
        return to_numpy(datetime.fromisoformat(text))
    except ValueError as cause:
        raise BadInputError("an instant of the summary", instant=text, wanted="ISO 8601 with offset") from cause


def pivot(table: pa.Table, key: str, keys: Sequence[str], valid: Instants, values: Floats) -> Floats:
    """A long table's values by key and period, shape (keys, periods); NaN where there is no row."""
    encoded = table[key].combine_chunks()
    encoded = encoded if pa.types.is_dictionary(encoded.type) else encoded.dictionary_encode()
    row_of = {name: row for row, name in enumerate(keys)}
    rows = np.array([row_of.get(name, -1) for name in encoded.dictionary.to_pylist()] or [-1])
    rows = rows[encoded.indices.to_numpy(zero_copy_only=False)] if table.num_rows else np.zeros(0, int)
    instants = table["valid_time"].to_numpy().astype("datetime64[us]")
    columns = np.searchsorted(valid, instants)
    good = (rows >= 0) & (columns < len(valid))
    good[good] = valid[columns[good]] == instants[good]
    out = np.full((len(keys), len(valid)), np.nan)
    out[rows[good], columns[good]] = values[good]
    return out


def coarsen(values: Floats, factor: int) -> Floats:
    """Mean over blocks of `factor` periods along the last axis, NaN passed over; a rest at the end is its own block."""
    if factor <= 1:
        return values
    pad = -values.shape[-1] % factor
    filled = np.concatenate([values, np.full((*values.shape[:-1], pad), np.nan)], axis=-1)
    blocks = filled.reshape(*values.shape[:-1], -1, factor)
    known = np.isfinite(blocks)
    total, count = np.where(known, blocks, 0.0).sum(axis=-1), known.sum(axis=-1)
    mean: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def drawing_factor(realised: Realised, most_points: int = 400) -> int:
    """Periods to average for a chart, so that it has at most some points: 15 min for days, hours for weeks."""
    factors = [max(round(minutes / 60 / realised.hours), 1) for minutes in (15, 30, 60, 180, 360, 1440)]
    return next((factor for factor in factors if len(realised.valid_time) / factor <= most_points), factors[-1])


def _read(
    file: Path, schema: pa.Schema, columns: list[str] | None = None, keep: ds.Expression | None = None
) -> pa.Table | None:
    """The table of a Parquet file; None where there is no file, `BadInputError` where it is not what was agreed."""
    if not file.is_file():
        return None
    try:
        found = pq.read_schema(file)
    except (pa.ArrowInvalid, OSError) as cause:
        raise BadInputError("unreadable Parquet", file=file, got=str(cause), wanted="a replay's export") from cause
    wanted = columns or schema.names
    if absent := [name for name in wanted if name not in found.names]:
        raise BadInputError("a missing column", file=file, got=", ".join(found.names), wanted=", ".join(absent))
    return ds.dataset(file, format="parquet").to_table(columns=wanted, filter=keep)


def local_days(valid: Instants, zone: ZoneInfo) -> npt.NDArray[np.str_]:
    """Local calendar day of each instant as YYYY-MM-DD."""
    # One look-up per quarter of an hour: no zone changes its clock more finely.
    quarters, back = np.unique(valid.astype("datetime64[15m]"), return_inverse=True)
    offsets = [from_numpy(q).astimezone(zone).utcoffset() or timedelta(0) for q in quarters]
    shifted = valid + np.array(offsets, dtype="timedelta64[us]")[back]
    days: npt.NDArray[np.str_] = np.datetime_as_string(shifted, unit="D")
    return days

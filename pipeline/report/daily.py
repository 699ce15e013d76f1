"""Figures by local day, from the realised tables alone.

Costs are the replay's own function over the export up to each day's end, less the day before's: so that the days add up
to the replay's sums, whatever lies across midnight (a start, a unit's time off, energy left in a battery). What
switches at the very first period is in the row's sum alone, which knows the warm-up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.asset import RENEWABLE
from gridcore.timeline import TIMESTAMP, Instants
from pipeline.cost import realised_cost
from pipeline.report.export import Export, local_days

MOST_DAYS = 62
"""Longest export whose days are costed one by one: the work grows with the square of the days."""


@dataclass(frozen=True)
class Day:
    """One local day of one row."""

    name: str
    """Date, YYYY-MM-DD."""

    available_mwh: float
    """Available energy of wind, PV and rooftop PV [MWh]."""

    absorption: float | None
    """Used / available; None where nothing was available."""

    curtailment_mwh: float
    """Curtailed energy [MWh]."""

    shed_mwh: float
    """Shed load [MWh]."""

    cost: dict[str, float]
    """Cost by part [currency]; empty where the export is too long to cost by day."""

    tco2: float | None
    """Emissions [t]."""

    starts: float | None
    """Starts of units."""


def daily(export: Export, row: str) -> list[Day]:
    """Every local day of a row, in order; empty where the export does not hold the row."""
    realised = export.realised(row)
    if realised is None:
        return []
    label = local_days(realised.valid_time, export.zone)
    names = list(dict.fromkeys(label.tolist()))
    green = np.array([asset.technology in RENEWABLE for asset in export.network.assets], dtype=bool)
    costs = _costs(export, row, _day_ends(realised.valid_time, label, names, realised.hours))
    days = []
    for name, cost in zip(names, costs, strict=True):
        now = label == name
        available = float(np.nansum(realised.available_mw[green][:, now])) * realised.hours
        used = float(np.nansum(realised.power_mw[green][:, now])) * realised.hours
        days.append(
            Day(
                name,
                available,
                used / available if available > 0 else None,
                float(np.nansum(realised.curtailment_mw[:, now])) * realised.hours,
                float(np.nansum(realised.shed_mw[:, now])) * realised.hours,
                cost.get("cost", {}),
                cost.get("tco2"),
                cost.get("starts"),
            )
        )
    return days


def _day_ends(valid: Instants, label: Any, names: list[str], hours: float) -> Instants:
    """End of each day's last period."""
    step = np.timedelta64(round(3600 * hours), "s")
    return np.array([valid[label == name][-1] + step for name in names], dtype="datetime64[us]")


def _costs(export: Export, row: str, ends: Instants) -> list[dict[str, Any]]:
    """Cost parts, emissions and starts of each day, as differences of what had come together by each day's end."""
    tables = export.realised_tables(row)
    if tables is None or len(ends) > MOST_DAYS:
        return [{} for _ in ends]
    # A row's grid may lack assets of the whole one (no storage); a table with holes can't be costed.
    present = set(pc.unique(tables["asset"]["asset"]).to_pylist())
    if tables["asset"].num_rows != len(present) * len(pc.unique(tables["asset"]["valid_time"])):
        return [{} for _ in ends]
    network = replace(export.network, assets=tuple(a for a in export.network.assets if a.name in present))
    so_far: dict[str, Any] = {"cost": {}, "tco2": 0.0, "starts": 0}
    days = []
    for end in ends:
        limit = pa.scalar(end).cast(TIMESTAMP)
        until = {name: table.filter(pc.less(table["valid_time"], limit)) for name, table in tables.items()}
        total = realised_cost(network, until)
        cost = {part: value - so_far["cost"].get(part, 0.0) for part, value in total["cost"].items()}
        days.append({"cost": cost, **{key: total[key] - so_far[key] for key in ("tco2", "starts")}})
        so_far = total
    return days

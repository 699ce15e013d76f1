"""`xiaona forecast`: the vintage of a day's gate, or the accuracy over many days."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from rich.table import Table

from forecasting.kind_model import describe
from gridcore.errors import BadInputError
from gridcore.forecast import Vintage
from gridcore.ports import GridSource
from gridcore.target import basic_targets, sum_targets
from gridcore.timeline import PERIOD, at_local_time, from_numpy, to_numpy
from pipeline import console
from pipeline.export import write_table
from pipeline.forecasters import RowForecaster, forecast_settings
from pipeline.schedule import GATE_HOUR, next_midnight
from pipeline.snapshot import store_as_of

SHOWN_QUANTILES = (0.1, 0.5, 0.9)
"""Levels that the terminal shows; the file has all."""


def show_forecast(source: GridSource, day: date, out: Path | None, as_json: bool, holidays: str = "") -> None:
    """Forecast a day as of the gate of the day before, and print the system's sums by hour.

    Args:
        source: The grid.
        day: The day ahead, in the grid's own zone.
        out: Parquet file for every target and quantile (`FORECAST_SCHEMA`), if asked.
        as_json: Print JSON alone.
        holidays: Country of load's holidays in place of the grid's own; `none` for none.
    """
    issue_time = at_local_time(day - timedelta(days=1), GATE_HOUR, source.network.zone)
    check_covered(source, issue_time)
    with console.bars() as bars:
        bars.stage("read", 0)
        with store_as_of(source, issue_time) as store:
            targets, sums = basic_targets(source.network), sum_targets(source.network)
            forecaster = RowForecaster(
                source.network, targets, sums, forecast_settings(0, source.network, holidays), "blend"
            )
            bars.stage("fit", 0)
            models = forecaster.fit(store.known_at(issue_time))
            for model in models:
                store.register(model)
            bars.stage("issue", 0)
            vintage = forecaster.issue(store.known_at(issue_time), issue_time, "day_ahead")
    if out is not None:
        write_table(vintage.to_table(), out)
        console.errors.print(f"forecast: {out}", highlight=False)
    if as_json:
        members = [row for model in models for row in describe(model)]
        console.print_json(
            {"issue_time": issue_time.isoformat(), "system": _hours(vintage, source.network.zone), "models": members}
        )
    else:
        _show(vintage, source)


def check_covered(source: GridSource, instant: datetime) -> None:
    """Raise `BadInputError` where the source has no history at an instant."""
    if not source.first < instant <= source.last:
        wanted = f"{source.first.isoformat()} to {source.last.isoformat()}"
        raise BadInputError("a day without data", instant=instant.isoformat(), got="no readings", wanted=wanted)


def _hours(vintage: Vintage, zone: ZoneInfo) -> list[dict[str, Any]]:
    """System sums of the first local day, hour by hour, at `SHOWN_QUANTILES` [MW]."""
    first = from_numpy(vintage.valid_time[0])
    periods = int((vintage.valid_time < to_numpy(next_midnight(first, zone))).sum())
    per_hour = timedelta(hours=1) // PERIOD
    rows = []
    for name in (target for target in vintage.targets if target.startswith("system/")):
        values = {f"P{round(q * 100)}": vintage.level(name, q) for q in SHOWN_QUANTILES}
        for hour in range(periods // per_hour):
            cells = slice(hour * per_hour, (hour + 1) * per_hour)
            means = {level: float(np.mean(power[cells])) for level, power in values.items()}
            valid = from_numpy(vintage.valid_time[hour * per_hour]).isoformat()
            rows.append({"target": name, "valid_time": valid, **means})
    return rows


def _show(vintage: Vintage, source: GridSource) -> None:
    rows = _hours(vintage, source.network.zone)
    names = list(dict.fromkeys(row["target"] for row in rows))
    table = Table(
        title=f"{source.network.name}: forecast issued {vintage.issue_time.isoformat()}, P10 / P50 / P90 in MW"
    )
    table.add_column("hour")
    for name in names:
        table.add_column(name, justify="right")
    instants = list(dict.fromkeys(row["valid_time"] for row in rows))
    cell = {(r["target"], r["valid_time"]): f"{r['P10']:,.0f} / {r['P50']:,.0f} / {r['P90']:,.0f}" for r in rows}
    for instant in instants:
        local = datetime.fromisoformat(instant).astimezone(source.network.zone)
        table.add_row(f"{local:%a %H:%M}", *(cell[name, instant] for name in names))
    console.results.print(table)
    for reason in sorted({reason for reason in vintage.fallback_reason if reason})[:5]:
        console.results.print(f"fallback: {reason}", highlight=False)

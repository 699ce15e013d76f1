"""`xiaona forecast --backtest`: accuracy over many days, open loop, against persistence and the official series."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from rich.table import Table

from forecasting.backtest import Backtest, backtest
from gridcore.errors import BadInputError
from gridcore.ports import GridSource
from gridcore.target import basic_targets
from gridcore.timeline import day_start
from pipeline import console
from pipeline.forecasters import forecast_settings
from pipeline.snapshot import store_as_of

BEYOND = timedelta(days=4)
"""How far the truth of the last day-ahead vintage reaches."""


def run_backtest(source: GridSource, start: date, days: int, as_json: bool, holidays: str = "") -> None:
    """Measure accuracy and print it.

    Args:
        source: The grid.
        start: First day with an issue time, in the grid's own zone.
        days: Number of days; under 30 the scores say "insufficient data".
        as_json: Print JSON alone.
        holidays: Country of load's holidays in place of the grid's own; `none` for none.

    Raises:
        BadInputError: The data don't cover the days.
        HistoryTooShortError: There is too little history before them.
    """
    last = min(_end_of(source, start, days) + BEYOND, source.last)
    with console.bars() as bars:
        bars.stage("read", 0)
        with store_as_of(source, last) as store:
            bars.stage("backtest", days)
            targets, settings = basic_targets(source.network), forecast_settings(0, source.network, holidays)
            found = backtest(
                store.known_at, source.network, targets, start, days, settings,
                progress=lambda day: bars.step("backtest"),
            )  # fmt: skip
    if as_json:
        console.print_json(_facts(found, source, start, days))
    else:
        _show(found, source, start, days)


def _end_of(source: GridSource, start: date, days: int) -> datetime:
    """End of the last day; raises `BadInputError` where there is none, or no data for the days or before them."""
    if days < 1:
        raise BadInputError("--days", got=days, wanted="1 or more; 30 for scores")
    zone = source.network.zone
    end = day_start(start + timedelta(days=days), zone)
    if not source.first < day_start(start, zone) or end > source.last:
        covered = f"{source.first.astimezone(zone):%Y-%m-%d %H:%M} to {source.last.astimezone(zone):%Y-%m-%d %H:%M}"
        wanted = f"days within {covered} {source.network.zone_name}, after the history of the first fit"
        raise BadInputError("days without data", instant=start.isoformat(), got=f"{days} days", wanted=wanted)
    return end


def _facts(found: Backtest, source: GridSource, start: date, days: int) -> dict[str, Any]:
    return {
        "grid": source.network.name,
        "time_zone": source.network.zone_name,
        "start": start.isoformat(),
        "days": days,
        "data_sha256": source.data_sha256(),
        "accuracy": [row.as_dict() for row in found.accuracy],
        "models": list(found.members),
    }


def _show(found: Backtest, source: GridSource, start: date, days: int) -> None:
    table = Table(title=f"{source.network.name}: {days} days from {start}, open loop; pinball in % of capacity")
    columns = ("kind", "lead", "n", "pinball", "RMSE accuracy", "skill: persistence", "official", "coverage 80 %")
    for column in columns:
        table.add_column(column, justify="left" if column in {"kind", "lead"} else "right")
    for row in found.accuracy:
        table.add_row(
            row.kind if row.is_headline else f"{row.kind} *", row.lead_block, f"{row.n:,}",
            _words(row.pinball, 100, 3), _words(row.rmse_accuracy, 100, 2), _words(row.skill_persistence, 100, 1),
            _words(row.skill_official, 100, 1), _words(row.coverage_80, 100, 1),
        )  # fmt: skip
    console.results.print(table)
    if any(not row.is_headline for row in found.accuracy):
        console.results.print(
            "* no headline: neither wind nor sun, or the official series is the truth times a constant"
        )


def _words(value: float | None, factor: float, digits: int) -> str:
    return "insufficient data" if value is None else f"{value * factor:.{digits}f}"

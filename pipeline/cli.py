"""The command line: `xiaona`. Each command parses its words here and does its work elsewhere."""

from __future__ import annotations

import re
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from gridcore.errors import BadInputError
from pipeline import console
from pipeline.cli_grid import grid_commands
from pipeline.cli_stream import store_commands, stream_commands

app = typer.Typer(
    name="xiaona",
    help="消纳: forecast wind, sun and load; dispatch so that as much renewable power as possible is absorbed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(grid_commands, name="grid")
app.add_typer(store_commands, name="store")
stream_commands(app)

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")]
Grid = Annotated[str | None, typer.Option("--grid", help="Name of a grid, or a directory in the project's format.")]
Recording = Annotated[Path | None, typer.Option("--recording", help="Directory of a recording.")]
Start = Annotated[str, typer.Option("--start", help="First day, in the grid's own time zone (YYYY-MM-DD).")]
Days = Annotated[int, typer.Option("--days", help="Number of days.")]
Holidays = Annotated[
    str | None, typer.Option("--holidays", help="Country of load's holidays (e.g. DE), or none; default: the grid's.")
]
Work = Annotated[Path, typer.Option("--work", help="Directory for unfinished runs; the same command resumes there.")]

DEFAULT_WORK = Path(".xiaona")
"""Where unfinished runs wait to be resumed."""


def main() -> int:
    """Entry point; the process's exit code."""
    return console.run(lambda: app(standalone_mode=False))


def parse_day(words: str) -> date:
    """A day; raises `BadInputError` for words that are none."""
    try:
        return date.fromisoformat(words)
    except ValueError as cause:
        raise BadInputError("--start", got=words, wanted="a day, YYYY-MM-DD") from cause


def parse_country(words: str) -> str:
    """A country of holidays, `none` or nothing; raises `BadInputError` for other words."""
    from pipeline.settings import HOLIDAYS

    if not re.match(HOLIDAYS, words):
        raise BadInputError("--holidays", got=words, wanted="two capital letters (ISO 3166-1 alpha-2), or none")
    return words


@app.command()
def replay(  # noqa: PLR0913, PLR0917 - one parameter an option
    start: Start,
    days: Days = 2,
    grid: Grid = None,
    recording: Recording = None,
    seed: Annotated[int, typer.Option(help="Seed of model fits and of the solver.")] = 0,
    rows: Annotated[
        str, typer.Option(help="Rows to run side by side.")
    ] = "ours,persistence,no_storage,perfect_foresight",
    scale: Annotated[str, typer.Option(help="What-if factors, e.g. battery=10,vre=2.")] = "",
    portfolio: Annotated[list[str] | None, typer.Option(help="NAME=TARGET,TARGET: a sum that is forecast too.")] = None,
    holidays: Holidays = None,
    export: Annotated[Path | None, typer.Option(help="Directory to export decisions and realised flows to.")] = None,
    report: Annotated[Path | None, typer.Option(help="File of the report.")] = None,
    work: Work = DEFAULT_WORK,
    as_json: Json = False,
) -> None:
    """Replay days of a grid in closed loop: telemetry in, forecasts, dispatch, setpoints, report."""
    from pipeline.replay_command import ReplayOutput, run_replay
    from pipeline.settings import ReplaySettings, bad_settings

    arguments: dict[str, Any] = {
        "grid": grid,
        "recording": recording,
        "start": parse_day(start),
        "days": days,
        "seed": seed,
    }
    arguments |= {"rows": tuple(rows.split(",")), "scale": scale, "portfolios": _portfolios(portfolio or [])}
    if holidays is not None:
        arguments["holidays"] = holidays
    try:
        settings = ReplaySettings(**arguments)
    except ValidationError as cause:
        raise bad_settings(cause) from cause
    output = ReplayOutput(export, report or (None if as_json else Path("report.html")), as_json)
    raise typer.Exit(run_replay(settings, work, output))


@app.command()
def forecast(
    start: Start,
    days: Days = 1,
    grid: Grid = None,
    recording: Recording = None,
    backtest: Annotated[bool, typer.Option("--backtest", help="Measure accuracy open loop over the days.")] = False,
    out: Annotated[Path | None, typer.Option(help="Parquet file for every target and quantile of a forecast.")] = None,
    holidays: Holidays = None,
    as_json: Json = False,
) -> None:
    """Forecast a day as of its day-ahead gate, or measure accuracy over days (--backtest)."""
    from pipeline.backtest_command import run_backtest
    from pipeline.forecast_command import show_forecast
    from pipeline.replay import open_source

    country = parse_country(holidays or "")
    source = open_source(grid, recording)
    if backtest:
        run_backtest(source, parse_day(start), days, as_json, country)
    else:
        show_forecast(source, parse_day(start), out, as_json, country)


@app.command()
def dispatch(start: Start, grid: Grid = None, recording: Recording = None, as_json: Json = False) -> None:
    """Commit the units for one day from the official forecasts alone: which run, and about how much each gives."""
    from pipeline.dispatch_command import show_dispatch
    from pipeline.replay import open_source

    show_dispatch(open_source(grid, recording), parse_day(start), as_json)


@app.command()
def validate(out: Annotated[Path, typer.Argument(help="Directory of an export.")], as_json: Json = False) -> None:
    """Check plans, balances and limits from an export alone; exit code 3 on a violation."""
    from pipeline.validate_command import run_validate

    raise typer.Exit(run_validate(out, as_json))


@app.command()
def report(
    out: Annotated[Path, typer.Argument(help="Directory of an export.")],
    file: Annotated[Path, typer.Option("--report", help="File to write.")] = Path("report.html"),
) -> None:
    """Write the report of an export again."""
    from pipeline.replay_command import rewrite_report

    rewrite_report(out, file)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what this machine has and lacks."""
    from pipeline.doctor import run_doctor

    raise typer.Exit(run_doctor(as_json))


def _portfolios(words: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for word in words:
        name, equals, members = word.partition("=")
        if not (name and equals and members):
            raise BadInputError("--portfolio", got=word, wanted="NAME=TARGET,TARGET")
        found[name] = tuple(members.split(","))
    return found


if __name__ == "__main__":
    sys.exit(main())

"""`xiaona record | ingest | run | store`: recordings, readings into a store, the live loop, and the store's care."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from gridcore.errors import BadInputError, StoreDamagedError
from gridcore.timeline import day_start
from ingest.catalogue import open_grid
from ingest.recording import write_recording
from pipeline import console
from pipeline.settings import read_live_settings
from pipeline.stores import care_of
from storage.address import shown

store_commands = typer.Typer(help="The store: check, seal, export, migrate.", no_args_is_help=True)

StoreAt = Annotated[str, typer.Option("--store", help="Directory of the store, or postgresql://... of a server.")]


def stream_commands(app: typer.Typer) -> None:
    """Add the commands of this file that stand at the top level."""
    for command in (record, ingest, run):
        app.command()(command)


def record(
    grid: Annotated[str, typer.Option("--grid", help="Name or directory of a grid.")],
    start: Annotated[str, typer.Option("--start", help="First day, in the grid's own time zone (YYYY-MM-DD).")],
    out: Annotated[Path, typer.Option("--out", help="Directory to write.")],
    days: Annotated[int, typer.Option("--days", help="Number of days.")] = 2,
    dirty: Annotated[
        int | None, typer.Option("--dirty", help="Seed of late, doubled, missing, wrong readings.")
    ] = None,
) -> None:
    """Write a recording of some days, with the history before them."""
    source = open_grid(grid)
    try:
        first = date.fromisoformat(start)
    except ValueError as cause:
        raise BadInputError("--start", got=start, wanted="a day, YYYY-MM-DD") from cause
    begins = day_start(first, source.network.zone)
    ends = day_start(first + timedelta(days=days), source.network.zone)
    with console.bars() as bars:
        bars.stage("record", 0)
        facts = write_recording(source, begins, ends, out, dirty_seed=dirty)
    console.print_json(dict(facts))


def ingest(
    source: Annotated[
        str, typer.Option("--from", help="file:///... of a recording, a grid directory, Parquet, CSV or JSON lines.")
    ],
    store: StoreAt,
    until_idle: Annotated[
        float, typer.Option("--until-idle", help="Stop after so many seconds without a reading.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    grid: Annotated[
        str | None, typer.Option("--grid", help="Grid whose channels are expected, where the source names none.")
    ] = None,
) -> None:
    """Take readings into a store: decode, check, keep; nothing is dropped silently."""
    from pipeline.ingest_command import run_ingest

    run_ingest(source, store, grid, until_idle, as_json)


def run(config: Annotated[Path, typer.Option("--config", help="TOML file of a live run.")]) -> None:
    """Run the loop live: the same loop as a replay, on the clock and feed that the file names."""
    from pipeline.live import run_live

    run_live(read_live_settings(config))


@store_commands.command()
def check(store: StoreAt) -> None:
    """Check checksums, offsets and the conservation of readings; exit code 4 where the store is damaged."""
    findings = care_of(store).check()
    for finding in findings:
        console.results.print(str(finding))
    if findings:
        where = shown(store)
        raise StoreDamagedError("the store is damaged", file=where, got=f"{len(findings)} findings", wanted="none")
    console.results.print("good")


@store_commands.command()
def seal(store: StoreAt) -> None:
    """Bring closed periods into their lasting form: days into Parquet segments, months on a server into order."""
    console.results.print(f"sealed {care_of(store).seal()} readings")


@store_commands.command()
def export(store: StoreAt, out: Annotated[Path, typer.Option("--out", help="Directory to write.")]) -> None:
    """Write readings, revisions, dead letters and offsets as Parquet."""
    care_of(store).export(out)
    console.errors.print(f"export: {out}", highlight=False)


@store_commands.command()
def migrate(store: StoreAt) -> None:
    """Bring the store to this version's schema."""
    console.results.print(f"schema version {care_of(store).migrate()}")

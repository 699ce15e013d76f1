"""`xiaona record | ingest | run | store`: recordings, readings into a store, the live loop, and the store's care."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from gridcore.errors import BadInputError, StoreDamagedError
from gridcore.timeline import day_start
from ingest.catalogue import open_grid
from ingest.channels import channels_of
from ingest.recording import write_recording
from pipeline import console
from pipeline.settings import read_live_settings
from pipeline.stores import care_of
from storage.address import shown

store_commands = typer.Typer(help="The store: check, seal, export, migrate.", no_args_is_help=True)

StoreAt = Annotated[str, typer.Option("--store", help="Directory of the store, or postgresql://... of a server.")]


StreamConfig = Annotated[
    Path | None, typer.Option("--config", help="TOML whose [stream] tells how Kafka is reached (TLS, user, prefix).")
]

RecordedRows = Annotated[
    bool, typer.Option("--recorded", help="Readings tell themselves when they were first had: a played recording.")
]


def stream_commands(app: typer.Typer) -> None:
    """Add the commands of this file that stand at the top level."""
    for command in (record, play, ingest, relay, run):
        app.command()(command)


def record(  # noqa: PLR0913, PLR0917 - one parameter an option
    grid: Annotated[str, typer.Option("--grid", help="Name or directory of a grid.")],
    out: Annotated[Path, typer.Option("--out", help="Directory to write.")],
    start: Annotated[str, typer.Option("--start", help="First day, in the grid's own time zone (YYYY-MM-DD).")] = "",
    days: Annotated[int, typer.Option("--days", help="Number of days.")] = 2,
    dirty: Annotated[
        int | None, typer.Option("--dirty", help="Seed of late, doubled, missing, wrong readings.")
    ] = None,
    source: Annotated[
        str,
        typer.Option("--from", help="kafka://HOST:PORT: what the grid's topics hold, in place of days of the grid."),
    ] = "",
    until_idle: Annotated[
        float,
        typer.Option("--until-idle", help="Stop after so many seconds without a message; 0: at the topics' ends."),
    ] = 0.0,
    recorded: RecordedRows = False,
    config: StreamConfig = None,
) -> None:
    """Write a recording: of some days of a grid with the history before them, or of what comes over Kafka."""
    if source:
        from pipeline.record_command import record_stream
        from pipeline.stream_settings import stream_at

        if start or dirty is not None:
            raise BadInputError("--from with days of a grid", got="--start or --dirty", wanted="one or the other")
        settings, idle = stream_at(source, config), timedelta(seconds=until_idle)
        console.print_json(record_stream(grid, out, settings, idle, is_recorded=recorded))
        return
    owner = open_grid(grid)
    try:
        first = date.fromisoformat(start)
    except ValueError as cause:
        raise BadInputError("--start", got=start or "nothing", wanted="a day, YYYY-MM-DD") from cause
    begins = day_start(first, owner.network.zone)
    ends = day_start(first + timedelta(days=days), owner.network.zone)
    with console.bars() as bars:
        bars.stage("record", 0)
        facts = write_recording(owner, begins, ends, out, dirty_seed=dirty)
    console.print_json(dict(facts))


def ingest(  # noqa: PLR0913, PLR0917 - one parameter an option
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="kafka://HOST:PORT, http(s)://HOST:PORT to listen at, or file:///... of a recording, a grid, a table.",
        ),
    ],
    store: StoreAt,
    until_idle: Annotated[
        float, typer.Option("--until-idle", help="Stop after so many seconds without a reading.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    grid: Annotated[
        str | None, typer.Option("--grid", help="Grid whose channels are expected, where the source names none.")
    ] = None,
    group: Annotated[str, typer.Option("--group", help="Consumer group to share Kafka's partitions with.")] = "",
    recorded: RecordedRows = False,
    config: StreamConfig = None,
    tokens: Annotated[Path | None, typer.Option("--tokens", help="http(s): TOML file of who may push.")] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="https: PEM file of the certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="https: PEM file of its key.")] = None,
    node: Annotated[str, typer.Option("--node", help="http: this server's name, where several fill one store.")] = "",
    in_clear: Annotated[
        bool, typer.Option("--in-clear", help="http: for other machines too, since a proxy before it does TLS.")
    ] = False,
) -> None:
    """Take readings into a store: decode, check, keep; nothing is dropped silently.

    From http(s)://HOST:PORT it listens there for pushed readings until it is stopped.
    """
    if source.startswith(("http://", "https://")):
        from pipeline.http_server import address_of
        from pipeline.push_command import PushOptions, show_push
        from pipeline.stores import open_store
        from pipeline.web_settings import NODE

        if grid is None or tokens is None:
            raise BadInputError("--from http needs more words", wanted="--grid and --tokens")
        address = address_of(source, tls_cert, tls_key, in_clear=in_clear)
        if not re.fullmatch(NODE, node):
            raise BadInputError("a name that no server can have", got=node, wanted="letters, digits, . _ -")
        show_push(address, PushOptions(grid, tokens, partial(open_store, store), until_idle, node), as_json=as_json)
        return
    from pipeline.ingest_command import IngestOptions, run_ingest

    run_ingest(source, store, IngestOptions(grid, until_idle, group, recorded, config), as_json=as_json)


def play(
    recording: Annotated[Path, typer.Argument(help="Directory of a recording.")],
    to: Annotated[str, typer.Option("--to", help="kafka://HOST:PORT")],
    form: Annotated[str, typer.Option("--format", help="json (a message a row) or arrow (batches).")] = "json",
    together: Annotated[
        float, typer.Option("--together", help="Minutes of arrivals in an Arrow message; 15 at most for a replay.")
    ] = 15.0,
    config: StreamConfig = None,
) -> None:
    """Send a recording into Kafka's topics, each row with its own arrival."""
    from pipeline.stream_settings import stream_at
    from pipeline.streams import FORMATS
    from pipeline.streams import play as play_into

    if form not in FORMATS or together <= 0:
        got = form if form not in FORMATS else f"--together {together:g}"
        raise BadInputError("how to play", got=got, wanted=f"--format {' or '.join(FORMATS)}, --together above 0")
    console.print_json(play_into(recording, stream_at(to, config), form, timedelta(minutes=together)))


def relay(
    store: StoreAt,
    to: Annotated[str, typer.Option("--to", help="kafka://HOST:PORT")],
    until_idle: Annotated[
        float | None, typer.Option("--until-idle", min=0, help="Stop when nothing was pending for so many seconds.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    config: StreamConfig = None,
) -> None:
    """Send a store's forecasts, plans, setpoints and dead letters to their topics, until it is ended."""
    from pipeline.relay_command import run_relay
    from pipeline.stream_settings import stream_at

    idle = None if until_idle is None else timedelta(seconds=until_idle)
    run_relay(store, stream_at(to, config), idle, as_json=as_json)


def run(config: Annotated[Path, typer.Option("--config", help="TOML file of a live run.")]) -> None:
    """Run the loop live: the same loop as a replay, on the clock and feed that the file names."""
    settings = read_live_settings(config)
    if settings.plant == "none":
        from pipeline.field_run import run_field

        run_field(settings)
    else:
        from pipeline.live import run_live

        run_live(settings)


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
def export(
    store: StoreAt,
    out: Annotated[Path, typer.Option("--out", help="Directory to write.")],
    grid: Annotated[
        str | None, typer.Option("--grid", help="Grid of the readings: flag those that jumped or stood still.")
    ] = None,
) -> None:
    """Write readings, revisions, dead letters and offsets as Parquet."""
    care_of(store).export(out)
    console.errors.print(f"export: {out}", highlight=False)
    if grid is not None:
        from pipeline.suspects import flag_suspects

        owner = open_grid(grid)
        found = flag_suspects(out / "readings.parquet", channels_of(owner.network, owner.reading_period))
        console.errors.print(", ".join(f"{name} {count}" for name, count in found.items()), highlight=False)


@store_commands.command()
def migrate(store: StoreAt) -> None:
    """Bring the store to this version's schema."""
    console.results.print(f"schema version {care_of(store).migrate()}")

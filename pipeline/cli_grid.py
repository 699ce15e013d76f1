"""`xiaona grid`: which grids there are, what is in one, is a directory a good one, any grid as a directory."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from gridcore.ports import GridSource
from ingest.catalogue import grid_names, open_grid
from ingest.grid_check import check_history
from ingest.grid_directory import export_grid, read_grid_directory
from pipeline import console

grid_commands = typer.Typer(help="Grids: list, show, check, export.", no_args_is_help=True)


@grid_commands.command("list")
def list_grids() -> None:
    """Name the grids that can be opened without a directory."""
    for name in grid_names():
        console.results.print(name)


@grid_commands.command()
def show(grid: str, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show what a grid consists of."""
    facts = facts_of(open_grid(grid))
    if as_json:
        console.print_json(facts)
        return
    table = Table(title=f"grid {facts['name']}", show_header=False)
    for name, value in facts.items():
        words = ", ".join(f"{key} {size}" for key, size in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), words)
    console.results.print(table)


@grid_commands.command()
def check(directory: Path) -> None:
    """Read a grid's directory whole, as a replay would, and say whether it is a good one."""
    source = read_grid_directory(directory)
    held = check_history(source)
    facts = facts_of(source)
    flagged = "; flagged and kept: " + ", ".join(f"{n} {flag}" for flag, n in held.flags.items()) if held.flags else ""
    console.results.print(
        f"good: {facts['buses']} buses, {facts['branches']} branches, {sum(facts['assets'].values())} assets, "
        f"{held.readings} readings from {facts['first']} to {facts['last']}, {held.official} official values, "
        f"{held.outages} outages{flagged}",
        highlight=False,
        soft_wrap=True,
    )


@grid_commands.command()
def export(grid: str, directory: Path) -> None:
    """Write any grid in the project's own directory format."""
    source = open_grid(grid)
    export_grid(source, directory, source.first, source.last)
    console.errors.print(f"grid: {directory}", highlight=False)


def facts_of(source: GridSource) -> dict[str, Any]:
    """Size, zone, capacities and history of a grid."""
    network = source.network
    capacity: Counter[str] = Counter()
    for asset in network.assets:
        capacity[asset.technology.value] += asset.p_max_mw  # type: ignore[assignment]
    return {
        "name": network.name,
        "time_zone": network.zone_name,
        "country": network.country,
        "official_hydro": network.official_hydro.value,
        "buses": len(network.buses),
        "areas": len(network.areas),
        "branches": len(network.branches),
        "dc_lines": len(network.dc_lines),
        "assets": dict(sorted(Counter(asset.technology.value for asset in network.assets).items())),
        "capacity_mw": {name: round(size, 3) for name, size in sorted(capacity.items())},
        "reserve_products": [product.name for product in network.reserves],
        "first": source.first.astimezone(network.zone).isoformat(),
        "last": source.last.astimezone(network.zone).isoformat(),
        "telemetry_latency_s": network.telemetry_latency_s,
        "latency_is_declared": network.latency_is_declared,
        "source": network.source,
        "data_sha256": source.data_sha256(),
    }

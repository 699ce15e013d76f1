"""A small real export: an hour and a half of the example grid in closed loop, a unit and a branch out of service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.reading import OUTAGE_SCHEMA
from gridcore.timeline import PERIOD
from pipeline.export import digest, file_sha256, write_manifest, write_table
from pipeline.phase import run_phase
from pipeline.replay import export_grid_as_used
from pipeline.row_export import export_row
from tests.replay.small import open_small, phase_of, whole

ROW = "perfect_foresight"
"""The row that fits no models."""

LENGTH = 6 * PERIOD
"""Six dispatches."""

UNIT, BRANCH = "Aubach-CC", "Birkau-Gronau"
"""What is out of service, from half an hour after the start on, reported ten minutes before it."""

START = datetime(2025, 3, 20, 23, tzinfo=UTC)
"""Midnight of a calm night in the grid's zone: coal and gas run."""

OUT_FROM = START + timedelta(minutes=30)


def make_real_export(directory: Path) -> Path:
    """Run the loop and export it; the export's directory."""
    start, end = START, START + LENGTH
    reported, until = start - timedelta(minutes=10), end + timedelta(hours=6)
    rows = [{"available_at": reported, "asset": name, "from": OUT_FROM, "until": until} for name in (UNIT, BRANCH)]
    outages = pa.Table.from_pylist(rows, schema=OUTAGE_SCHEMA)
    recorded = replace(whole(start, end), outages=outages)
    phase, history = phase_of(recorded, start, end, directory / "work")
    phase = replace(phase, row=ROW)
    run_phase(phase, history)
    out = directory / "out"
    export_row(phase, out)
    export_grid_as_used(open_small(), phase.network, (start, end), out / "grid")
    write_table(outages, out / "grid" / "outages.parquet")
    seal(out)
    return out


def seal(out: Path) -> None:
    """Write the manifest that fits the files."""
    (out / "manifest.json").unlink(missing_ok=True)
    decisions = {name: out / "decisions" / ROW / f"{name}.parquet" for name in ("forecasts", "plans", "setpoints")}
    sha256 = digest({name: file_sha256(path) for name, path in decisions.items() if path.is_file()})
    write_manifest(out, {"decisions_sha256": sha256, "rows_sha256": {ROW: sha256}})


def change(out: Path, file: str, alter: Callable[[pa.Table], pa.Table]) -> None:
    """Alter one Parquet file of an export, and its manifest with it."""
    table = pq.read_table(out / file)
    write_table(alter(table).cast(table.schema), out / file)
    seal(out)

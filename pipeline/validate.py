"""`validate_export`: what an export's own files say of balance, limits, plans and hashes; no solver, no plant code.

Everything is read from Parquet and the grid's directory alone, as someone outside would do it.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.errors import BadInputError, ProcessKilledError
from gridcore.forecast import FORECAST_SCHEMA
from gridcore.network import Network
from gridcore.plan import PLAN_SCHEMA, SETPOINT_SCHEMA
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA
from gridcore.realised import REALISED_ASSET_SCHEMA, REALISED_BRANCH_SCHEMA, REALISED_BUS_SCHEMA
from ingest.grid_directory import read_grid_directory
from pipeline.export import digest, file_sha256
from pipeline.findings import Findings, Violation
from pipeline.validate_decisions import check_forecasts, check_setpoints
from pipeline.validate_first import check_first_periods, is_timely
from pipeline.validate_flows import check_flows
from pipeline.validate_plans import LAWS as PLAN_LAWS
from pipeline.validate_plans import check_plans
from pipeline.validate_told import Told
from pipeline.validate_units import check_units

REALISED = {"asset": REALISED_ASSET_SCHEMA, "bus": REALISED_BUS_SCHEMA, "branch": REALISED_BRANCH_SCHEMA}
"""Files of realised/ROW and their columns."""

DECISIONS = {"forecasts": FORECAST_SCHEMA, "plans": PLAN_SCHEMA, "setpoints": SETPOINT_SCHEMA}
"""Files of decisions/ROW and their columns."""

OUTAGES = "outages.parquet"
"""Outages, in grid/."""

RESERVES = "official_reserves.parquet"
"""Official reserve requirements, in grid/."""

LAWS = (
    "bus balance", "branch flow", "loop law", "finite power", "quantiles never cross", "setpoint",
    "setpoint of its plan", *PLAN_LAWS,
)  # fmt: skip
"""Laws that must have seen something in every row."""


def validate_export(out: Path, processes: int = 1) -> Findings:
    """Check an export from its files alone.

    Args:
        out: Directory with manifest.json, grid/, decisions/ROW/ and realised/ROW/.
        processes: Rows checked side by side.

    Raises:
        BadInputError: A file or a column is missing.
        ProcessKilledError: The system ended the check of a row.
    """
    findings = Findings()
    rows = sorted({path.name for part in ("realised", "decisions") for path in (out / part).glob("*") if path.is_dir()})
    manifest = _read_manifest(out)
    _check_files(out, manifest, findings)
    if not rows:
        raise BadInputError("an export without rows", file=out / "realised", wanted="realised/ROW/")
    _check_decisions_hash(out, manifest, rows, findings)
    if min(processes, len(rows)) > 1:
        context = multiprocessing.get_context("spawn")
        try:
            with ProcessPoolExecutor(min(processes, len(rows)), mp_context=context) as pool:
                found = list(pool.map(partial(_check_row, out), rows))
        except BrokenProcessPool as cause:
            wanted = "more memory, or fewer rows at a time (XIAONA_PROCESSES=1)"
            raise ProcessKilledError("the check of a row was killed", file=out, wanted=wanted) from cause
    else:
        found = [_check_row(out, row) for row in rows]
    for of_row in found:
        findings.take(of_row)
    return findings


def _check_row(out: Path, row: str) -> Findings:
    """All laws on one row."""
    findings = Findings()
    findings.counts.setdefault(row, {})
    network = read_grid_directory(out / "grid").network
    outages = _read(out / "grid" / OUTAGES, OUTAGE_SCHEMA)
    official = _read(out / "grid" / RESERVES, OFFICIAL_SCHEMA)
    tables = {name: _read(out / "realised" / row / f"{name}.parquet", schema) for name, schema in REALISED.items()}
    decided = {name: _read(out / "decisions" / row / f"{name}.parquet", schema) for name, schema in DECISIONS.items()}
    check_realised(network, tables, outages, row, findings)
    told = Told(network, decided["forecasts"], outages, official)
    check_decisions(network, decided, told, row, findings)
    check_first_periods(network, decided, tables["asset"], outages, row, findings)
    findings.demand_looked(row, LAWS)
    findings.demand_looked(row, ["plan reserve"] if network.reserves else [])
    findings.demand_looked(row, ["first period"] if is_timely(network) else [])
    return findings


def check_realised(
    network: Network, tables: Mapping[str, pa.Table], outages: pa.Table, row: str, findings: Findings
) -> None:
    """What really flowed in a row: `asset`, `bus` and `branch`."""
    check_flows(network, tables, outages, row, findings)
    check_units(network, tables["asset"], outages, row, findings)


def check_decisions(
    network: Network, decided: Mapping[str, pa.Table], told: Told, row: str, findings: Findings
) -> None:
    """What was decided in a row: `forecasts`, `plans` and `setpoints`."""
    check_forecasts(decided["forecasts"], row, findings)
    check_setpoints(decided["setpoints"], decided["plans"], network, row, findings)
    check_plans(decided["plans"], network, told, row, findings)


def _read(file: Path, schema: pa.Schema) -> pa.Table:
    """The columns of a schema from a Parquet file; raises `BadInputError` where file or column is missing."""
    if not file.is_file():
        raise BadInputError("a file of the export is missing", file=file, wanted="a Parquet file")
    try:
        names = pq.read_schema(file).names
        if missing := [name for name in schema.names if name not in names]:
            raise BadInputError("a column is missing", file=file, got=names, wanted=missing)
        return pq.read_table(file, columns=schema.names)
    except (pa.ArrowInvalid, OSError) as cause:
        raise BadInputError("a file of the export can't be read", file=file, got=cause, wanted="Parquet") from cause


def _read_manifest(out: Path) -> dict[str, Any]:
    file = out / "manifest.json"
    if not file.is_file():
        raise BadInputError("no replay's export", file=file, wanted="manifest.json")
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        dict(manifest["files"])
    except (ValueError, KeyError, TypeError) as cause:
        raise BadInputError("a manifest", file=file, got=repr(cause), wanted="JSON with `files`") from cause
    return manifest


def _check_files(out: Path, manifest: Mapping[str, Any], findings: Findings) -> None:
    """Every file of the manifest is there, unchanged, and no data file stands outside it."""
    hashes: dict[str, str] = manifest["files"]
    for name, wanted in sorted(hashes.items()):
        got = file_sha256(out / name) if (out / name).is_file() else "no file"
        if got != wanted:
            findings.add(Violation("manifest", "file hash", name, "", got, wanted))
    there = {path.relative_to(out).as_posix() for path in out.rglob("*.parquet")}
    for name in sorted(there - set(hashes)):
        findings.add(Violation("manifest", "file not listed", name, "", "a file", "an entry in the manifest"))
    findings.looked("manifest", "file hash", len(hashes))


def _check_decisions_hash(out: Path, manifest: Mapping[str, Any], rows: Sequence[str], findings: Findings) -> None:
    """The hash of each row's decisions is that of its files; the export's own is that of one of its rows."""
    found = {}
    for row in rows:
        files = {name: out / "decisions" / row / f"{name}.parquet" for name in DECISIONS}
        found[row] = digest({name: file_sha256(file) for name, file in files.items() if file.is_file()})
    stated = manifest.get("rows_sha256", {})
    for row in sorted({*stated, *(rows if stated else ())}):
        if stated.get(row) != found.get(row):
            got, wanted = str(stated.get(row)), found.get(row, "no such row")
            findings.add(Violation("manifest", "decisions hash", row, "", got, wanted))
    if manifest.get("decisions_sha256") not in found.values():
        got, wanted = str(manifest.get("decisions_sha256")), " or ".join(found.values())
        findings.add(Violation("manifest", "decisions hash", "decisions_sha256", "", got, wanted))
    findings.looked("manifest", "decisions hash", len(found))

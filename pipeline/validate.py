"""`validate_export`: what an export's own files say of balance, limits, plans and hashes; no solver, no plant code.

Everything is read from Parquet and the grid's directory alone, as someone outside would do it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.errors import BadInputError
from gridcore.network import Network
from gridcore.reading import OUTAGE_SCHEMA
from gridcore.realised import REALISED_ASSET_SCHEMA, REALISED_BRANCH_SCHEMA, REALISED_BUS_SCHEMA
from ingest.grid_directory import read_grid_directory
from pipeline.findings import Findings, Violation
from pipeline.validate_decisions import check_forecasts, check_setpoints
from pipeline.validate_flows import check_flows
from pipeline.validate_plans import check_plans
from pipeline.validate_units import check_units

REALISED = {"asset": REALISED_ASSET_SCHEMA, "bus": REALISED_BUS_SCHEMA, "branch": REALISED_BRANCH_SCHEMA}
"""Files of realised/ROW and their columns."""


def validate_export(out: Path) -> Findings:
    """Check an export from its files alone.

    Args:
        out: Directory with manifest.json, grid/, decisions/ROW/ and realised/ROW/.

    Raises:
        BadInputError: A file or a column is missing.
    """
    findings = Findings()
    _check_manifest(out, findings)
    network = read_grid_directory(out / "grid").network
    outages_file = out / "grid" / "outages.parquet"
    outages = pq.read_table(outages_file) if outages_file.is_file() else OUTAGE_SCHEMA.empty_table()
    rows = sorted(path.name for path in (out / "realised").glob("*") if path.is_dir())
    if not rows:
        raise BadInputError("an export without rows", file=out / "realised", wanted="realised/ROW/")
    for row in rows:
        _check_row(out, row, network, outages, findings)
    return findings


def _check_row(out: Path, row: str, network: Network, outages: pa.Table, findings: Findings) -> None:
    tables = {name: _read(out / "realised" / row / f"{name}.parquet", schema) for name, schema in REALISED.items()}
    findings.counts.setdefault(row, {})
    check_flows(network, tables, row, findings)
    check_units(network, tables["asset"], outages, row, findings)
    decisions = out / "decisions" / row
    check_forecasts(decisions / "forecasts.parquet", row, findings)
    check_setpoints(decisions / "setpoints.parquet", network, row, findings)
    check_plans(decisions, network, outages, row, findings)


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


def _check_manifest(out: Path, findings: Findings) -> None:
    """Every file of the manifest is there, unchanged, and no data file stands outside it."""
    file = out / "manifest.json"
    if not file.is_file():
        raise BadInputError("no replay's export", file=file, wanted="manifest.json")
    try:
        hashes: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))["files"]
    except (ValueError, KeyError, TypeError) as cause:
        raise BadInputError("a manifest", file=file, got=repr(cause), wanted="JSON with `files`") from cause
    for name, wanted in sorted(hashes.items()):
        path = out / name
        got = "no file"
        if path.is_file():
            with path.open("rb") as content:
                got = hashlib.file_digest(content, "sha256").hexdigest()
        if got != wanted:
            findings.add(Violation("manifest", "file hash", name, "", got, wanted))
    there = {path.relative_to(out).as_posix() for path in out.rglob("*.parquet")}
    for name in sorted(there - set(hashes)):
        findings.add(Violation("manifest", "file not listed", name, "", "a file", "an entry in the manifest"))
    findings.checked["file hash"] = len(hashes)

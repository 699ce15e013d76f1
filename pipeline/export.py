"""The export of a replay: OUT/ as INTERFACES.md lays it out, with a manifest of hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.forecast import FORECAST_SCHEMA
from gridcore.plan import PLAN_SCHEMA, SETPOINT_SCHEMA
from gridcore.ports import Known

DECISION_SORT = {
    "forecasts": ["issue_time", "valid_time", "target", "quantile"],
    "plans": ["issue_time", "layer", "plan_id", "valid_time", "asset"],
    "setpoints": ["issue_time", "asset", "valid_from"],
}
"""Sort keys of the decision files; with them two equal runs are equal byte for byte."""


def write_decisions(known: Known, since: datetime, directory: Path) -> str:
    """Write what was decided in [since, known.instant] and return its hash.

    Args:
        known: The row's store at the end of the run.
        since: First issue time.
        directory: decisions/ROW.

    Returns:
        SHA-256 over the files' own hashes, hexadecimal.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tables = {
        "forecasts": (known.forecasts(since), FORECAST_SCHEMA),
        "plans": (known.plans("scuc", since), PLAN_SCHEMA),
        "setpoints": (known.setpoints(since), SETPOINT_SCHEMA),
    }
    plans = pa.concat_tables([tables["plans"][0], known.plans("sced", since)])
    tables["plans"] = (plans, PLAN_SCHEMA)
    for name, (table, schema) in tables.items():
        ordered = table.select(schema.names).cast(schema).sort_by([(key, "ascending") for key in DECISION_SORT[name]])
        write_table(ordered, directory / f"{name}.parquet")
    return digest({name: file_sha256(directory / f"{name}.parquet") for name in tables})


def write_table(table: pa.Table, path: Path) -> None:
    """Write one Parquet file; the same table gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.combine_chunks(), path, compression="zstd", compression_level=3, write_statistics=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(hashes: Mapping[str, str]) -> str:
    """SHA-256 over names and hashes, in order of name."""
    lines = "".join(f"{name} {hashes[name]}\n" for name in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()


def write_manifest(out: Path, facts: Mapping[str, object]) -> None:
    """Write manifest.json: the given facts and the hash of every other file of the export."""
    files = sorted(path for path in out.rglob("*") if path.is_file() and path.name != "manifest.json")
    hashes = {path.relative_to(out).as_posix(): file_sha256(path) for path in files}
    text = json.dumps({**facts, "files": hashes}, indent=2, sort_keys=True)
    (out / "manifest.json").write_text(text + "\n", encoding="utf-8")

"""`xiaona validate`: what an export's own files say of it."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from gridcore.errors import BadInputError, LimitViolatedError
from pipeline import console
from pipeline.validate import validate_export

SHOWN = 20
"""Violations printed at most; the JSON has them all."""


def run_validate(out: Path, as_json: bool) -> int:
    """Check an export and print what was found; 0, or 3 where something is violated."""
    if not (out / "manifest.json").is_file():
        raise BadInputError("no replay's export", file=out, wanted="a directory with manifest.json")
    findings = validate_export(out)
    if as_json:
        console.print_json(findings.as_dict())
    else:
        _show(findings.as_dict())
    return LimitViolatedError.exit_code if findings.total else 0


def _show(found: dict[str, object]) -> None:
    violations = found["violations"]
    assert isinstance(violations, list)
    table = Table(title=f"{len(violations)} violations")
    for column in ("where", "what", "asset", "instant", "got", "wanted"):
        table.add_column(column)
    for violation in violations[:SHOWN]:
        table.add_row(*(str(violation[name]) for name in ("where", "what", "asset", "instant", "got", "wanted")))
    console.results.print(table if violations else "good: plans, balances, limits and hashes hold")
    if len(violations) > SHOWN:
        console.results.print(f"... and {len(violations) - SHOWN} more")

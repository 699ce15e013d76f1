"""`xiaona validate`: what an export's own files say of it."""

from __future__ import annotations

import os
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from gridcore.errors import BadInputError, LimitViolatedError
from pipeline import console
from pipeline.findings import Findings
from pipeline.validate import validate_export

SHOWN = 20
"""Violations printed at most; the JSON lists more of them, and counts them all."""


def run_validate(out: Path, as_json: bool) -> int:
    """Check an export and print what was found; 0, or 3 where something is violated."""
    if not (out / "manifest.json").is_file():
        raise BadInputError("no replay's export", file=out, wanted="a directory with manifest.json")
    findings = validate_export(out, processes=os.cpu_count() or 1)
    if as_json:
        console.print_json(findings.as_dict())
    else:
        _show(findings)
    return LimitViolatedError.exit_code if findings.total else 0


def _show(findings: Findings) -> None:
    if not findings.total:
        console.results.print("good: plans, balances, limits and hashes hold")
        return
    table = Table(title=f"{findings.total} violations")
    for column in ("where", "what", "asset", "instant", "got", "wanted"):
        table.add_column(column)
    for one in findings.violations[:SHOWN]:
        table.add_row(*(escape(words) for words in (one.where, one.what, one.asset, one.instant, one.got, one.wanted)))
    console.results.print(table)
    if findings.total > len(table.rows):
        counts = (f"{row}: {law} {count}" for row, laws in findings.counts.items() for law, count in laws.items())
        words = f"{len(table.rows)} of {findings.total} are shown; in all, {', '.join(counts)}"
        console.results.print(words, highlight=False, soft_wrap=True)

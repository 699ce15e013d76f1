"""`xiaona replay` and `xiaona report`: a replay with its progress, table, report and export."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridcore.errors import BadInputError, LimitViolatedError
from pipeline import console
from pipeline.replay import SUMMARY, Progress, replay, write_summary
from pipeline.report import terminal_table, write_report
from pipeline.settings import ReplaySettings


@dataclass(frozen=True)
class ReplayOutput:
    """Where a replay's results go."""

    export: Path | None
    """Directory of the export."""

    report: Path | None
    """File of the report."""

    as_json: bool
    """The summary on standard output, and nothing else."""


def run_replay(settings: ReplaySettings, work: Path, output: ReplayOutput) -> int:
    """Replay, and show what came of it; the exit code."""
    if output.export is not None and output.export.exists() and not _is_export(output.export):
        raise BadInputError(
            "--export", file=output.export, got="a directory with other files", wanted="a new directory"
        )
    with console.bars() as bars:
        summary, out = replay(settings, work, Progress(bars.stage, bars.step))
        write_summary(summary, out)
        if output.report is not None:
            bars.stage("report", 0)
            write_report(out, summary, output.report)
    if output.export is not None:
        shutil.rmtree(output.export, ignore_errors=True)
        output.export.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(out, output.export)
    shutil.rmtree(out.parent, ignore_errors=True)
    _show(summary, output)
    return LimitViolatedError.exit_code if summary["status"] == "violated" else 0


def rewrite_report(out: Path, file: Path) -> None:
    """Write the report of an export again, from its files alone."""
    if not (out / SUMMARY).is_file():
        raise BadInputError("no replay's export", file=out, wanted=f"a directory with {SUMMARY}")
    write_report(out, json.loads((out / SUMMARY).read_text(encoding="utf-8")), file)
    console.errors.print(f"report: {file}", highlight=False)


def _is_export(directory: Path) -> bool:
    return directory.is_dir() and (not any(directory.iterdir()) or (directory / "manifest.json").is_file())


def _show(summary: dict[str, Any], output: ReplayOutput) -> None:
    if output.as_json:
        console.print_json(summary)
    else:
        terminal_table(summary, console.results)
    for name, path in (("report", output.report), ("export", output.export)):
        if path is not None:
            console.errors.print(f"{name}: {path}", highlight=False)

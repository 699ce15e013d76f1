"""`xiaona doctor`: what this machine has and lacks, in words a user can act on."""

from __future__ import annotations

import ctypes
import importlib
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.table import Table

from ingest.catalogue import grid_names, open_grid
from pipeline import console
from pipeline.provenance import LIBRARIES

NEEDED_GB = 4.0
"""Memory of a replay of RTS-GMLC: four rows, two at a time [GB]."""

NEEDED_DISK_GB = 2.0
"""Disk of a replay with its rows' stores [GB]."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    what: str
    is_good: bool
    words: str


def run_doctor(as_json: bool) -> int:
    """Look at everything, print it, and return 0, or 2 where something needed is missing."""
    looks: list[Callable[[], Finding]] = [_python, _openmp, _sqlite, _memory, _disk, _solver, *map(_library, LIBRARIES)]
    looks += [_grid(name) for name in grid_names()]
    findings = [look() for look in looks]
    if as_json:
        console.print_json([vars(finding) for finding in findings])
    else:
        table = Table(title="doctor")
        for column in ("", "what", "found"):
            table.add_column(column)
        for finding in findings:
            table.add_row("[green]good[/]" if finding.is_good else "[red]bad[/]", finding.what, finding.words)
        console.results.print(table)
    return 0 if all(finding.is_good for finding in findings) else 2


def _python() -> Finding:
    words = sys.version.split()[0]
    return Finding("Python 3.11 or newer", sys.version_info >= (3, 11), words)


def _openmp() -> Finding:
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return Finding("libgomp.so.1 for LightGBM", False, "missing: install the package libgomp1")
    return Finding("libgomp.so.1 for LightGBM", True, "loads")


def _sqlite() -> Finding:
    with tempfile.TemporaryDirectory() as directory:
        connection = sqlite3.connect(Path(directory) / "probe.db")
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        connection.close()
    return Finding("SQLite with write-ahead log", mode == "wal", f"{sqlite3.sqlite_version}, journal {mode}")


def _memory() -> Finding:
    free_gb = psutil.virtual_memory().available / 1e9
    return Finding("free memory", free_gb >= NEEDED_GB, f"{free_gb:.1f} GB, a replay of RTS-GMLC wants {NEEDED_GB:.0f}")


def _disk() -> Finding:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    return Finding("free disk here", free_gb >= NEEDED_DISK_GB, f"{free_gb:.1f} GB, {os.cpu_count()} cores")


def _solver() -> Finding:
    from dispatch.probe import probe_solver

    value = probe_solver()
    return Finding("HiGHS solves", abs(value - 1.0) < 1e-9, f"min x, x >= 1 gives {value:g}")


def _library(name: str) -> Callable[[], Finding]:
    def look() -> Finding:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            return Finding(name, False, str(error))
        return Finding(name, True, str(getattr(module, "__version__", "imports")))

    return look


def _grid(name: str) -> Callable[[], Finding]:
    def look() -> Finding:
        network = open_grid(name).network
        return Finding(f"grid {name}", True, f"{len(network.buses)} buses, {len(network.assets)} assets")

    return look

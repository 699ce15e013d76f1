"""What a benchmark leaves: a JSON file of INTERFACES.md's form, and the same as a table."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measured number, beside a peer or a limit where there is one."""

    name: str
    value: float
    unit: str
    beside: str = ""
    ratio: float | None = None


def write_figures(name: str, figures: list[Figure]) -> Path:
    """Write build/bench/NAME.json and print the table."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    path = Path("build/bench") / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"commit": commit, "cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    text = json.dumps({**facts, "figures": [asdict(figure) for figure in figures]}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
    table = Table(title=f"{name} ({commit[:12]})")
    for column in ("figure", "value", "unit", "beside", "ratio"):
        table.add_column(column, justify="right" if column in {"value", "ratio"} else "left")
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.3f}"
        table.add_row(figure.name, f"{figure.value:,.4g}", figure.unit, figure.beside, ratio)
    Console().print(table)
    return path

"""The end of a replay on the terminal: the verdict, the rows side by side, the accuracy of our forecasts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.report.accuracy import accuracy_head, accuracy_rows
from pipeline.report.outcome import equal_rows, our_row, outcome_lines, verdict
from pipeline.report.wording import INSUFFICIENT, row_label

STRONG = {"absorption", "curtailed", "load shed", "violations"}
"""Lines that a reader looks for first."""


FIRST_SCORE = 3
"""Column of the first score in `accuracy_rows`, after kind, lead time and n."""


def terminal_table(summary: Mapping[str, Any], console: Console) -> None:
    """Print a replay's outcome.

    Args:
        summary: The object of `xiaona replay --json`.
        console: Where to; colours and width are its own.
    """
    rows = summary.get("rows", [])
    table = Table(box=box.SIMPLE_HEAD, title=_title(summary), title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("")
    for row in rows:
        table.add_column(row_label(row["name"]), justify="right", style="bold" if row["name"] == "ours" else "")
    for line in outcome_lines(summary):
        label = Text(f"  {line.label}", style="dim") if line.is_part else Text(line.label)
        label.stylize("bold" if line.label in STRONG else "")
        table.add_row(label, *(_cell(line.label, cell) for cell in line.cells))
    if rows:
        console.print(table)
    _print_accuracy(summary, console)
    for sentence in equal_rows(summary):
        console.print(Text(f"= {sentence}", style="cyan"))
    for warning in summary.get("warnings", []):
        console.print(Text(f"! {warning}", style="yellow"))
    console.print(Text(" ".join(verdict(summary)), style="bold"))


def _title(summary: Mapping[str, Any]) -> str:
    span = " to ".join(str(summary[key]) for key in ("start", "end") if summary.get(key))
    return f"{summary.get('grid', 'grid')}, {span}" if span else str(summary.get("grid", "grid"))


def _cell(label: str, cell: str) -> Text:
    is_bad = label in {"violations", "load shed", "over-generation"} and cell[:1] in set("123456789")
    return Text(cell, style="bold red" if is_bad else "")


def _print_accuracy(summary: Mapping[str, Any], console: Console) -> None:
    ours = our_row(summary)
    cells = accuracy_rows(ours.get("accuracy") or []) if ours is not None else []
    if all(cell == INSUFFICIENT for row in cells for cell in row[FIRST_SCORE:]):
        console.print(Text(f"accuracy of our forecasts: {INSUFFICIENT} (xiaona forecast --backtest)", style="dim"))
        return
    table = Table(box=box.SIMPLE_HEAD, title="accuracy of our forecasts", title_justify="left", pad_edge=False)
    for column, name in enumerate(accuracy_head()):
        table.add_column(name, justify="left" if column < 2 else "right")
    for row in cells:
        table.add_row(*(Text(cell, style="dim" if cell == INSUFFICIENT else "") for cell in row))
    console.print(table)

"""The result in words and in one table: verdict, headline numbers, the rows side by side, which of them are equal.

Page and terminal share this file, so that both say the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.report.blocks import Tile
from pipeline.report.export import parse_instant
from pipeline.report.wording import (
    INSUFFICIENT,
    MISSING,
    cause_label,
    duration,
    energy,
    is_number,
    listed,
    number,
    percent,
    points,
    row_label,
)

Row = Mapping[str, Any]

OUTCOME_KEYS = ("available_mwh", "absorbed_mwh", "curtailment_mwh", "shed_mwh", "over_generation_mwh", "tco2", "starts")
"""Figures that, with the cost parts, must all be equal for two rows to be called equal."""

EQUAL_SHARE = 1e-9
"""Relative difference below which two figures are one: they are sums of the same numbers in the same order."""


@dataclass(frozen=True)
class Line:
    """One figure of all rows."""

    label: str
    """What it is, with its unit."""

    cells: tuple[str, ...]
    """By row."""

    is_part: bool = False
    """A part of the line above it."""


def our_row(summary: Mapping[str, Any]) -> Row | None:
    """The row `ours`, else the first; None where the summary has none."""
    rows = summary.get("rows", [])
    return next((row for row in rows if row["name"] == "ours"), rows[0] if rows else None)


def total_cost(row: Row) -> float | None:
    """Sum of the cost parts, None where one is not known."""
    parts = list((row.get("cost") or {}).values())
    return float(sum(parts)) if parts and all(is_number(part) for part in parts) else None


def outcome_lines(summary: Mapping[str, Any]) -> list[Line]:
    """The table of all rows: absorption, curtailment by cause, shed, over-generation, cost, CO2, starts, plans."""
    rows: Sequence[Row] = summary.get("rows", [])
    money = summary.get("currency") or "currency"

    def line(label: str, cell: Callable[[Row], str], *, is_part: bool = False) -> Line:
        return Line(label, tuple(cell(row) for row in rows), is_part)

    def part(key: str, name: str, write: Callable[[Any], str]) -> Callable[[Row], str]:
        # A cause that a row does not name did not occur there; any other figure that is missing is not a 0.
        otherwise = 0.0 if key == "curtailment_by_cause" else None
        return lambda row: MISSING if row.get(key) is None else write(row[key].get(name, otherwise))

    lines = [
        line("available wind and sun", lambda row: energy(row.get("available_mwh"))),
        line("absorbed", lambda row: energy(row.get("absorbed_mwh"))),
        line("absorption", lambda row: percent(row.get("absorption"), missing=INSUFFICIENT)),
        line("curtailed", lambda row: energy(row.get("curtailment_mwh"))),
    ]
    causes = sorted({cause for row in rows for cause in row.get("curtailment_by_cause") or {}})
    lines += [line(cause_label(c), part("curtailment_by_cause", c, energy), is_part=True) for c in causes]
    lines += [
        line("load shed", lambda row: energy(row.get("shed_mwh"))),
        line("over-generation", lambda row: energy(row.get("over_generation_mwh"))),
        line(f"cost [{money}]", lambda row: number(total_cost(row))),
    ]
    kinds = dict.fromkeys(kind for row in rows for kind in row.get("cost") or {})
    lines += [line(kind.replace("_", " "), part("cost", kind, number), is_part=True) for kind in kinds]
    lines += [
        line("CO2 [t]", lambda row: number(row.get("tco2"))),
        line("starts of units", lambda row: number(row.get("starts"))),
    ]
    counts = dict.fromkeys(name for row in rows for name in row.get("plans") or {})
    lines += [line(f"plans: {name}", part("plans", name, number)) for name in counts]
    lines += [
        line("violations", lambda row: number(row.get("violations"))),
        line("largest bus imbalance [MW]", lambda row: imbalance(row.get("max_bus_imbalance_mw"))),
    ]
    return lines


def imbalance(value: Any) -> str:
    """A very small power."""
    return f"{value:.1e}" if is_number(value) else MISSING


def equal_rows(summary: Mapping[str, Any]) -> list[str]:
    """One sentence for each set of rows that are equal in all figures, or at least absorb the same."""
    rows = summary.get("rows", [])
    wholly = _classes(rows, _outcome)
    sentences = [f"{listed(names)} are equal in every figure." for names in wholly]
    for names in _classes(rows, lambda row: [row.get("absorbed_mwh"), row.get("curtailment_mwh")]):
        if names not in wholly:
            sentences.append(f"{listed(names)} absorb exactly the same energy and differ in other figures.")
    return [text[0].upper() + text[1:] for text in sentences]


def _outcome(row: Row) -> list[Any]:
    causes = sorted((row.get("curtailment_by_cause") or {}).items())
    cost = sorted((row.get("cost") or {}).items())
    return [*(row.get(key) for key in OUTCOME_KEYS), *(value for pair in (*causes, *cost) for value in pair)]


def _classes(rows: Sequence[Row], figures: Callable[[Row], list[Any]]) -> list[list[str]]:
    """Sets of two or more rows whose figures are equal, by label and in order."""
    classes: list[tuple[list[Any], list[str]]] = []
    for row in rows:
        mine = figures(row)
        for theirs, names in classes:
            if _are_equal(mine, theirs):
                names.append(row_label(row["name"]))
                break
        else:
            classes.append((mine, [row_label(row["name"])]))
    return [names for _, names in classes if len(names) > 1]


def _are_equal(left: list[Any], right: list[Any]) -> bool:
    if len(left) != len(right):
        return False
    return all(
        math.isclose(a, b, rel_tol=EQUAL_SHARE, abs_tol=EQUAL_SHARE) if is_number(a) and is_number(b) else a == b
        for a, b in zip(left, right, strict=True)
    )


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """What happened, in plain sentences: absorbed, curtailed and why, against the other rows, shed, violations."""
    row = our_row(summary)
    if row is None:
        return ["The summary holds no row: there is nothing to say about absorption."]
    return [
        text for text in (_absorbed(summary, row), _compared(summary, row), _served(row), _checked(summary)) if text
    ]


def _absorbed(summary: Mapping[str, Any], row: Row) -> str:
    span = ""
    if summary.get("start") and summary.get("end"):
        length = parse_instant(summary["end"]) - parse_instant(summary["start"])
        span = f" over {duration(float(length / np.timedelta64(1, 'h')))}"
    if not is_number(row.get("absorption")) or not row.get("available_mwh"):
        return f"No wind or sun was available{span}, so there is no absorption to state."
    text = f"Of {energy(row['available_mwh'])} of wind and sun available{span}, {energy(row['absorbed_mwh'])}"
    text += f" ({percent(row['absorption'])}) were absorbed"
    lost = row.get("curtailment_mwh") or 0.0
    if lost <= 0:
        return f"{text}; nothing was curtailed."
    causes: list[tuple[str, float]] = sorted(
        (row.get("curtailment_by_cause") or {}).items(), key=lambda item: -float(item[1])
    )
    named = [f"{energy(mwh)} by {cause_label(cause)}" for cause, mwh in causes if mwh > 0]
    if len(named) == 1 and math.isclose(causes[0][1], lost, rel_tol=1e-6):
        return f"{text} and {energy(lost)} curtailed, all of it by {cause_label(causes[0][0])}."
    return f"{text} and {energy(lost)} curtailed{': ' if named else ''}{listed(named)}."


def _compared(summary: Mapping[str, Any], row: Row) -> str:
    others = [other for other in summary.get("rows", []) if other is not row and is_number(other.get("absorption"))]
    if not others or not is_number(row.get("absorption")):
        return ""
    parts = []
    for other in others:
        name = {"persistence": "with persistence forecasts", "no_storage": "without storage"}.get(other["name"])
        name = name or f"with {row_label(other['name'])}"
        gap = row["absorption"] - other["absorption"]
        more = row["absorbed_mwh"] - other["absorbed_mwh"]
        if math.isclose(row["absorbed_mwh"], other["absorbed_mwh"], rel_tol=EQUAL_SHARE):
            parts.append(f"exactly as much as {name}")
        else:
            parts.append(f"{energy(abs(more))} {'more' if more > 0 else 'less'} than {name} ({points(gap)})")
    return f"Xiaona absorbed {listed(parts)}." if row["name"] == "ours" else f"It absorbed {listed(parts)}."


def _served(row: Row) -> str:
    shed, over = row.get("shed_mwh"), row.get("over_generation_mwh")
    if not is_number(shed):
        return ""
    text = "All load was served" if shed == 0 else f"{energy(shed)} of load were shed"
    if over is not None and over > 0:
        text += f", and {energy(over)} found no taker"
    return f"{text}."


def _checked(summary: Mapping[str, Any]) -> str:
    found: list[tuple[str, int | None]] = [(row["name"], row.get("violations")) for row in summary.get("rows", [])]
    bad = [f"{number(count)} in {row_label(name)}" for name, count in found if count]
    if bad:
        return f"Limits or balances were VIOLATED: {listed(bad)}."
    if any(count is None for _, count in found):
        return "Not every row was checked for violations."
    return "No limit and no balance was violated in any row."


def tiles(summary: Mapping[str, Any]) -> list[Tile]:
    """Absorption, curtailment, shed, cost, CO2, starts of our row, each beside the other rows' range or share."""
    row = our_row(summary)
    if row is None:
        return []
    money = summary.get("currency") or ""
    best = next((other for other in summary.get("rows", []) if other["name"] == "perfect_foresight"), None)

    def beside(value: Callable[[Row], str]) -> str:
        return f"{value(best)} with perfect foresight" if best is not None and best is not row else ""

    def tile(label: str, chinese: str, value: Callable[[Row], str], tone: str = "") -> Tile:
        figure, _, unit = (
            value(row).partition(" ") if value(row) not in {INSUFFICIENT, MISSING} else (value(row), "", "")
        )
        return Tile(label, chinese, figure, unit, beside(value), tone)

    return [
        tile("Absorption", "消纳率", lambda r: percent(r.get("absorption"), missing=INSUFFICIENT)),
        tile("Curtailed", "弃风弃光", lambda r: energy(r.get("curtailment_mwh"))),
        tile("Load shed", "切负荷", lambda r: energy(r.get("shed_mwh")), "bad" if row.get("shed_mwh") else "good"),
        tile("Cost", "成本", lambda r: number(total_cost(r), 0, money)),
        tile("CO2", "碳排放", lambda r: number(r.get("tco2"), 0, "t")),
        tile("Starts", "启停", lambda r: number(r.get("starts"))),
    ]

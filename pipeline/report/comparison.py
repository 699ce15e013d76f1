"""The rows beside each other as bars: what each curtailed, by cause, and what each cost, by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pipeline.report.blocks import Figure
from pipeline.report.draw import canvas, look, to_svg
from pipeline.report.palette import CAUSE_COLOURS, COST_COLOURS, UNKNOWN_COLOUR
from pipeline.report.wording import cause_label, is_number, number, row_label

NOTHING = 1e-6
"""Length below which a part of a bar is not there: energy of stores that end as they began, to rounding."""

TICKS = 5
"""Intervals between ticks at most: figures of six digits beside each other need the room."""


def comparison_figure(summary: Mapping[str, Any]) -> Figure:
    """Curtailed energy and cost of each row."""
    rows: Sequence[Mapping[str, Any]] = summary["rows"]
    money = summary.get("currency") or "currency"
    figure = canvas(1.15 + 0.33 * len(rows))
    with look():
        left, right = figure.subplots(1, 2, sharey=True)
        _bars(left, [row.get("curtailment_by_cause") or {} for row in rows], CAUSE_COLOURS, cause_label, 1.0)
        left.set_title("Curtailed energy [MWh]")
        _bars(right, [row.get("cost") or {} for row in rows], COST_COLOURS, lambda part: part.replace("_", " "), 1000.0)
        right.set_title(f"Cost [1000 {money}]")
        left.set_yticks(range(len(rows)), [row_label(row["name"]) for row in rows])
        left.invert_yaxis()
    return Figure(to_svg(figure, "comparison", "Curtailed energy and cost of each row"), "", "comparison")


def _bars(axes: Axes, rows: list[dict[str, Any]], colours: Mapping[str, str], label: Any, scale: float) -> None:
    """Stacked bars with the sum at their ends; what is negative (energy left in stores) goes to the left of zero."""
    up, down = np.zeros(len(rows)), np.zeros(len(rows))
    for part in sorted({part for row in rows for part in row}):
        values = np.array([float(row[part]) if is_number(row.get(part)) else 0.0 for row in rows]) / scale
        if np.abs(values).max(initial=0.0) > NOTHING:
            colour = colours.get(part, UNKNOWN_COLOUR)
            left = np.where(values < 0, down, up)
            axes.barh(range(len(rows)), values, left=left, height=0.62, color=colour, label=label(part))
            up, down = up + values.clip(0, None), down + values.clip(None, 0)
    for n, row in enumerate(rows):
        known = [float(value) for value in row.values() if is_number(value)]
        words = number(sum(known) / scale) if known else "none"
        axes.annotate(words, (up[n], n), (4, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.set_xlim(right=1.14 * max(up.max(initial=0.0), 1e-9))
    axes.xaxis.set_major_locator(MaxNLocator(TICKS))
    axes.grid(axis="y", visible=False)
    if axes.get_legend_handles_labels()[0]:
        # Below the axis by lines of text, whatever the height of the axes.
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=2.3, ncols=3, columnspacing=1.2)

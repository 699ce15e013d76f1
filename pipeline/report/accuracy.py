"""How good the forecasts were: by kind and horizon, and what each member of the blend weighs.

A figure that rests on too little data comes as None and is shown as "insufficient data"; the count stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.report.blocks import Block, Figure, Note, Section, Table
from pipeline.report.draw import canvas, look, to_svg
from pipeline.report.outcome import our_row
from pipeline.report.palette import GROUPS, UNKNOWN_COLOUR
from pipeline.report.wording import INSUFFICIENT, MISSING, is_number, number, percent

KIND_COLOURS = {name: GROUPS[name].colour for name in ("wind", "pv", "rooftop_pv")} | {
    "load": "#009e73",
    "csp_inflow": GROUPS["csp"].colour,
}
"""Colour of each forecast kind."""

MEMBER_COLOURS = ("#0072b2", "#e69f00", "#8f8f8f", "#009e73", "#cc79a7")
"""Colours of the members of a blend, in order of first appearance."""

NO_CLAIM = " (no claim)"
"""Said beside a kind whose accuracy says nothing about the forecaster."""

BLEND = "blend"
"""Member that stands for the whole of a blend."""

_FIGURES: dict[str, tuple[str, Callable[..., str]]] = {
    "rmse_accuracy": ("accuracy 1 - RMSE / capacity", percent),
    "pinball": ("pinball loss / capacity", lambda value, missing: percent(value, 3, missing=missing)),
    "skill_persistence": ("skill against persistence", percent),
    "skill_official": ("skill against official", percent),
    "coverage_80": ("inside P10-P90 (aim 80 %)", percent),
}


def accuracy_head() -> list[str]:
    """Column titles of `accuracy_rows`."""
    return ["kind", "lead time", "n", *(title for title, _ in _FIGURES.values())]


def accuracy_rows(items: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """One row for each kind and lead block; what is not known is said to be so."""
    return [
        [
            _kind(item),
            str(item.get("lead_block", "")),
            number(item.get("n")),
            *(write(item.get(key), missing=INSUFFICIENT) for key, (_, write) in _FIGURES.items()),
        ]
        for item in items
    ]


def accuracy_section(summary: Mapping[str, Any]) -> Section:
    """Accuracy by horizon: a chart where there are figures, and the table."""
    row = our_row(summary)
    items = (row.get("accuracy") if row is not None else None) or []
    blocks: list[Block] = []
    if not any(is_number(item.get("rmse_accuracy")) for item in items):
        text = f"Accuracy by horizon: {INSUFFICIENT} in this replay."
        text += " `xiaona forecast --backtest` over 30 days or more measures it."
        blocks.append(Note(text))
    else:
        blocks.append(_chart(items))
    if any(item.get("is_headline") is False for item in items):
        text = f"{NO_CLAIM.strip()}: of these kinds the data's official series may be the truth up to a constant;"
        blocks.append(Note(f"{text} their figures say nothing about the forecaster.", "quiet"))
    if items:
        caption = "Forecasts against what was available; skill is the share of the other's loss that is saved."
        blocks.append(Table(accuracy_head(), accuracy_rows(items), caption, frozenset({0, 1})))
    return Section("accuracy", "Accuracy by horizon", "预测精度", blocks)


def _kind(item: Mapping[str, Any]) -> str:
    name = str(item.get("kind", "")).replace("_", " ").replace("pv", "PV")
    return name + (NO_CLAIM if item.get("is_headline") is False else "")


def _chart(items: Sequence[Mapping[str, Any]]) -> Figure:
    """Accuracy and skill against persistence by lead block, one line for each kind; gaps where there is no figure."""
    blocks = list(dict.fromkeys(str(item.get("lead_block", "")) for item in items))
    kinds = list(dict.fromkeys(str(item.get("kind", "")) for item in items))
    figure = canvas(2.7)
    with look():
        for axes, key in zip(figure.subplots(1, 2), ("rmse_accuracy", "skill_persistence"), strict=True):
            for kind in kinds:
                values = {str(item.get("lead_block", "")): item.get(key) for item in items if item.get("kind") == kind}
                points = 100 * np.array([values[b] if is_number(values.get(b)) else np.nan for b in blocks], float)
                colour = KIND_COLOURS.get(kind, UNKNOWN_COLOUR)
                if np.isfinite(points).any():
                    axes.plot(range(len(blocks)), points, "o-", color=colour, label=_kind({"kind": kind}))
            axes.set_title(f"{_FIGURES[key][0]} [%]")
            axes.set_xticks(range(len(blocks)), blocks)
            axes.set_xlim(-0.5, len(blocks) - 0.5)
            axes.grid(axis="x", visible=False)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(ncols=2)
            else:
                axes.text(0.5, 0.5, INSUFFICIENT, transform=axes.transAxes, ha="center")
    return Figure(to_svg(figure, "accuracy", "Accuracy by lead time"), "By lead time; higher is better.", "accuracy")


def models_section(summary: Mapping[str, Any]) -> Section:
    """Weight and pinball loss of each member of each blend."""
    models = summary.get("models") or []
    title, chinese = "Models and their weights", "模型权重"
    if not models:
        note = Note(f"Weights and pinball losses of the blend's members: {MISSING} in this summary.")
        return Section("models", title, chinese, [note])
    head = ["kind", "mode", "lead time", "member", "weight", "pinball loss / capacity"]
    rows = [
        [
            _kind(m),
            str(m.get("mode", "")).replace("_", " "),
            str(m.get("lead_block", "")),
            str(m.get("member", "")),
            "" if m.get("member") == BLEND else percent(m.get("weight"), 0, missing=INSUFFICIENT),
            percent(m.get("pinball"), 3, missing=INSUFFICIENT),
        ]
        for m in models
    ]
    best = {(m.get("kind"), m.get("mode"), m.get("lead_block")): _least(models, m) for m in models}
    strong = frozenset(
        n for n, m in enumerate(models) if m.get("pinball") == best[m.get("kind"), m.get("mode"), m.get("lead_block")]
    )
    caption = "Pinball loss on the validation stretch of the history, before the replay; each blend's least in bold."
    table = Table(head, rows, caption, frozenset({0, 1, 2, 3}), strong)
    notes = dict.fromkeys(f"{_kind(m)}: {note}" for m in models for note in m.get("notes") or ())
    shown = [m for m in models if m.get("member") != BLEND]
    figures = [_weights(shown)] if shown else []
    return Section("models", title, chinese, [*figures, table, *(Note(note, "quiet") for note in notes)])


def _least(models: Sequence[Mapping[str, Any]], like: Mapping[str, Any]) -> float | None:
    keys = ("kind", "mode", "lead_block")
    losses = [m.get("pinball") for m in models if all(m.get(k) == like.get(k) for k in keys)]
    known = [float(loss) for loss in losses if loss is not None and is_number(loss)]
    return min(known) if known else None


def _weights(models: Sequence[Mapping[str, Any]]) -> Figure:
    """Stacked weights, one bar for each blend."""
    names = [f"{_kind(m)}, {m.get('mode', '')}, {m.get('lead_block', '')}".replace("_", " ") for m in models]
    bars, members = list(dict.fromkeys(names)), list(dict.fromkeys(str(m.get("member", "")) for m in models))
    left = np.zeros(len(bars))
    figure = canvas(0.75 + 0.24 * len(bars))
    with look():
        axes = figure.subplots()
        for n, member in enumerate(members):
            width = np.zeros(len(bars))
            for name, model in zip(names, models, strict=True):
                if str(model.get("member", "")) == member and is_number(model.get("weight")):
                    width[bars.index(name)] += model["weight"]
            axes.barh(range(len(bars)), 100 * width, left=100 * left, label=member, height=0.7,
                      color=MEMBER_COLOURS[n % len(MEMBER_COLOURS)])  # fmt: skip
            left = left + width
        axes.set_yticks(range(len(bars)), bars)
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("weight [%]")
        axes.grid(axis="y", visible=False)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=len(members))
    return Figure(to_svg(figure, "weights", "Weights of each blend's members"), "Weights in each blend.", "weights")

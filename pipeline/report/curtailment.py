"""What was curtailed: in time by cause, by plant, by row. The sums are those of the export's own columns."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import Patch

from gridcore.asset import CURTAILABLE
from pipeline.report.blocks import Block, Figure, Note, Section, Tab, Table, Tabs
from pipeline.report.draw import PAPER, canvas, edges, look, readout, stepped, time_axis, to_svg
from pipeline.report.export import Export, Floats, Realised, coarsen, drawing_factor
from pipeline.report.palette import CAUSE_COLOURS, GROUPS, UNKNOWN_COLOUR, group_of
from pipeline.report.wording import CAUSE_CHINESE, cause_label, energy, percent, row_label

NOTHING_MWH = 1e-6
"""Energy below which nothing was curtailed."""


PLANTS = 12
"""Plants listed one by one; the others are summed."""


def by_cause(realised: Realised) -> dict[str, Floats]:
    """Curtailed power by cause, summed over the assets, shape (periods,) each [MW]; only causes that curtailed."""
    power = np.nan_to_num(realised.curtailment_mw)
    sums = {name: np.where(realised.cause == n, power, 0.0).sum(axis=0) for n, name in enumerate(realised.causes)}
    return {name: values for name, values in sums.items() if values.sum() * realised.hours > NOTHING_MWH}


def curtailment_section(export: Export) -> Section:
    """A table of causes over all rows, then one tab for each row: time line and plants."""
    title, chinese = "Curtailment", "弃风弃光"
    found = {row: realised for row in export.rows if (realised := export.realised(row)) is not None}
    if not found:
        return Section("curtailment", title, chinese, [Note("This export holds nothing realised.")])
    sums = {row: {c: float(v.sum()) * r.hours for c, v in by_cause(r).items()} for row, r in found.items()}
    blocks: list[Block] = [_cause_table(sums)] if any(sums.values()) else []
    tabs = []
    for row, realised in found.items():
        if sums[row]:
            tabs.append(Tab(row_label(row), [_time_line(export, realised, row), _plant_table(export, realised, row)]))
        else:
            tabs.append(Tab(row_label(row), [Note("Nothing was curtailed.")]))
    return Section("curtailment", title, chinese, [*blocks, Tabs("curtailment", tabs)])


def _cause_table(sums: dict[str, dict[str, float]]) -> Table:
    causes = sorted({cause for row in sums.values() for cause in row})
    rows = []
    for cause in causes:
        label = f"{cause_label(cause)} {CAUSE_CHINESE.get(cause, '')}".strip()
        rows.append([label, *(energy(row.get(cause, 0.0)) for row in sums.values())])
    rows.append(["all", *(energy(sum(row.values())) for row in sums.values())])
    head = ["cause", *(row_label(row) for row in sums)]
    caption = "Curtailed energy by cause, summed from the realised periods."
    return Table(head, rows, caption, strong=frozenset({len(causes)}))


def _time_line(export: Export, realised: Realised, row: str) -> Figure:
    factor = drawing_factor(realised)
    valid, hours = realised.valid_time[::factor], realised.hours * factor
    causes = {cause: coarsen(values, factor) for cause, values in by_cause(realised).items()}
    figure, x = canvas(2.9), edges(valid, hours)
    with look():
        axes = figure.subplots()
        total = np.zeros(len(valid))
        for cause, values in causes.items():
            colour = CAUSE_COLOURS.get(cause, UNKNOWN_COLOUR)
            top = total + np.nan_to_num(values)
            axes.fill_between(x, stepped(total), stepped(top), step="post", color=colour, ec=PAPER, lw=0.25)
            total = top
        axes.set_ylabel("curtailed MW")
        axes.set_ylim(bottom=0)
        time_axis(axes, valid, hours, export.zone)
        handles = [Patch(color=CAUSE_COLOURS.get(c, UNKNOWN_COLOUR), label=cause_label(c)) for c in causes]
        figure.legend(handles=handles, loc="outside upper right", ncols=max(len(handles), 1))
    key = f"curtailment-{row}"
    svg = to_svg(figure, key, f"Curtailment by cause, {row_label(row)}")
    series = [(cause_label(c), CAUSE_COLOURS.get(c, UNKNOWN_COLOUR), values) for c, values in causes.items()]
    caption = f"{row_label(row)}: curtailed power by cause, mean over {60 * hours:g} min [MW]."
    return Figure(svg, caption, key, readout(axes, valid, hours, export.zone, series))


def _plant_table(export: Export, realised: Realised, row: str) -> Table:
    """Every plant that was curtailed, the most curtailed first, with its main cause."""
    power = np.nan_to_num(realised.curtailment_mw)
    lost = power.sum(axis=1) * realised.hours
    available = np.nansum(realised.available_mw, axis=1) * realised.hours
    rows = []
    order = [int(n) for n in np.argsort(-lost, kind="stable") if lost[n] > NOTHING_MWH]
    for n in order[:PLANTS]:
        asset = export.network.assets[n]
        parts = [power[n][realised.cause[n] == code].sum() for code in range(len(realised.causes))]
        cause = realised.causes[int(np.argmax(parts))]
        share = lost[n] / available[n] if available[n] > 0 else None
        cells = [asset.name, GROUPS[group_of(asset) or "other_thermal"].name, asset.bus, energy(float(available[n]))]
        rows.append([*cells, energy(float(lost[n])), percent(share, 1), cause_label(cause)])
    for label, some in ((f"{len(order) - PLANTS} other plants", order[PLANTS:]), ("all curtailed plants", order)):
        if some and len(order) > 1:
            mwh, out_of = float(lost[some].sum()), float(available[some].sum())
            share = mwh / out_of if out_of > 0 else None
            rows.append([label, "", "", energy(out_of), energy(mwh), percent(share, 1), ""])
    head = ["plant", "technology", "bus", "available", "curtailed", "share", "main cause"]
    spared = sum(a.technology in CURTAILABLE for a in export.network.assets) - len(order)
    caption = f"{row_label(row)}: curtailed plants; {spared} other wind and PV plants were not curtailed."
    strong = frozenset({len(rows) - 1}) if len(order) > 1 else frozenset[int]()
    return Table(head, rows, caption, frozenset({0, 1, 2, 6}), strong)

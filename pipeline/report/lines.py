"""How full the lines were: the ten fullest, over time and by duration."""

from __future__ import annotations

import numpy as np
from matplotlib import dates as mdates
from matplotlib.colors import LinearSegmentedColormap, Normalize

from pipeline.report.blocks import Figure, Note, Section, Tab, Table, Tabs
from pipeline.report.draw import canvas, edges, look, time_axis, to_svg
from pipeline.report.export import Export, Floats, Realised, coarsen, drawing_factor
from pipeline.report.wording import number, row_label

FULL = 0.99
"""Share of its limit from which a line counts as full: the plant keeps a small margin."""

TOP = 10
"""Lines shown."""

LOADING_COLOURS = LinearSegmentedColormap.from_list("loading", ["#dfe8ee", "#8fb8cf", "#f0c24b", "#d55e00", "#8a1c1c"])
"""Loading from 0 to 100 %: pale blue, yellow, red; lightness falls throughout, so that it reads in grey too."""


def loading(realised: Realised) -> Floats:
    """|flow| / limit, shape (lines, periods); NaN where either is not known."""
    limit = np.where(realised.limit_mw > 0, realised.limit_mw, np.nan)
    share: Floats = np.abs(realised.flow_mw) / limit
    return share


def peaks(values: Floats) -> Floats:
    """Largest known value of each line, 0 where none is known, shape (lines,)."""
    peak: Floats = np.where(np.isfinite(values), values, 0.0).max(axis=1, initial=0.0)
    return peak


def fullest(values: Floats, count: int = TOP) -> list[int]:
    """Lines by time at their limit, then by peak, at most some."""
    full = (values >= FULL).sum(axis=1)
    return [int(n) for n in np.lexsort((-peaks(values), -full))[:count]]


def lines_section(export: Export) -> Section:
    """Loading of the ten fullest lines, one tab for each row."""
    title, chinese = "Line loading", "断面与线路负载"
    tabs = []
    for row in export.rows:
        realised = export.realised(row)
        if realised is not None and np.isfinite(realised.flow_mw).any():
            tabs.append(Tab(row_label(row), [_heat_map(export, realised, row), _table(export, realised, row)]))
    if not tabs:
        return Section("lines", title, chinese, [Note("This export holds no flows.")])
    return Section("lines", title, chinese, [Tabs("lines", tabs)])


def _heat_map(export: Export, realised: Realised, row: str) -> Figure:
    values = loading(realised)
    top, factor = fullest(values), drawing_factor(realised)
    valid, hours = realised.valid_time[::factor], realised.hours * factor
    shown = coarsen(values[top], factor)
    figure = canvas(0.9 + 0.24 * len(top))
    with look():
        left, right = figure.subplots(1, 2, width_ratios=(3.2, 1))
        x = mdates.date2num(edges(valid, hours))
        norm = Normalize(0, 100)
        extent = (x[0], x[-1], len(top) - 0.5, -0.5)
        image = left.imshow(
            100 * shown, aspect="auto", cmap=LOADING_COLOURS, norm=norm, extent=extent, interpolation="nearest"
        )
        left.set_yticks(range(len(top)), [export.line_names[n] for n in top])
        left.grid(visible=False)
        time_axis(left, valid, hours, export.zone, 8)
        figure.colorbar(image, ax=left, label="loading [%]", pad=0.01, fraction=0.03)
        for rank, n in enumerate(top):
            known = np.sort(values[n][np.isfinite(values[n])])[::-1]
            if len(known):
                colour = LOADING_COLOURS(0.15 + 0.85 * (1 - rank / max(len(top) - 1, 1)))
                share = 100 * (np.arange(len(known)) + 0.5) / len(known)
                step = max(len(known) // 200, 1)
                right.plot(share[::step], 100 * known[::step], color=colour, lw=1.2)
        right.axhline(100, color="#010203", lw=0.8, ls="--")
        right.set_xlim(0, 100)
        right.set_ylim(0, 105)
        right.set_xlabel("share of time [%]")
        right.set_title("duration [%]")
    key = f"lines-{row}"
    svg = to_svg(figure, key, f"Loading of the fullest lines, {row_label(row)}")
    caption = f"{row_label(row)}: |flow| / limit of the {len(top)} fullest lines; right, sorted by size."
    return Figure(svg, caption, key)


def _table(export: Export, realised: Realised, row: str) -> Table:
    values, rows = loading(realised), []
    ends = {branch.name: (branch.from_bus, branch.to_bus) for branch in export.network.branches}
    ends |= {line.name: (line.from_bus, line.to_bus) for line in export.network.dc_lines}
    for n in fullest(values):
        name, known = export.line_names[n], values[n][np.isfinite(values[n])]
        limit = realised.limit_mw[n][np.isfinite(realised.limit_mw[n])]
        mean, peak = (float(known.mean()), float(known.max())) if len(known) else (None, None)
        full_h = float((known >= FULL).sum()) * realised.hours
        cells = [name, *ends[name], number(float(limit.min()) if len(limit) else None)]
        peak, mean = (None if share is None else 100 * share for share in (peak, mean))
        rows.append([*cells, number(peak, 1, "%"), number(mean, 1, "%"), number(full_h, 1)])
    full = int((peaks(values) >= FULL).sum())
    caption = f"{row_label(row)}: {full} of {len(values)} lines reached {100 * FULL:g} % of their limit."
    head = ["line", "from", "to", "limit [MW]", "peak", "mean", f"hours at {100 * FULL:g} % or above"]
    return Table(head, rows, caption, frozenset({0, 1, 2}))

"""Who fed the grid and when: the dispatch stack, and what the stores did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from gridcore.asset import Family, Technology
from pipeline.report.blocks import Figure, Note, Section, Tab, Tabs
from pipeline.report.draw import INK, PAPER, canvas, edges, look, readout, stepped, time_axis, to_svg
from pipeline.report.export import Export, Floats, Realised, coarsen, drawing_factor
from pipeline.report.palette import CURTAILED, GROUPS, group_of
from pipeline.report.wording import row_label

NOTHING_MW = 1e-6
"""Power below which a band is not there."""


@dataclass(frozen=True)
class Bands:
    """Power by group, shape (periods,) each [MW]; what is below zero (charging, export) stands apart."""

    above: dict[str, Floats]
    below: dict[str, Floats]


def bands_of(export: Export, realised: Realised, factor: int) -> Bands:
    """Sum the assets' power by group, what goes in and what goes out by itself."""
    groups = [group_of(asset) for asset in export.network.assets]
    power = np.nan_to_num(coarsen(realised.power_mw, factor))
    above, below = {}, {}
    for key in GROUPS:
        rows = [n for n, group in enumerate(groups) if group == key]
        if not rows:
            continue
        up, down = power[rows].clip(0, None).sum(axis=0), power[rows].clip(None, 0).sum(axis=0)
        if up.max() > NOTHING_MW:
            above[key] = up
        if down.min() < -NOTHING_MW:
            below[key] = down
    return Bands(above, below)


def stack_section(export: Export) -> Section:
    """The dispatch stack over time, one tab for each row."""
    title, chinese = "Dispatch", "调度出力"
    tabs = []
    for row in export.rows:
        realised = export.realised(row)
        if realised is not None:
            tabs.append(Tab(row_label(row), [_stack(export, realised, row)]))
    if not tabs:
        return Section("dispatch", title, chinese, [Note("This export holds no realised output.")])
    lead = "Output by technology from the bottom up; the line is the load, hatched is what wind and sun could have"
    lead += " given besides and was curtailed; charging is below zero."
    return Section("dispatch", title, chinese, [Note(lead, "quiet"), Tabs("dispatch", tabs)])


def _stack(export: Export, realised: Realised, row: str) -> Figure:
    factor = drawing_factor(realised)
    valid, hours = realised.valid_time[::factor], realised.hours * factor
    bands = bands_of(export, realised, factor)
    load = coarsen(realised.load_mw.sum(axis=0), factor)
    curtailed = coarsen(np.nansum(realised.curtailment_mw, axis=0), factor)
    figure, x = canvas(4.4), edges(valid, hours)
    with look():
        axes = figure.subplots()
        top = _draw_bands(axes, x, bands.above)
        _draw_bands(axes, x, bands.below)
        handles: list[Artist] = [Patch(color=GROUPS[key].colour, label=GROUPS[key].name) for key in reversed(GROUPS)
                   if key in bands.above or key in bands.below]  # fmt: skip
        if np.nanmax(curtailed, initial=0.0) > NOTHING_MW:
            style = dict(facecolor="none", edgecolor=CURTAILED, hatch="/////", lw=0)
            axes.fill_between(x, stepped(top), stepped(top + np.nan_to_num(curtailed)), step="post", **style)  # type: ignore[arg-type]
            handles.insert(0, Patch(label="Curtailed", **style))  # type: ignore[arg-type]
        handles += axes.step(x, stepped(load), where="post", color=INK, lw=1.4, label="Load")
        if bands.below:
            axes.axhline(0, color=INK, lw=0.6)
        axes.set_ylabel("MW")
        time_axis(axes, valid, hours, export.zone)
        axes.margins(y=0.03)
        figure.legend(handles=handles, loc="outside right upper", handlelength=1.2)
    key = f"stack-{row}"
    svg = to_svg(figure, key, f"Dispatch stack, {row_label(row)}")
    series = [("Load", "var(--ink)", load), ("Curtailed", CURTAILED, curtailed)]
    series += [(GROUPS[k].name, GROUPS[k].colour, v) for k, v in reversed(list(bands.above.items()))]
    series += [(f"{GROUPS[k].name} in", GROUPS[k].colour, v) for k, v in bands.below.items()]
    caption = f"{row_label(row)}: power by technology, mean over {60 * hours:g} min [MW]."
    return Figure(svg, caption, key, readout(axes, valid, hours, export.zone, series))


def _draw_bands(axes: Axes, x: object, bands: dict[str, Floats]) -> Floats:
    """Stack the bands away from zero and return their sum."""
    total = np.zeros(len(next(iter(bands.values())))) if bands else np.zeros(np.size(x) - 1)  # type: ignore[arg-type]
    for key, values in bands.items():
        lower, upper = stepped(total), stepped(total + values)
        axes.fill_between(x, lower, upper, step="post", color=GROUPS[key].colour, ec=PAPER, lw=0.25)  # type: ignore[arg-type]
        total = total + values
    return total


def storage_section(export: Export) -> Section:
    """Stored energy and power of batteries and the like, and the tanks of CSP plants, one tab for each row."""
    title, chinese = "Storage", "储能"
    stores = [n for n, asset in enumerate(export.network.assets) if asset.store is not None]
    if not stores:
        return Section("storage", title, chinese, [Note("This grid has no storage.")])
    tabs = []
    for row in export.rows:
        realised = export.realised(row)
        if realised is None:
            continue
        moved = np.nanmax(np.abs(realised.power_mw), axis=1, initial=0.0)
        used = [n for n in stores if np.isfinite(realised.soc_mwh[n]).any() or moved[n] > 0]
        if used:
            tabs.append(Tab(row_label(row), [_stores(export, realised, row, used)]))
        else:
            tabs.append(Tab(row_label(row), [Note("No store was in use in this row.")]))
    if not tabs:
        return Section("storage", title, chinese, [Note("This export holds no realised storage.")])
    lead = "Stored energy at each period's end, with its capacity; below, power: up is discharge, down is charge."
    return Section("storage", title, chinese, [Note(lead, "quiet"), Tabs("storage", tabs)])


def _stores(export: Export, realised: Realised, row: str, stores: list[int]) -> Figure:
    """Batteries summed, and CSP tanks summed: they are another thing."""
    assets, factor = export.network.assets, drawing_factor(realised)
    valid, hours = realised.valid_time[::factor], realised.hours * factor
    kinds = {
        "Storage": [n for n in stores if assets[n].family is Family.STORE],
        "CSP tank": [n for n in stores if assets[n].technology is Technology.CSP],
    }
    kinds = {name: rows for name, rows in kinds.items() if rows}
    figure, series, x = canvas(3.9), [], edges(valid, hours)
    with look():
        panels = figure.subplots(2, len(kinds), sharex=True, squeeze=False)
        for column, (name, rows) in enumerate(kinds.items()):
            colour = GROUPS["storage" if name == "Storage" else "csp"].colour
            soc = coarsen(np.nansum(realised.soc_mwh[rows], axis=0), factor)
            power = coarsen(np.nansum(realised.power_mw[rows], axis=0), factor)
            capacity = sum(store.energy_mwh for n in rows if (store := assets[n].store) is not None)
            upper, lower = panels[0][column], panels[1][column]
            upper.fill_between(x, stepped(soc), step="post", color=colour, alpha=0.35, lw=0)
            upper.step(x, stepped(soc), where="post", color=colour, lw=1.3)
            upper.axhline(capacity, color=INK, lw=0.8, ls="--")
            upper.set_ylim(0, 1.08 * capacity)
            names = assets[rows[0]].name if len(rows) == 1 else f"{len(rows)} units"
            upper.set_title(f"{name}: {names}, {capacity:,.0f} MWh")
            upper.set_ylabel("stored MWh")
            lower.fill_between(x, stepped(power), step="post", color=colour, alpha=0.8, lw=0)
            lower.axhline(0, color=INK, lw=0.6)
            lower.set_ylabel("power MW")
            time_axis(lower, valid, hours, export.zone, 13 // len(kinds) - len(kinds) + 1)
            series += [(f"{name} stored MWh", colour, soc), (f"{name} MW", colour, power)]
    key = f"storage-{row}"
    svg = to_svg(figure, key, f"State of the stores, {row_label(row)}")
    # One pointer line serves one plot's place; with two columns it would point past the other.
    line = readout(panels[-1][0], valid, hours, export.zone, series) if len(kinds) == 1 else ""
    return Figure(svg, f"{row_label(row)}: stored energy [MWh] and power [MW].", key, line)

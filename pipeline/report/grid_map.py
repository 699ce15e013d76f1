"""The grid on a plain map: lines by peak loading, plants by capacity and technology, what was curtailed where.

No tiles and no projection library: longitude is shortened by the cosine of the mean latitude, which is true enough over
a grid's extent.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Wedge
from matplotlib.transforms import Bbox

from pipeline.report.blocks import Figure, Note, Section, Tab, Tabs
from pipeline.report.draw import GRID, HALO, INK, PAPER, canvas, look, settle, to_svg
from pipeline.report.export import Export, Realised
from pipeline.report.lines import FULL, LOADING_COLOURS, loading, peaks
from pipeline.report.palette import CURTAILED, GROUPS, group_of
from pipeline.report.wording import energy, percent, row_label

LARGEST = 0.021
"""Radius of the largest plant, as a share of the map's diagonal."""

LABELS = 7
"""Plants named on the map at most, and lines; the pointer names all."""


@dataclass
class Plant:
    """The plants of one technology at one bus."""

    group: str
    bus: str
    x: float = 0.0
    y: float = 0.0
    radius: float = 0.0
    capacity_mw: float = 0.0
    available_mwh: float = 0.0
    curtailed_mwh: float = 0.0
    names: list[str] = field(default_factory=list)


def map_section(export: Export) -> Section:
    """The map of every row that has flows; a sentence where the grid has no coordinates."""
    title, chinese = "Map", "电网地图"
    places = bus_places(export)
    if not places:
        text = f"The grid {export.network.name} states no coordinates, so there is no map."
        return Section("map", title, chinese, [Note(text)])
    tabs = []
    for row in export.rows:
        realised = export.realised(row)
        if realised is not None:
            tabs.append(Tab(row_label(row), [_map(export, realised, row, places)]))
    if not tabs:
        return Section("map", title, chinese, [Note("This export holds nothing realised.")])
    left_out = len(export.network.buses) - len(places)
    lead = "Lines by their highest loading; a disc's area is capacity, its red sector the share of the available energy"
    lead += " that was curtailed. Rest the pointer on a line or disc for its name and figures."
    lead += f" {left_out} buses without coordinates are left out." if left_out else ""
    return Section("map", title, chinese, [Note(lead, "quiet"), Tabs("map", tabs)])


def bus_places(export: Export) -> dict[str, tuple[float, float]]:
    """Position of each bus that has coordinates: east and north, in degrees of latitude."""
    known = [b for b in export.network.buses if b.latitude is not None and b.longitude is not None]
    known = [b for b in known if math.isfinite(b.latitude or 0) and math.isfinite(b.longitude or 0)]
    if not known:
        return {}
    shorten = math.cos(math.radians(sum(b.latitude or 0.0 for b in known) / len(known)))
    return {b.name: ((b.longitude or 0.0) * shorten, b.latitude or 0.0) for b in known}


def plants_at(export: Export, realised: Realised, places: dict[str, tuple[float, float]]) -> list[Plant]:
    """Plants by bus and technology, the largest first; those of one bus stand around it without covering each other."""
    found: dict[tuple[str, str], Plant] = {}
    available = np.nansum(realised.available_mw, axis=1) * realised.hours
    curtailed = np.nansum(realised.curtailment_mw, axis=1) * realised.hours
    for n, asset in enumerate(export.network.assets):
        group = group_of(asset)
        if group is None or asset.bus not in places or asset.p_max_mw <= 0:
            continue
        plant = found.setdefault((asset.bus, group), Plant(group, asset.bus))
        plant.capacity_mw += asset.p_max_mw
        plant.available_mwh += float(available[n])
        plant.curtailed_mwh += float(curtailed[n])
        plant.names.append(asset.name)
    plants = sorted(found.values(), key=lambda p: (-p.capacity_mw, p.bus, p.group))
    if not plants:
        return []
    xy = np.array(list(places.values()))
    span = float(np.hypot(*np.maximum(np.ptp(xy, axis=0), 0.01)))
    for plant in plants:
        plant.radius = LARGEST * span * math.sqrt(plant.capacity_mw / plants[0].capacity_mw)
        plant.radius = max(plant.radius, 0.15 * LARGEST * span)
    _settle(plants, places, 0.12 * LARGEST * span)
    return plants


def _settle(plants: list[Plant], places: dict[str, tuple[float, float]], gap: float) -> None:
    """Put each plant next to its bus where nothing stands yet: the largest first, spiralling outwards."""
    taken: list[tuple[float, float, float]] = [(x, y, gap) for x, y in places.values()]
    for plant in plants:
        x0, y0 = places[plant.bus]
        for turn in range(400):
            distance = plant.radius + gap * (1 + turn / 12)
            angle = math.pi / 2 - turn * 2 * math.pi / 12 + (turn // 12) * 0.26
            plant.x, plant.y = x0 + distance * math.cos(angle), y0 + distance * math.sin(angle)
            if all(math.hypot(plant.x - x, plant.y - y) >= plant.radius + r for x, y, r in taken):
                break
        taken.append((plant.x, plant.y, plant.radius))


def _map(export: Export, realised: Realised, row: str, places: dict[str, tuple[float, float]]) -> Figure:
    plants = plants_at(export, realised, places)
    tips: dict[str, str] = {}
    xy = np.array([*places.values(), *((p.x + s * p.radius, p.y + s * p.radius) for p in plants for s in (-1, 1))])
    low, high = xy.min(axis=0), xy.max(axis=0)
    margin = max(0.03 * float((high - low).max()), 0.01)
    wide, tall = high - low + 2 * margin
    figure = canvas(float(np.clip(8.6 * tall / wide, 4.0, 9.5)) + 0.5)
    with look():
        axes = figure.subplots()
        axes.set_aspect("equal")
        axes.set_xlim(low[0] - margin, high[0] + margin)
        axes.set_ylim(low[1] - margin, high[1] + margin)
        tips |= _draw_lines(axes, export, realised, row, places)
        for plant in plants:
            axes.plot(*zip(places[plant.bus], (plant.x, plant.y), strict=True), color=GRID, lw=0.7, zorder=2)
        tips |= _draw_plants(axes, plants, row)
        spots = np.array(list(places.values()))
        axes.plot(spots[:, 0], spots[:, 1], "o", ms=3.2, color=PAPER, mec=INK, mew=0.8, zorder=5)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.grid(visible=False)
        handles = _legend(plants)
        figure.legend(handles=handles, loc="outside right upper", labelspacing=0.7)
        colours = ScalarMappable(Normalize(0, 100), LOADING_COLOURS)
        figure.colorbar(colours, ax=axes, label="peak loading [%]", location="bottom", shrink=0.4, aspect=40, pad=0.01)
        settle(figure)
        axes.apply_aspect()
        _draw_labels(axes, export, realised, plants, places)
    key = f"map-{row}"
    svg = to_svg(figure, key, f"Map of the grid, {row_label(row)}", tips)
    return Figure(svg, f"{row_label(row)}: peak loading of the lines; plants by capacity.", key)


def _draw_lines(
    axes: Axes, export: Export, realised: Realised, row: str, places: dict[str, tuple[float, float]]
) -> dict[str, str]:
    """Lines from pale to dark red; parallel ones bow apart, DC lines are dashed. Returns what the pointer says."""
    values, tips = loading(realised), {}
    peak = peaks(values)
    full_h = (values >= FULL).sum(axis=1) * realised.hours
    lines = [*export.network.branches, *export.network.dc_lines]
    seen: dict[frozenset[str], int] = defaultdict(int)
    for n in np.argsort(peak, kind="stable"):
        line = lines[n]
        if line.from_bus not in places or line.to_bus not in places or line.from_bus == line.to_bus:
            continue
        (x0, y0), (x1, y1) = sorted((places[line.from_bus], places[line.to_bus]))
        order = seen[frozenset((line.from_bus, line.to_bus))]
        seen[frozenset((line.from_bus, line.to_bus))] += 1
        bow = 0.05 * ((order + 1) // 2) * (-1) ** order
        x = [x0, (x0 + x1) / 2 - bow * (y1 - y0), x1]
        y = [y0, (y0 + y1) / 2 + bow * (x1 - x0), y1]
        style = (0, (3, 1.5)) if n >= len(export.network.branches) else "-"
        width = 1.2 + 2.2 * min(peak[n], 1.0) ** 2
        [drawn] = axes.plot(x, y, color=LOADING_COLOURS(min(peak[n], 1.0)), lw=width, ls=style, zorder=3)
        drawn.set_gid(f"tip-{row}-line-{n}")
        known = np.isfinite(values[n]).any()
        words = f"{line.name}: {line.from_bus} to {line.to_bus}, {line.limit_mw:,.0f} MW"
        words += f", peak {100 * peak[n]:.1f} %, {full_h[n]:,.1f} h full" if known else ", flow not given"
        tips[f"tip-{row}-line-{n}"] = words
    return tips


def _draw_plants(axes: Axes, plants: list[Plant], row: str) -> dict[str, str]:
    """Discs in the colour of the technology with a red sector for what was curtailed. Returns what the pointer says."""
    tips = {}
    for n, plant in enumerate(plants):
        gid = f"tip-{row}-plant-{n}"
        disc = Circle((plant.x, plant.y), plant.radius, fc=GROUPS[plant.group].colour, ec=PAPER, lw=0.6, zorder=6)
        disc.set_gid(gid)
        axes.add_patch(disc)
        words = f"{GROUPS[plant.group].name} at {plant.bus}: {plant.capacity_mw:,.0f} MW ({', '.join(plant.names[:6])}"
        words += f" and {len(plant.names) - 6} more)" if len(plant.names) > 6 else ")"
        share = plant.curtailed_mwh / plant.available_mwh if plant.available_mwh > 0 else 0.0
        if share > 1e-9:
            words += f", curtailed {energy(plant.curtailed_mwh)} ({percent(share, 1)})"
            sector = Wedge(
                (plant.x, plant.y), plant.radius, 90 - 360 * share, 90, fc=CURTAILED, ec=PAPER, lw=0.5, zorder=7
            )
            sector.set_gid(f"{gid}-cut")
            axes.add_patch(sector)
            tips[f"{gid}-cut"] = words
        tips[gid] = words
    return tips


def _draw_labels(
    axes: Axes, export: Export, realised: Realised, plants: list[Plant], places: dict[str, tuple[float, float]]
) -> None:
    """Name the most curtailed plants and the lines that were full, each where no other name stands."""
    wanted: list[tuple[float, float, float, str]] = []
    for plant in sorted(plants, key=lambda p: -p.curtailed_mwh)[:LABELS]:
        if plant.curtailed_mwh > 1e-6:
            name = (
                plant.names[0]
                if len(plant.names) == 1
                else f"{len(plant.names)} x {GROUPS[plant.group].name}, bus {plant.bus}"
            )
            share = percent(plant.curtailed_mwh / plant.available_mwh, 0) if plant.available_mwh > 0 else ""
            wanted.append((plant.x, plant.y, plant.radius, f"{name}: {share} curtailed"))
    values = loading(realised)
    full = (values >= FULL).sum(axis=1)
    lines = [*export.network.branches, *export.network.dc_lines]
    for n in np.argsort(-full, kind="stable")[:LABELS]:
        if full[n] and lines[n].from_bus in places and lines[n].to_bus in places:
            (x0, y0), (x1, y1) = places[lines[n].from_bus], places[lines[n].to_bus]
            wanted.append(
                ((x0 + x1) / 2, (y0 + y1) / 2, 0.0, f"{lines[n].name} full {full[n] * realised.hours:,.1f} h")
            )
    # Discs and buses are obstacles too: a name over a plant hides it.
    to_pixels = axes.transData.transform
    taken = [Bbox(to_pixels([(p.x - p.radius, p.y - p.radius), (p.x + p.radius, p.y + p.radius)])) for p in plants]
    taken += [Bbox([to_pixels(place) - 2.5, to_pixels(place) + 2.5]) for place in places.values()]
    for x, y, radius, words in wanted:
        _place(axes, x, y, radius, words, taken)


def _place(axes: Axes, x: float, y: float, radius: float, words: str, taken: list[Bbox]) -> None:
    """Write words at the first of some places around a point that is free and inside the map; else leave them out."""
    text = axes.text(x, y, words, fontsize=8, zorder=9, gid=f"{HALO}-{len(taken)}")
    pixel = axes.transData.transform((x, y))
    reach = axes.transData.transform((x + radius, y))[0] - pixel[0] + 5
    frame = axes.get_window_extent()
    for ring in (1.0, 2.0, 3.2, 4.6):
        for dx, dy, across, up in _AROUND:
            spot = pixel + reach * np.array([dx, dy]) * ring + np.array([0.0, 6.0 * (ring - 1) * np.sign(dy)])
            text.set(position=tuple(axes.transData.inverted().transform(spot)), ha=across, va=up)
            box = text.get_window_extent().padded(1.5)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                if ring > 1:
                    axes.annotate(
                        "", (x, y), text.get_position(), arrowprops={"arrowstyle": "-", "color": INK, "lw": 0.5}
                    )
                return
    text.remove()


_AROUND = (
    (1.0, 0.0, "left", "center"),
    (-1.0, 0.0, "right", "center"),
    (0.0, 1.0, "center", "bottom"),
    (0.0, -1.0, "center", "top"),
    (0.7, 0.7, "left", "bottom"),
    (-0.7, 0.7, "right", "bottom"),
    (0.7, -0.7, "left", "top"),
    (-0.7, -0.7, "right", "top"),
)
"""Places of a name around its point: direction and the text's own anchor."""


def _legend(plants: list[Plant]) -> list[Line2D]:
    """A disc for each technology present, and the sector for curtailment."""
    present = {plant.group for plant in plants}
    entries = [(group.name, group.colour) for key, group in GROUPS.items() if key in present]
    if any(plant.curtailed_mwh > 1e-6 for plant in plants):
        entries.append(("Curtailed share", CURTAILED))
    return [Line2D([], [], ls="", marker="o", ms=8, color=colour, label=name) for name, colour in entries]

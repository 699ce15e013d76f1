"""From matplotlib to inline SVG: one look for all figures, local time on the axes, colours that follow the page.

Ink, grid and paper are drawn in marker colours and become CSS variables, so that one drawing serves light and dark.
Text stays text (the page's fonts draw it), ids are unique on the page and equal from run to run.
"""

from __future__ import annotations

import html
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
from matplotlib import dates as mdates
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.layout_engine import ConstrainedLayoutEngine

from gridcore.timeline import Instants, day_start, from_numpy, local_day, to_numpy
from pipeline.report.export import Floats

INK, GRID, PAPER = "#010203", "#040506", "#070809"
"""Marker colours for text and axes, grid lines, background; no figure uses them for data."""

HALO = "halo"
"""Beginning of the gid of a text that gets an edge in the paper's colour, so that it reads over lines."""

WIDTH_IN = 10.6
"""Width of a full figure [inch]; the page scales it."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "hatch.linewidth": 0.7,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "path.simplify": True,
    "path.simplify_threshold": 0.2,
}
"""The look of every figure."""

_VARIABLES = {INK: "var(--ink)", GRID: "var(--grid)", PAPER: "var(--paper)"}


def canvas(height_in: float, width_in: float = WIDTH_IN) -> Canvas:
    """An empty figure in our style; draw on it inside `with look():`."""
    # 72 dots an inch are the SVG's own units. Agg keeps one renderer to measure text with; the SVG canvas makes a new
    # one for each question.
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.04)
    figure = Canvas(figsize=(width_in, height_in), dpi=72, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def look() -> AbstractContextManager[None]:
    """The style as a context."""
    return mpl.rc_context(STYLE)


def to_svg(figure: Canvas, key: str, alt: str, tips: Mapping[str, str] | None = None) -> str:
    """The figure as inline SVG.

    Args:
        figure: What was drawn.
        key: Unique name on the page; ids derive from it.
        alt: What it shows, for those who can't see it.
        tips: Words by the artist's gid, shown where the pointer rests.
    """
    settle(figure)
    buffer = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": key}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # HTML knows both name spaces by itself; without them the page holds no address at all.
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", svg)
    # `var()` works in a style only, and matplotlib writes colours as presentation attributes nowhere but in hatches.
    svg = re.sub(r'(fill|stroke)="(#0[0-9a-f]{5})"', r'style="\1: \2"', svg)
    # Hundredths of a dot are finer than any screen; the rest is half the page's size.
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path.group()), svg)
    for marker, variable in _VARIABLES.items():
        svg = svg.replace(marker, variable)
    width = round(100 * figure.get_figwidth() / WIDTH_IN, 1)
    opening = rf'<svg viewBox="\1" style="width: {width}%" role="img" aria-label="{_escape(alt)}">'
    svg = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', opening, svg, count=1)
    svg = re.sub(rf'id="{HALO}[^"]*"', f'class="{HALO}"', svg)
    for gid, words in (tips or {}).items():
        svg = svg.replace(f'<g id="{gid}">', f'<g class="tip"><title>{_escape(words)}</title>', 1)
    # Ids that nothing refers to are only weight, and would meet the same ones of other figures.
    used = {f'id="{word}"' for word in re.findall(r'(?:href="|url\()#([^")]+)', svg)}
    svg = re.sub(r' (id="[^"]*")', lambda found: found.group() if found.group(1) in used else "", svg)
    return re.sub(r"\n\s*", "\n", svg)


def settle(figure: Canvas) -> None:
    """Fix the layout; `savefig` would draw the whole figure once more to find it."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def _escape(text: str) -> str:
    return html.escape(text, quote=True)


def time_axis(axes: Axes, valid: Instants, hours: float, zone: ZoneInfo, most_ticks: int = 13) -> None:
    """The span of some periods in local time on the x axis, a day's name where it begins; narrow axes: few ticks."""
    end = valid[-1] + np.timedelta64(round(3600 * hours), "s")
    axes.xaxis.axis_date(tz=zone.key)
    span_h = hours * len(valid)
    step_h = next((step for step in (1, 2, 3, 4, 6, 12) if span_h / step < most_ticks), None)
    ticks = _days(valid[0], end, zone, 0.7 * most_ticks) if step_h is None else _hours(valid[0], end, zone, step_h)
    labels = [f"{tick:%a %d %b}" if tick.hour == 0 else f"{tick:%H:%M}" for tick in ticks]
    axes.set_xticks([mdates.date2num(to_numpy(tick)) for tick in ticks], labels)
    axes.set_xlim(mdates.date2num(valid[0]), mdates.date2num(end))


def _days(first: np.datetime64, end: np.datetime64, zone: ZoneInfo, most: float) -> list[datetime]:
    """Local midnights, every n-th so that there are at most some."""
    begin, last = (local_day(from_numpy(instant), zone) for instant in (first, end))
    days = [begin + timedelta(days=n) for n in range((last - begin).days + 1)]
    return [day_start(day, zone).astimezone(zone) for day in days[:: math.ceil(len(days) / most)]]


def _hours(first: np.datetime64, end: np.datetime64, zone: ZoneInfo, step_h: int) -> list[datetime]:
    """Local full hours that the step divides; an hour that the clock skips has none, one that it repeats has one."""
    quarters = np.arange(first.astype("datetime64[15m]"), end.astype("datetime64[15m]") + 1)
    local = [from_numpy(quarter).astimezone(zone) for quarter in quarters]
    return [tick for tick in local if tick.hour % step_h == 0 and tick.minute == 0 and tick.fold == 0]


def edges(valid: Instants, hours: float) -> Instants:
    """Period starts and the end of the last one, shape (periods + 1,): steps over them are true to the periods."""
    return np.append(valid, valid[-1] + np.timedelta64(round(3600 * hours), "s"))


def stepped(values: Floats) -> Floats:
    """Values with the last one repeated, to go with `edges`, shape (periods + 1,)."""
    return np.append(values, values[..., -1:], axis=-1)


Series = tuple[str, str, Floats]
"""Name, colour and values of what the pointer reads."""


def readout(axes: Axes, valid: Instants, hours: float, zone: ZoneInfo, series: Sequence[Series]) -> str:
    """JSON for the line that follows the pointer: the plot's place in the drawing, local times, values of each series.

    Call it after `to_svg`, when the layout is settled.
    """
    left, width = axes.get_position().x0, axes.get_position().width
    labels = [t.strftime("%a %d %b %H:%M") for t in mdates.num2date(mdates.date2num(valid), tz=zone)]
    low, high = axes.get_xlim()
    end = mdates.date2num(edges(valid, hours)[-1])
    return json.dumps(
        {
            "left": round(left, 4),
            "width": round(width * (end - mdates.date2num(valid[0])) / (high - low), 4),
            "labels": labels,
            "series": [[name, colour, _rounded(values)] for name, colour, values in series],
        },
        separators=(",", ":"),
    )


def _rounded(values: Floats) -> list[float | None]:
    return [round(float(v), 1) if np.isfinite(v) else None for v in values]

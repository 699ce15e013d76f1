"""Fan charts: what was forecast, with its uncertainty, against what came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes

from gridcore.asset import Technology
from gridcore.timeline import Instants
from pipeline.report.blocks import Figure, Note, Section, Tab, Tabs
from pipeline.report.draw import INK, Series, canvas, look, readout, time_axis, to_svg
from pipeline.report.export import Export, Floats, Realised, coarsen, drawing_factor, local_days
from pipeline.report.palette import CURTAILED, GROUPS

LEVELS = ((0.05, 0.95), (0.1, 0.9), (0.2, 0.8), (0.3, 0.7), (0.4, 0.6))
"""Bands of a fan from the outside in."""

MOST_PERIODS = 700
"""Longest time line drawn period by period; a longer one is drawn at every n-th."""

NOTHING_MW = 1e-6
"""Curtailed power below which what flowed is what was available."""

INK_ON_PAGE = "var(--ink)"
"""Colour of the text, in the page's own words."""

ACTUAL_STYLES: tuple[dict[str, Any], ...] = (
    {"color": INK, "lw": 1.2},
    {"color": CURTAILED, "lw": 0.9, "ls": (0, (3, 1.5))},
)
"""Line of what was available, and of what flowed after curtailment."""


@dataclass(frozen=True)
class Subject:
    """One target to draw."""

    target: str
    """Its name in the forecasts."""

    title: str
    """Its name on the page."""

    colour: str
    """Fill of its fan."""

    actual_mw: Floats
    """What was available (of a load: what was demanded), shape (periods,) [MW]."""

    flowed_mw: Floats | None
    """What flowed after curtailment, where that is another thing, shape (periods,) [MW]."""


@dataclass(frozen=True)
class View:
    """One way to look at the vintages of a target."""

    name: str
    """Its name."""

    lead: np.timedelta64 | None
    """Lead time of the intraday vintages; None for the day-ahead vintage."""


VIEWS = (
    View("day ahead", None),
    View("4 h ahead", np.timedelta64(240, "m")),
    View("1 h ahead", np.timedelta64(60, "m")),
)
"""Views from the earliest to the latest."""

INTRADAY_LEAD = np.timedelta64(240, "m")
"""Longest lead time of an intraday vintage; what is longer was made day ahead."""


def forecast_section(export: Export) -> Section:
    """Fans of system wind, PV and load and of the largest wind farm."""
    title, chinese = "Forecasts against what came", "预测与实际"
    row = export.main
    realised = export.realised(row) if row is not None else None
    if row is None or realised is None:
        note = Note("This export holds nothing realised to hold forecasts against.")
        return Section("forecasts", title, chinese, [note])
    subjects = _subjects(export, realised)
    table = export.forecasts(row, [subject.target for subject in subjects])
    if table is None or table.num_rows == 0:
        note = Note("This export holds no forecasts of the system's wind, sun or load.")
        return Section("forecasts", title, chinese, [note])
    present = set(pc.unique(table["target"]).to_pylist())
    tabs = [Tab(s.title, [_figure(export, realised, s, table)]) for s in subjects if s.target in present]
    lead = "Bands hold 90, 80, 60, 40 and 20 % of the forecast's probability (P5 to P95); the coloured line is P50."
    lead += " The dark line is what was available (of load: what was demanded)."
    return Section("forecasts", title, chinese, [Note(lead, "quiet"), Tabs("forecasts", tabs)])


def _subjects(export: Export, realised: Realised) -> list[Subject]:
    assets = export.network.assets
    subjects = []
    for technology, title in (
        (Technology.WIND, "System wind"),
        (Technology.PV, "System PV"),
        (Technology.ROOFTOP_PV, "System rooftop PV"),
    ):
        rows = [n for n, asset in enumerate(assets) if asset.technology is technology]
        if rows:
            actual, flowed = realised.available_mw[rows].sum(axis=0), realised.power_mw[rows].sum(axis=0)
            target = f"system/{technology.value}"
            subjects.append(Subject(target, title, GROUPS[technology.value].colour, actual, flowed))
    subjects.append(Subject("system/load", "System load", "#009e73", realised.load_mw.sum(axis=0), None))
    farms = [n for n, asset in enumerate(assets) if asset.technology is Technology.WIND]
    if farms:
        n = max(farms, key=lambda row: assets[row].p_max_mw)
        title = f"{assets[n].name} ({assets[n].p_max_mw:,.0f} MW)"
        colour = GROUPS["wind"].colour
        subjects.append(Subject(assets[n].name, title, colour, realised.available_mw[n], realised.power_mw[n]))
    return subjects


def _figure(export: Export, realised: Realised, subject: Subject, table: pa.Table) -> Figure:
    factor = max(round(0.25 / realised.hours), 1)
    every = max(drawing_factor(realised, MOST_PERIODS) // factor, 1)
    fine = realised.valid_time[::factor]
    valid, hours = fine[::every], realised.hours * factor * every
    actual = coarsen(subject.actual_mw, factor * every)
    series = [("actual", INK_ON_PAGE, actual)]
    if subject.flowed_mw is not None:
        flowed = coarsen(subject.flowed_mw, factor * every)
        if np.nanmax(np.abs(flowed - actual), initial=0.0) > NOTHING_MW:
            series.append(("after curtailment", CURTAILED, flowed))
    rows = table.filter(pc.equal(table["target"], subject.target))
    fans = [_fan(export, rows, fine, view) for view in VIEWS]
    figure = canvas(5.6)
    with look():
        panels = figure.subplots(len(VIEWS), 1, sharex=True, sharey=True)
        middle, fine_middle = (
            t + np.timedelta64(round(1800 * h), "s") for t, h in ((valid, hours), (fine, hours / every))
        )
        for axes, view, (levels, fan) in zip(panels, VIEWS, fans, strict=True):
            axes.set_title(view.name)
            _draw_fan(axes, *_without_holes(fine_middle, fan), levels, subject.colour)
            _draw_series(axes, middle, series)
        time_axis(panels[-1], valid, hours, export.zone)
        figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside upper right", ncols=4)
    key = f"fan-{subject.target}".replace("/", "-")
    svg = to_svg(figure, key, f"Forecasts of {subject.title}")
    series += [
        (f"P50 {v.name}", subject.colour, coarsen(_middle(*fan), every)) for v, fan in zip(VIEWS, fans, strict=True)
    ]
    missing = [view.name for view, (_, fan) in zip(VIEWS, fans, strict=True) if not np.isfinite(fan).any()]
    caption = f"{subject.title} [MW], mean over {60 * hours:g} min."
    caption += f" No vintage: {', '.join(missing)}." if missing else ""
    return Figure(svg, caption, key, readout(panels[-1], valid, hours, export.zone, series))


def _draw_series(axes: Axes, centre: Instants, series: Sequence[Series]) -> None:
    """What was available, and what flowed where that is another thing."""
    for (name, _, values), style in zip(series, ACTUAL_STYLES, strict=False):
        axes.plot(centre, values, label=name, **style)
    axes.set_ylabel("MW")
    axes.set_ylim(bottom=0)


def _without_holes(centre: Instants, fan: Floats) -> tuple[Instants, Floats]:
    """The periods that have a forecast, with a NaN only where more is missing than the usual distance.

    Plans that are made every other period leave a hole between any two points; a band of such points must still be one.
    """
    known = np.flatnonzero(np.isfinite(fan).all(axis=0)) if len(fan) else np.zeros(0, dtype=np.int64)
    if len(known) < 2:
        return centre, fan
    known = known[:: len(known) // MOST_PERIODS + 1]
    steps = np.diff(known)
    breaks = np.flatnonzero(steps > 2 * np.median(steps)) + 1
    return np.insert(centre[known], breaks, centre[known][breaks]), np.insert(fan[:, known], breaks, np.nan, axis=1)


def _draw_fan(axes: Axes, centre: Instants, fan: Floats, levels: Sequence[float], colour: str) -> None:
    at = {round(level, 6): n for n, level in enumerate(levels)}
    for low, high in LEVELS:
        if low in at and high in at:
            axes.fill_between(centre, fan[at[low]], fan[at[high]], color=colour, alpha=0.17, lw=0)
    axes.plot(centre, _middle(levels, fan), color=colour, lw=1.3, label="P50")


def _middle(levels: Sequence[float], fan: Floats) -> Floats:
    """P50, or the level next to it."""
    if not len(levels):
        return np.full(fan.shape[1], np.nan)
    middle: Floats = fan[int(np.argmin(np.abs(np.array(levels) - 0.5)))]
    return middle


def _fan(export: Export, rows: pa.Table, valid: Instants, view: View) -> tuple[list[float], Floats]:
    """The levels and their values on the time line, shape (levels, periods); NaN where no vintage fits the view."""
    issue = rows["issue_time"].to_numpy().astype("datetime64[us]")
    about = rows["valid_time"].to_numpy().astype("datetime64[us]")
    # A day-ahead vintage that is made again late in the day has leads of both kinds; its models tell it.
    named = np.asarray(pc.match_substring(rows["model_id"].cast(pa.string()), "day_ahead"))
    is_day_ahead = named | ((about - issue) > INTRADAY_LEAD)
    if view.lead is None:
        keep = is_day_ahead & _on_next_day(export, issue, about)
    else:
        keep = ~is_day_ahead & ((about - issue) == view.lead)
    level = rows["quantile"].to_numpy()[keep]
    levels = np.unique(level)
    fan = np.full((len(levels), len(valid)), np.nan)
    columns = np.searchsorted(valid, about[keep])
    inside = columns < len(valid)
    inside[inside] = valid[columns[inside]] == about[keep][inside]
    # Rows come by issue time: where two day-ahead vintages cover a period, the later one stays.
    fan[np.searchsorted(levels, level)[inside], columns[inside]] = rows["power_mw"].to_numpy()[keep][inside]
    return [float(v) for v in levels], fan


def _on_next_day(export: Export, issue: Instants, about: Instants) -> npt.NDArray[np.bool_]:
    """Periods on the local day after that of the issue."""
    day = local_days(issue, export.zone).astype("datetime64[D]")
    next_day = local_days(about, export.zone).astype("datetime64[D]")
    chosen: npt.NDArray[np.bool_] = (next_day - day) == np.timedelta64(1, "D")
    return chosen

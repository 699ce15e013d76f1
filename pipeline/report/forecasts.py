"""Fan charts: what was forecast, with its uncertainty, against what came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes

from gridcore.asset import Technology
from gridcore.timeline import Instants
from pipeline.report.blocks import Figure, Note, Section, Tab, Tabs
from pipeline.report.draw import canvas, look, readout, time_axis, to_svg
from pipeline.report.export import Export, Floats, Realised, coarsen, drawing_factor, local_days
from pipeline.report.palette import GROUPS

LEVELS = ((0.05, 0.95), (0.1, 0.9), (0.2, 0.8), (0.3, 0.7), (0.4, 0.6))
"""Bands of a fan from the outside in."""

MOST_PERIODS = 800
"""Longest time line drawn period by period; a longer one is drawn at every n-th."""


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
    valid, hours = realised.valid_time[::factor], realised.hours * factor
    actual = coarsen(subject.actual_mw, factor)
    flowed = None if subject.flowed_mw is None else coarsen(subject.flowed_mw, factor)
    rows = table.filter(pc.equal(table["target"], subject.target))
    fans = [_fan(export, rows, valid, view) for view in VIEWS]
    figure = canvas(5.6)
    centre = valid + np.timedelta64(round(1800 * hours), "s")
    with look():
        panels = figure.subplots(len(VIEWS), 1, sharex=True, sharey=True)
        for axes, view, (levels, fan) in zip(panels, VIEWS, fans, strict=True):
            axes.set_title(view.name)
            _draw_fan(axes, centre, levels, fan, subject.colour)
            if flowed is not None and np.nanmax(np.abs(flowed - actual), initial=0.0) > 1e-6:
                axes.plot(centre, flowed, color="#c1272d", lw=0.9, ls=(0, (3, 1.5)), label="after curtailment")
            axes.plot(centre, actual, color="#010203", lw=1.2, label="actual")
            axes.set_ylabel("MW")
            axes.set_ylim(bottom=0)
        time_axis(panels[-1], valid, hours, export.zone)
        figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside upper right", ncols=4)
    key = f"fan-{subject.target}".replace("/", "-")
    svg = to_svg(figure, key, f"Forecasts of {subject.title}")
    series = [("actual", "var(--ink)", actual)]
    middles = [(view.name, _middle(*fan)) for view, fan in zip(VIEWS, fans, strict=True)]
    series += [(f"P50 {name}", subject.colour, middle) for name, middle in middles]
    if flowed is not None:
        series.append(("after curtailment", "#c1272d", flowed))
    step = drawing_factor(realised, MOST_PERIODS) // factor or 1
    thin = [(name, colour, values[::step]) for name, colour, values in series]
    line = readout(panels[-1], valid[::step], hours * step, export.zone, thin)
    missing = [view.name for view, (_, fan) in zip(VIEWS, fans, strict=True) if not np.isfinite(fan).any()]
    caption = f"{subject.title} [MW]." + (f" No vintage: {', '.join(missing)}." if missing else "")
    return Figure(svg, caption, key, line)


def _draw_fan(axes: Axes, centre: Instants, levels: Sequence[float], fan: Floats, colour: str) -> None:
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
    keep = _day_ahead(export, issue, about) if view.lead is None else (about - issue) == view.lead
    level = rows["quantile"].to_numpy()[keep]
    levels = np.unique(level)
    fan = np.full((len(levels), len(valid)), np.nan)
    columns = np.searchsorted(valid, about[keep])
    inside = columns < len(valid)
    inside[inside] = valid[columns[inside]] == about[keep][inside]
    # Rows come by issue time: where two day-ahead vintages cover a period, the later one stays.
    fan[np.searchsorted(levels, level)[inside], columns[inside]] = rows["power_mw"].to_numpy()[keep][inside]
    return [float(v) for v in levels], fan


def _day_ahead(export: Export, issue: Instants, about: Instants) -> npt.NDArray[np.bool_]:
    """Vintages made on the local day before the one they are about."""
    day = local_days(issue, export.zone).astype("datetime64[D]")
    next_day = local_days(about, export.zone).astype("datetime64[D]")
    chosen: npt.NDArray[np.bool_] = ((about - issue) > INTRADAY_LEAD) & ((next_day - day) == np.timedelta64(1, "D"))
    return chosen

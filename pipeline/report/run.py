"""Cost by day, and where the result comes from: versions, hashes, seeds, time and memory, declared latency."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.report.blocks import Block, Figure, Note, Section, Tab, Table, Tabs
from pipeline.report.daily import Day, daily
from pipeline.report.draw import WIDTH_IN, canvas, look, to_svg
from pipeline.report.export import Export
from pipeline.report.palette import COST_COLOURS, UNKNOWN_COLOUR
from pipeline.report.wording import MISSING, energy, is_number, number, percent, row_label

SHOWN_APART = {"versions", "cache_hits", "resumed", "source", "latency_is_declared", "telemetry_latency_s"}
"""Keys of the provenance that the page says in another place than the table of facts."""


def cost_section(export: Export) -> Section:
    """Cost, CO2 and absorption by local day, one tab for each row."""
    title, chinese = "Cost by day", "逐日成本"
    money = export.network.currency
    tabs = []
    for row in export.rows:
        days = daily(export, row)
        if days:
            tabs.append(Tab(row_label(row), [_day_chart(days, row, money), _day_table(days, row, money)]))
    if not tabs:
        return Section("cost", title, chinese, [Note("This export holds nothing realised to cost.")])
    lead = "Cost, emissions and starts of each local day, from what was realised; the days add up to the replay's sums."
    return Section("cost", title, chinese, [Note(lead, "quiet"), Tabs("cost", tabs)])


def _day_chart(days: list[Day], row: str, money: str) -> Figure:
    figure = canvas(2.4, min(2.6 + 0.8 * len(days), WIDTH_IN))
    with look():
        axes = figure.subplots()
        up, down = np.zeros(len(days)), np.zeros(len(days))
        for part in dict.fromkeys(part for day in days for part in day.cost):
            height = np.array([day.cost.get(part, 0.0) for day in days]) / 1000
            if np.abs(height).max(initial=0.0) > 1e-6:
                colour, base = COST_COLOURS.get(part, UNKNOWN_COLOUR), np.where(height < 0, down, up)
                axes.bar(range(len(days)), height, bottom=base, width=0.6, color=colour, label=part.replace("_", " "))
                up, down = up + height.clip(0, None), down + height.clip(None, 0)
        axes.set_xticks(range(len(days)), [day.name for day in days], rotation=90 if len(days) > 12 else 0)
        axes.set_xlim(-0.6, len(days) - 0.4)
        axes.set_ylabel(f"1000 {money}")
        axes.grid(axis="x", visible=False)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    key = f"cost-{row}"
    svg = to_svg(figure, key, f"Cost by day, {row_label(row)}")
    return Figure(svg, f"{row_label(row)}: cost by day [1000 {money}].", key)


def _day_table(days: list[Day], row: str, money: str) -> Table:
    parts = list(dict.fromkeys(part for day in days for part in day.cost))
    rows = [
        [
            *(day.name, energy(day.available_mwh), percent(day.absorption, missing="no wind or sun")),
            *(energy(day.curtailment_mwh), energy(day.shed_mwh)),
            *(number(day.cost.get(part)) for part in parts),
            *(number(day.tco2), number(day.starts)),
        ]
        for day in days
    ]
    head = ["day", "available", "absorption", "curtailed", "shed"]
    head += [f"{part.replace('_', ' ')} [{money}]" for part in parts]
    return Table([*head, "CO2 [t]", "starts"], rows, f"{row_label(row)}: by local day.")


def provenance_section(export: Export) -> Section:
    """What it takes to get the same result again, and what it took to get this one."""
    summary = export.summary
    provenance: Mapping[str, Any] = summary.get("provenance") or {}
    blocks: list[Block] = [Note(_latency(export, provenance), "quiet")]
    if cached := provenance.get("cache_hits"):
        blocks.append(Note(f"Taken from a cache, with equal hashes of data and code: {', '.join(map(str, cached))}."))
    else:
        blocks.append(Note("Nothing was taken from a cache.", "quiet"))
    if resumed := provenance.get("resumed"):
        names = ", ".join(row_label(str(name)) for name in resumed)
        blocks.append(Note(f"Resumed after an interruption: {names}. Wall time and stages count the last run alone."))
    blocks += [_facts(export, provenance), *_stages(summary)]
    if versions := provenance.get("versions"):
        rows = [[str(name), str(version)] for name, version in versions.items()]
        blocks.append(Table(["package", "version"], rows, "Versions.", frozenset({0, 1})))
    return Section("provenance", "Provenance", "来源与可复现性", blocks)


def _latency(export: Export, provenance: Mapping[str, Any]) -> str:
    latency = provenance.get("telemetry_latency_s", export.network.telemetry_latency_s)
    is_declared = provenance.get("latency_is_declared", export.network.latency_is_declared)
    text = f"Telemetry is taken to arrive {number(latency, 0, 's')} after its period's end"
    if is_declared:
        return f"{text}: a declared latency, because the history does not say when its values arrived."
    return (
        f"{text}: the longer of what the grid states and of what 95 % of a channel's readings took before the replay "
        "began. The history says itself when its readings arrived."
    )


def _facts(export: Export, provenance: Mapping[str, Any]) -> Table:
    summary = export.summary
    span = [str(summary.get(key, MISSING)) for key in ("start", "end")]
    rows = [
        ["grid", str(summary.get("grid", export.network.name))],
        ["source of the data", export.network.source or MISSING],
        ["time zone", export.zone.key],
        ["from, to", f"{span[0]}, {span[1]}"],
        ["decision period [min]", number(summary.get("period_minutes"))],
        ["plant period [min]", number(summary.get("plant_period_minutes"))],
        ["data SHA-256", str(summary.get("data_sha256", MISSING))],
        ["decisions SHA-256", str(summary.get("decisions_sha256", MISSING))],
    ]
    for key, value in provenance.items():
        if key not in SHOWN_APART:
            rows.append([key.replace("_", " ").replace("sha256", "SHA-256"), _plain(value)])
    rows += [
        ["wall time", number(summary.get("wall_seconds"), 1, "s")],
        ["CPU time", number(summary.get("cpu_seconds"), 1, "s")],
        ["peak memory", number(summary.get("peak_rss_mb"), 0, "MB")],
    ]
    if arrived := summary.get("ingest"):
        rows.append(["arrived telemetry", _plain(arrived)])
    return Table(["fact", "value"], rows, "The run.", frozenset({0, 1}))


def _plain(value: Any) -> str:
    """A value of the summary as text: dictionaries as `name value`, lists with commas."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(item) for item in value) or "none"
    return value if isinstance(value, str) else json.dumps(value)


def _stages(summary: Mapping[str, Any]) -> list[Table]:
    """Wall time by stage; stages within a row stand under the row."""
    stages = {name: s for name, s in (summary.get("stage_seconds") or {}).items() if is_number(s)}
    if not stages:
        return []
    whole = [[name.replace("_", " "), number(s, 2)] for name, s in stages.items() if "/" not in name]
    tables = [Table(["stage", "wall [s]"], whole, "Wall time by stage.")] if whole else []
    inner = sorted({name.split("/", 1)[1] for name in stages if "/" in name})
    owners = list(dict.fromkeys(name.split("/", 1)[0] for name in stages if "/" in name))
    if inner:
        rows = [[s.replace("_", " "), *(number(stages.get(f"{o}/{s}"), 2) for o in owners)] for s in inner]
        tables.append(Table(["within the loop [s]", *map(row_label, owners)], rows, "Rows run side by side."))
    return tables

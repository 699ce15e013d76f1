"""How the plans came to be: status, slacks in use, reserve held."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.timeline import Instants
from pipeline.report.blocks import Block, Figure, Note, Section, Tab, Table, Tabs
from pipeline.report.draw import canvas, edges, look, readout, stepped, time_axis, to_svg
from pipeline.report.export import Export, Floats, drawing_factor
from pipeline.report.palette import GROUPS, group_of
from pipeline.report.wording import cause_label, counted, number, percent, row_label

SLACK = "slack/"
"""Beginning of the asset name of a slack's rows."""

LAYERS = {"scuc": "unit commitment (SCUC)", "sced": "rolling dispatch (SCED)"}
"""Layers by the words a reader sees."""


def plans_section(export: Export) -> Section:
    """Counts of plans by layer and status, and every slack, one tab for each row."""
    title, chinese = "Plans and slacks", "计划状态与松弛"
    tabs = []
    for row in export.rows:
        table = export.plans(row)
        if table is not None and table.num_rows:
            slacks = _slack_table(table, row)
            blocks: list[Note | Table | Figure] = [_status_table(table, row)]
            blocks.append(slacks if slacks is not None else Note("No plan of this row uses a slack."))
            tabs.append(Tab(row_label(row), blocks))
    if not tabs:
        return Section("plans", title, chinese, [Note("This export holds no plans.")])
    lead = (
        "A slack is a shortfall that a plan accepted, named and priced. It is not a violation, and it is always shown."
    )
    return Section("plans", title, chinese, [Note(lead, "quiet"), Tabs("plans", tabs)])


def _status_table(table: pa.Table, row: str) -> Table:
    """One line for each layer and status, with the number of plans, the largest certified gap and the first of them."""
    grouped = table.group_by(["plan_id", "layer", "status"])
    plans = grouped.aggregate([("gap", "max"), ("issue_time", "min")]).to_pylist()
    found: dict[tuple[str, str], list[dict[str, object]]] = defaultdict(list)
    for plan in plans:
        found[plan["layer"], re.sub(r"\d+\.\d+(?= above)", "..", plan["status"])].append(plan)
    rows = []
    for (layer, status), members in sorted(found.items()):
        gap = max(float(m["gap_max"]) for m in members if m["gap_max"] is not None)  # type: ignore[arg-type]
        first = min(str(m["issue_time_min"]) for m in members)
        rows.append([LAYERS.get(layer, layer), status, number(len(members)), percent(gap), first])
    head = ["layer", "status", "plans", "largest certified gap", "first issued (UTC)"]
    caption = f"{row_label(row)}: plans by status; a held plan is the last safe one."
    return Table(head, rows, caption, frozenset({0, 1, 4}))


def _slack_table(table: pa.Table, row: str) -> Table | None:
    """Every slack by kind and place; only the periods that a plan decided first count towards its energy."""
    slacks = table.filter(pc.starts_with(table["asset"].cast(pa.string()), SLACK))
    if slacks.num_rows == 0:
        return None
    sizes: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    plans: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    causes: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for line in slacks.to_pylist():
        _, kind, place = line["asset"].split("/", 2)
        key = (line["layer"], kind, place)
        sizes[key].append(line["power_mw"])
        plans[key].add(line["plan_id"])
        causes[key][line["cause"] or ""] += 1
    order = sorted(sizes, key=lambda key: -max(sizes[key]))
    rows = [
        [layer, kind.replace("_", " "), place, number(len(plans[layer, kind, place])),
         number(len(sizes[layer, kind, place])), number(max(sizes[layer, kind, place]), 2),
         cause_label(causes[layer, kind, place].most_common(1)[0][0])]
        for layer, kind, place in order[:40]
    ]  # fmt: skip
    more = f" The {len(order) - 40} smallest are left out." if len(order) > 40 else ""
    caption = f"{row_label(row)}: slacks in use, over all plans and their whole look-ahead, the largest first.{more}"
    head = ["layer", "slack", "place", "plans", "periods", "largest [MW]", "main cause"]
    return Table(head, rows, caption, frozenset({0, 1, 2, 6}))


def reserve_section(export: Export) -> Section:
    """Upward spinning reserve that the binding period of each rolling plan held, by technology, and its shortfall."""
    title, chinese = "Spinning reserve", "旋转备用"
    row = export.main
    table = export.plans(row) if row is not None else None
    realised = export.realised(row) if row is not None else None
    if row is None or table is None or realised is None:
        return Section("reserve", title, chinese, [Note("This export holds no plans.")])
    rolling = _binding(table)
    held = rolling.filter(pc.greater(rolling["reserve_mw"], 0.0))
    if held.num_rows == 0:
        return Section("reserve", title, chinese, [Note("No rolling plan of this row holds spinning reserve.")])
    group_by_name = {asset.name: group_of(asset) for asset in export.network.assets}
    factor = max(round(0.25 / realised.hours), 1)
    step = max(drawing_factor(realised) // factor, 1)
    valid = realised.valid_time[::factor]
    sums = _sums(held, [group_by_name.get(name) or "other_thermal" for name in held["asset"].to_pylist()], valid)
    is_short = pc.starts_with(rolling["asset"].cast(pa.string()), f"{SLACK}reserve_up")
    short_rows = rolling.filter(is_short)
    missing = _sums(short_rows, ["short"] * short_rows.num_rows, valid, "power_mw").get("short", np.zeros(len(valid)))
    figure = _figure(export, row, valid[::step], realised.hours * factor * step,
                     {k: v[::step] for k, v in sums.items()}, missing[::step])  # fmt: skip
    blocks: list[Block] = [figure]
    worst = float(missing.max(initial=0.0))
    text = "No reserve was short in a binding period."
    if worst > 0:
        periods = counted(int((missing > 0).sum()), "binding period")
        text = f"Reserve was short in {periods}, at most by {number(worst, 1, 'MW')}."
    return Section("reserve", title, chinese, [*blocks, Note(text, "warn" if worst > 0 else "quiet")])


def _binding(table: pa.Table) -> pa.Table:
    """The rolling plans' rows of their first period: what was really told to the assets."""
    rolling = table.filter(pc.equal(table["layer"], "sced"))
    first = rolling.group_by("plan_id").aggregate([("valid_time", "min")])
    joined = rolling.join(first, "plan_id")
    return joined.filter(pc.equal(joined["valid_time"], joined["valid_time_min"]))


def _sums(table: pa.Table, keys: list[str], valid: Instants, column: str = "reserve_mw") -> dict[str, Floats]:
    """Sum of a column by key on the time line, shape (periods,) each."""
    instants = table["valid_time"].to_numpy().astype("datetime64[us]")
    columns = np.searchsorted(valid, instants)
    values = table[column].to_numpy()
    sums: dict[str, Floats] = {}
    for key in dict.fromkeys(keys):
        mine = np.array([k == key for k in keys]) & (columns < len(valid))
        sums[key] = np.bincount(columns[mine], weights=values[mine], minlength=len(valid)).astype(np.float64)
    return sums


def _figure(
    export: Export, row: str, valid: Instants, hours: float, sums: dict[str, Floats], missing: Floats
) -> Figure:
    figure, x, total = canvas(2.7), edges(valid, hours), np.zeros(len(valid))
    ordered = {key: sums[key] for key in GROUPS if key in sums}
    with look():
        axes = figure.subplots()
        for key, values in ordered.items():
            axes.fill_between(x, stepped(total), stepped(total + values), step="post", color=GROUPS[key].colour, lw=0,
                              label=GROUPS[key].name)  # fmt: skip
            total = total + values
        if missing.any():
            axes.fill_between(x, stepped(total), stepped(total + missing), step="post", facecolor="none", lw=0,
                              edgecolor="#c1272d", hatch="/////", label="Short")  # fmt: skip
        axes.set_ylabel("MW")
        axes.set_ylim(bottom=0)
        time_axis(axes, valid, hours, export.zone)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=7)
    svg = to_svg(figure, "reserve", f"Spinning reserve, {row_label(row)}")
    series = [("Held", "var(--ink)", total), ("Short", "#c1272d", missing)]
    caption = f"{row_label(row)}: upward spinning reserve held in the binding period of each rolling plan [MW]."
    return Figure(svg, caption, "reserve", readout(axes, valid, hours, export.zone, series))

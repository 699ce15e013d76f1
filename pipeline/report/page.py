"""The report: one HTML file that opens offline, from an export and its summary alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from gridcore.asset import RENEWABLE
from gridcore.errors import NoSpaceError
from gridcore.timeline import from_numpy
from ingest.grid_tables import read_network
from pipeline.report.accuracy import accuracy_section, models_section
from pipeline.report.blocks import Block, Note, Section, Table, Tiles
from pipeline.report.comparison import comparison_figure
from pipeline.report.curtailment import curtailment_section
from pipeline.report.dispatch_stack import stack_section, storage_section
from pipeline.report.export import Export, parse_instant
from pipeline.report.forecasts import forecast_section
from pipeline.report.grid_map import map_section
from pipeline.report.lines import lines_section
from pipeline.report.outcome import equal_rows, outcome_lines, tiles, verdict
from pipeline.report.plans import plans_section, reserve_section
from pipeline.report.run import cost_section, provenance_section
from pipeline.report.wording import ROW_LABELS, energy, is_number, row_label

SAME_SHARE = 1e-6
"""Relative difference from which the summary and the export's own sum are said to disagree."""

STRONG_LINES = frozenset({"absorption", "curtailed", "load shed"})
"""Lines of the table of rows set in bold."""


def write_report(out_dir: Path, summary: Mapping[str, Any], file: Path) -> None:
    """Write the report of a replay.

    Args:
        out_dir: The export (`OUT/` of INTERFACES.md); what is missing in it is said to be missing.
        summary: The object of `xiaona replay --json`.
        file: HTML file to write.

    Raises:
        BadInputError: A file of the export is unreadable or lacks a column.
        NoSpaceError: The disk is full.
    """
    declared = bool((summary.get("provenance") or {}).get("latency_is_declared", True))
    network = read_network(out_dir / "grid", latency_is_declared=declared)
    html = page(Export(out_dir, network, dict(summary)))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(html, encoding="utf-8")
    except OSError as cause:
        raise NoSpaceError(
            "the report could not be written", file=file, got=str(cause), wanted="room for it"
        ) from cause


def page(export: Export) -> str:
    """The whole page as HTML text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("template.html.j2")
    summary = export.summary
    ours = resources.files("pipeline.report")
    return template.render(
        grid=summary.get("grid", export.network.name),
        span=_span(export),
        zone=export.zone.key,
        sections=sections(export),
        style=(ours / "style.css").read_text("utf-8"),
        script=(ours / "page.js").read_text("utf-8"),
    )


def sections(export: Export) -> list[Section]:
    """All sections in reading order; none is left out for want of data."""
    return [
        _verdict_section(export),
        _rows_section(export),
        forecast_section(export),
        stack_section(export),
        storage_section(export),
        curtailment_section(export),
        lines_section(export),
        map_section(export),
        accuracy_section(export.summary),
        models_section(export.summary),
        plans_section(export),
        reserve_section(export),
        cost_section(export),
        provenance_section(export),
    ]


def disagreements(export: Export) -> list[str]:
    """Where the summary's energies are not those of the export's own columns."""
    green = [n for n, asset in enumerate(export.network.assets) if asset.technology in RENEWABLE]
    found = []
    for row in export.summary.get("rows", []):
        realised = export.realised(row["name"])
        if realised is None:
            found.append(f"{row_label(row['name'])}: the export holds no realised data of this row.")
            continue
        holes = int((~np.isfinite(realised.power_mw)).all(axis=0).sum())
        if holes:
            periods = f"{holes:,} of {len(realised.valid_time):,} periods have"
            found.append(f"{row_label(row['name'])}: {periods} no realised data in the export.")
        sums = {
            "available_mwh": realised.available_mw[green],
            "absorbed_mwh": realised.power_mw[green],
            "curtailment_mwh": realised.curtailment_mw[green],
            "shed_mwh": realised.shed_mw,
            "over_generation_mwh": realised.over_generation_mw,
        }
        for key, power in sums.items():
            stated, summed = row.get(key), float(np.nansum(power)) * realised.hours
            if is_number(stated) and not math.isclose(stated, summed, rel_tol=SAME_SHARE, abs_tol=SAME_SHARE):
                name = key.removesuffix("_mwh").replace("_", " ")
                words = f"{name} is {energy(stated)} in the summary and {energy(summed)} in the export"
                found.append(f"{row_label(row['name'])}: {words}.")
    return found


def _verdict_section(export: Export) -> Section:
    """The verdict, what a reader must not miss, the headline numbers."""
    summary = export.summary
    first, *rest = verdict(summary)
    blocks: list[Block] = [Note(first, "lead"), *(Note(text) for text in rest)]
    if summary.get("status") not in (None, "ok"):
        blocks.append(Note(f"Status of the replay: {summary['status']}.", "warn"))
    blocks += [Note(str(text), "warn") for text in (*summary.get("warnings", []), *disagreements(export))]
    return Section("verdict", "Verdict", "结论", [*blocks, Tiles(tiles(summary))])


def _rows_section(export: Export) -> Section:
    """All rows side by side, and which of them are equal."""
    summary = export.summary
    rows = summary.get("rows", [])
    title, chinese = "Four ways to run the same days", "四种方案对比"
    if not rows:
        return Section("rows", "Rows side by side", chinese, [Note("The summary holds no rows.")])
    if len(rows) != len(ROW_LABELS):
        title, chinese = "Rows side by side", "方案对比"
    lines = outcome_lines(summary)
    cells = [[f"\u2003{line.label}" if line.is_part else line.label, *line.cells] for line in lines]
    strong = frozenset(n for n, line in enumerate(lines) if line.label in STRONG_LINES)
    head = ["", *(row_label(row["name"]) for row in rows)]
    caption = (
        "Absorption is used / available energy of wind, PV and rooftop PV. All rows see the same weather and load."
    )
    notes = [Note(f"= {text}") for text in equal_rows(summary)]
    table = Table(head, cells, caption, strong=strong)
    return Section("rows", title, chinese, [*notes, comparison_figure(summary), table])


def _span(export: Export) -> str:
    """First and last instant in local time."""
    if not (export.summary.get("start") and export.summary.get("end")):
        return ""
    local = [from_numpy(parse_instant(export.summary[key])).astimezone(export.zone) for key in ("start", "end")]
    return f"{local[0]:%a %d %b %Y, %H:%M} to {local[1]:%a %d %b %Y, %H:%M}"

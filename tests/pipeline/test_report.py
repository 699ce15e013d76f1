"""The report says what the export holds, says what is missing, and opens without a network."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from gridcore.asset import RENEWABLE
from gridcore.errors import BadInputError
from gridcore.network import Network
from ingest.grid_directory import export_grid_tables
from pipeline.cost import realised_cost
from pipeline.report import terminal_table, write_report
from pipeline.report.accuracy import accuracy_section, models_section
from pipeline.report.blocks import Note
from pipeline.report.export import SCHEMAS, Export, pivot
from pipeline.report.outcome import equal_rows, outcome_lines, verdict
from pipeline.report.page import disagreements
from pipeline.report.run import cost_section
from pipeline.report.wording import energy, percent
from tests.pipeline.make_export import Recipe, make_export
from tests.pipeline.report_grid import bare_grid, mapped_grid, sunny_grid

START = datetime(2025, 6, 1, 22, tzinfo=UTC)
"""A local midnight in Berlin."""

SECTIONS = (
    "verdict", "rows", "forecasts", "dispatch", "storage", "curtailment", "lines", "map", "accuracy", "models", "plans",
    "reserve", "cost", "provenance",
)  # fmt: skip
"""Every section, in reading order."""


@dataclass(frozen=True)
class Made:
    """An export, its summary and the page made from them."""

    folder: Path
    network: Network
    summary: dict[str, Any]
    html: str

    @property
    def export(self) -> Export:
        """A fresh look at the export."""
        return Export(self.folder, self.network, self.summary)


def make(folder: Path, recipe: Recipe, **changes: Any) -> Made:
    """Make an export and its page."""
    summary = make_export(recipe, folder) | changes
    export_grid_tables(recipe.network, folder / "grid")
    write_report(folder, summary, folder / "report.html")
    return Made(folder, recipe.network, summary, (folder / "report.html").read_text("utf-8"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Four rows over two days of the mapped grid; `no_storage` loses as much as `persistence`."""
    recipe = Recipe(mapped_grid(), START, days=2, tick=timedelta(hours=1))
    return make(tmp_path_factory.mktemp("whole") / "out", recipe)


def words(html: str) -> str:
    """The page's text without tags, scripts and styles."""
    bare = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare))


def section(made: Made, key: str) -> str:
    """One section's HTML."""
    found = re.search(rf'<section id="{key}">.*?</section>', made.html, flags=re.DOTALL)
    assert found is not None, key
    return found.group()


def cells(table_html: str, first: str) -> list[str]:
    """Cells of the table row whose first cell is `first`."""
    for row in re.findall(r"<tr[^>]*>(.*?)</tr>", table_html, flags=re.DOTALL):
        texts = [text.strip() for text in re.findall(r"<td[^>]*>(.*?)</td>", row, flags=re.DOTALL)]
        if texts and texts[0].startswith(first):
            return texts
    raise AssertionError(first)


def mwh(text: str) -> float:
    """`1,234 MWh` as a number."""
    return float(text.removesuffix(" MWh").replace(",", ""))


def test_the_page_asks_for_nothing_outside_itself(made: Made) -> None:
    assert not re.findall(r"https?:|//[a-z]+\.|@import|url\((?!#)", made.html)
    links = re.findall(r"""\s(?:src|(?:xlink:)?href)=["']([^"']*)""", made.html)
    assert links
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert "<link" not in made.html
    assert "<iframe" not in made.html


def test_ids_are_unique_on_the_page(made: Made) -> None:
    ids = re.findall(r'\sid="([^"]+)"', made.html)
    assert len(ids) == len(set(ids))


def test_every_reference_within_the_page_has_its_target(made: Made) -> None:
    ids = set(re.findall(r'\sid="([^"]+)"', made.html))
    wanted = set(re.findall(r'href="#([^"]+)"', made.html)) | set(re.findall(r"url\(#([^)]+)\)", made.html))
    assert wanted
    assert wanted <= ids


def test_the_same_export_gives_the_same_page(tmp_path: Path) -> None:
    recipe = Recipe(sunny_grid(), START, rows=("ours",), tick=timedelta(hours=3))
    made = make(tmp_path / "out", recipe)
    write_report(made.folder, made.summary, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text("utf-8") == made.html


def test_all_sections_are_there_in_order(made: Made) -> None:
    assert tuple(re.findall(r'<section id="(\w+)">', made.html)) == SECTIONS


def test_every_row_is_named_wherever_rows_stand_beside_each_other(made: Made) -> None:
    for key in ("rows", "dispatch", "storage", "curtailment", "lines", "map", "plans", "cost"):
        text = words(section(made, key))
        for label in ("Xiaona", "persistence forecast", "no storage", "perfect foresight"):
            assert label in text, (key, label)


def test_curtailment_by_cause_and_plant_adds_up_to_the_realised_columns(made: Made) -> None:
    html = section(made, "curtailment")
    table = pq.read_table(made.folder / "realised/ours/asset.parquet")
    lost_mwh = float(pc.sum(table["curtailment_mw"]).as_py()) / 12
    assert lost_mwh > 100
    of_ours = [mwh(cells(html, cause)[1]) for cause in ("congestion", "surplus")]
    assert sum(of_ours) == pytest.approx(lost_mwh, abs=1.0)
    assert mwh(cells(html, "all")[1]) == pytest.approx(lost_mwh, abs=0.5)
    assert mwh(cells(html, "all curtailed plants")[4]) == pytest.approx(lost_mwh, abs=0.5)
    wind = table.filter(pc.equal(table["asset"], "wind"))
    assert mwh(cells(html, "wind")[4]) == pytest.approx(float(pc.sum(wind["curtailment_mw"]).as_py()) / 12, abs=0.5)


def test_a_summary_that_disagrees_with_the_export_is_shown_up(made: Made) -> None:
    assert disagreements(made.export) == []
    rows = [dict(row) for row in made.summary["rows"]]
    summed = rows[0]["curtailment_mwh"]
    rows[0]["curtailment_mwh"] *= 1.01
    [sentence] = disagreements(Export(made.folder, made.network, made.summary | {"rows": rows}))
    wanted = f"curtailment is {energy(1.01 * summed)} in the summary and {energy(summed)} in the export."
    assert sentence == f"Xiaona: {wanted}"


def test_periods_without_realised_data_are_counted(tmp_path: Path) -> None:
    summary = make_export(Recipe(sunny_grid(), START, rows=("ours",), tick=timedelta(hours=6)), tmp_path)
    file = tmp_path / "realised/ours/asset.parquet"
    table = pq.read_table(file)
    last = np.unique(table["valid_time"].to_numpy())[-6]
    pq.write_table(table.filter(table["valid_time"].to_numpy() < last), file)
    found = disagreements(Export(tmp_path, sunny_grid(), summary))
    assert found[0] == "Xiaona: 6 of 288 periods have no realised data in the export."


def test_days_add_up_to_the_cost_of_the_whole(made: Made) -> None:
    tables = {name: pq.read_table(made.folder / f"realised/ours/{name}.parquet") for name in SCHEMAS}
    whole = realised_cost(made.network, tables)
    html = section(made, "cost")
    rows = [cells(html, day) for day in ("2025-06-02", "2025-06-03")]
    head = re.findall(r"<th[^>]*>(.*?)</th>", html)
    column = head.index("fuel [USD]")
    assert sum(float(row[column].replace(",", "")) for row in rows) == pytest.approx(whole["cost"]["fuel"], abs=1.0)
    starts = head.index("starts")
    assert sum(int(row[starts]) for row in rows) == whole["starts"]


def test_too_little_data_is_said_and_is_never_a_zero(made: Made) -> None:
    row = cells(section(made, "accuracy"), "PV")
    assert row[2:] == ["96", *["insufficient data"] * 5]


def test_without_any_accuracy_the_section_says_so(made: Made) -> None:
    rows = [{**row, "accuracy": []} for row in made.summary["rows"]]
    summary = made.summary | {"rows": rows, "models": []}
    [accuracy], [models] = accuracy_section(summary).blocks, models_section(summary).blocks
    assert isinstance(accuracy, Note)
    assert isinstance(models, Note)
    assert "insufficient data" in accuracy.text
    assert "not given" in models.text


def test_a_slack_is_shown_and_called_no_violation(made: Made) -> None:
    text = words(section(made, "plans"))
    assert "It is not a violation" in text
    assert cells(section(made, "plans"), "sced")[1:4] == ["reserve up", "Spin_Up_R1", "1"]
    assert "held: infeasible" in text
    assert "No limit and no balance was violated in any row." in words(section(made, "verdict"))


def test_a_violation_is_said_loudly(made: Made) -> None:
    rows = [{**row, "violations": 3 if row["name"] == "no_storage" else 0} for row in made.summary["rows"]]
    assert "VIOLATED: 3 in no storage." in " ".join(verdict(made.summary | {"rows": rows}))


def test_rows_that_are_equal_are_called_equal(made: Made) -> None:
    assert equal_rows(made.summary) == []
    rows = [*made.summary["rows"][:3], {**made.summary["rows"][0], "name": "perfect_foresight"}]
    assert equal_rows({"rows": rows}) == ["Xiaona and perfect foresight are equal in every figure."]
    rows[3] = {**rows[3], "starts": 99}
    [sentence] = equal_rows({"rows": rows})
    assert sentence == "Xiaona and perfect foresight absorb exactly the same energy and differ in other figures."
    assert "exactly as much as with perfect foresight" in " ".join(verdict({"rows": rows}))


def test_a_name_from_a_file_is_text_and_not_markup(made: Made) -> None:
    assert "gas <CT>" not in made.html
    assert "gas &lt;CT&gt; &amp; co" in made.html


def test_the_map_keeps_its_names_apart(made: Made) -> None:
    svg = re.search(r'<svg[^>]*aria-label="Map of the grid, Xiaona".*?</svg>', made.html, flags=re.DOTALL)
    assert svg is not None
    assert "curtailed" in svg.group()
    tips = re.findall(r"<title>(.*?)</title>", svg.group())
    assert any(tip.startswith("Wind at 3: 120 MW") for tip in tips)
    assert sum(" to " in tip for tip in tips) == len(made.network.branches) + len(made.network.dc_lines)


@pytest.mark.parametrize(
    ("network", "period", "rows"),
    [
        (bare_grid(), timedelta(minutes=15), ("ours",)),
        (sunny_grid(), timedelta(minutes=15), ("persistence", "ours")),
        (mapped_grid("UTC"), timedelta(hours=1), ("ours",)),
    ],
    ids=["no-wind-no-store-no-map", "half-hour-zone", "hourly"],
)
def test_no_section_is_lost_on_another_grid(
    tmp_path: Path, network: Network, period: timedelta, rows: tuple[str, ...]
) -> None:
    tick = max(period, timedelta(hours=1))
    made = make(tmp_path / "out", Recipe(network, START, days=1, period=period, tick=tick, rows=rows))
    assert tuple(re.findall(r'<section id="(\w+)">', made.html)) == SECTIONS
    assert ("states no coordinates" in made.html) == (network.buses[0].latitude is None)
    assert ("has no storage" in made.html) == all(asset.store is None for asset in network.assets)
    green = [asset for asset in network.assets if asset.technology in RENEWABLE]
    assert ("No wind or sun was available" in made.html) == (not green)
    if not green:
        assert cells(section(made, "rows"), "absorption")[1] == "insufficient data"


def test_an_export_without_files_gives_a_page_that_says_what_is_missing(tmp_path: Path) -> None:
    export_grid_tables(bare_grid(), tmp_path / "grid")
    write_report(tmp_path, {}, tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text("utf-8")
    assert tuple(re.findall(r'<section id="(\w+)">', html)) == SECTIONS
    assert html.count("This export holds no") >= 6


def test_missing_rows_and_nan_leave_the_page_whole(tmp_path: Path) -> None:
    out, network = tmp_path / "out", mapped_grid()
    summary = make_export(Recipe(network, START, rows=("ours",), tick=timedelta(hours=2)), out)
    export_grid_tables(network, out / "grid")
    file = out / "realised/ours/asset.parquet"
    table = pq.read_table(file)
    power = table["power_mw"].to_numpy().copy()
    power[::7] = np.nan
    holed = table.set_column(3, "power_mw", [power]).filter(np.arange(table.num_rows) % 11 != 0)
    pq.write_table(holed.cast(table.schema), file)
    (out / "realised/ours/branch.parquet").unlink()
    write_report(out, summary, tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text("utf-8")
    assert tuple(re.findall(r'<section id="(\w+)">', html)) == SECTIONS
    assert "This export holds no flows." in html
    assert not re.search(r">\s*nan\b", html)


def test_a_missing_column_names_file_and_column(tmp_path: Path) -> None:
    summary = make_export(Recipe(bare_grid(), START, rows=("ours",), tick=timedelta(hours=6)), tmp_path)
    file = tmp_path / "realised/ours/bus.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["shed_mw"]), file)
    with pytest.raises(BadInputError, match=r"missing column .*bus\.parquet.*wanted shed_mw"):
        Export(tmp_path, bare_grid(), summary).realised("ours")


def test_the_cost_section_says_when_the_export_holds_nothing(tmp_path: Path) -> None:
    assert "nothing realised" in cost_section(Export(tmp_path, bare_grid(), {})).blocks[0].text  # type: ignore[union-attr]


def test_pivot_puts_values_where_key_and_period_say(made: Made) -> None:
    table = pq.read_table(made.folder / "realised/ours/asset.parquet").slice(0, 40)
    valid = np.unique(table["valid_time"].to_numpy().astype("datetime64[us]"))
    values = table["power_mw"].to_numpy()
    matrix = pivot(table, "asset", ["wind", "nobody"], valid, values)
    assert matrix[0, 0] == values[table["asset"].to_pylist().index("wind")]
    assert np.isnan(matrix[1]).all()


def test_the_terminal_shows_rows_side_by_side_and_no_false_zero(made: Made) -> None:
    rows = [*made.summary["rows"][:3], {**made.summary["rows"][0], "name": "perfect_foresight", "absorption": None}]
    console = Console(width=140, file=io.StringIO(), color_system=None)
    terminal_table(made.summary | {"rows": rows, "warnings": ["a word of warning"]}, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    [absorption] = [line for line in text.splitlines() if line.strip().startswith("absorption")]
    assert absorption.count("%") == 3
    assert "insufficient data" in absorption
    assert "Xiaona and perfect foresight are equal in every figure." in text
    assert "a word of warning" in text
    assert "0 %" not in absorption.replace(percent(rows[0]["absorption"]), "")


def test_the_terminal_says_once_that_no_accuracy_is_known(made: Made) -> None:
    items = [{"kind": kind, "lead_block": "D+1", "n": 96} for kind in ("wind", "pv", "load")]
    console = Console(width=140, file=io.StringIO(), color_system=None)
    terminal_table({"rows": [made.summary["rows"][0] | {"accuracy": items}]}, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("insufficient data") == 1


def test_the_table_of_rows_has_a_cell_for_every_row(made: Made) -> None:
    lines = outcome_lines(made.summary)
    assert {len(line.cells) for line in lines} == {4}
    assert {"absorption", "curtailed", "load shed", "over-generation", "CO2 [t]", "violations"} <= {
        line.label for line in lines
    }

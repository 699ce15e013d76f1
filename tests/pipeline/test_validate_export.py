"""A real export passes; each fault planted into its decisions, outages or hashes is found by its law."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from gridcore.errors import BadInputError
from gridcore.reading import OUTAGE_SCHEMA
from gridcore.timeline import PERIOD
from pipeline.findings import LISTED, NOTHING, Findings
from pipeline.validate import validate_export
from tests.pipeline.real_export import BRANCH, LENGTH, OUT_FROM, ROW, START, UNIT, change, make_real_export, seal

FORECASTS, PLANS, SETPOINTS = (f"decisions/{ROW}/{name}.parquet" for name in ("forecasts", "plans", "setpoints"))
OUTAGES = "grid/outages.parquet"
WIND, COAL, CELL = "Nordheide-Wind", "Dornfeld-Coal", "Gronau-Battery"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_real_export(tmp_path_factory.mktemp("real"))


@pytest.fixture
def out(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "out"))


def laws(findings: Findings) -> set[str]:
    return set(findings.counts.get(ROW, {})) | set(findings.counts.get("manifest", {}))


def where(table: pa.Table, **wanted: str) -> np.ndarray:
    mask = np.ones(len(table), bool)
    for column, value in wanted.items():
        mask &= np.asarray(pc.equal(table.column(column), value))
    return mask


def plus(size: float, *columns: str, first: bool = False, **wanted: str) -> Callable[[pa.Table], pa.Table]:
    """Add to some columns where others are as wanted; in each plan's first period alone if `first`."""

    def alter(table: pa.Table) -> pa.Table:
        mask = where(table, **wanted)
        if first:
            valid, issued = (table.column(n).to_numpy().astype("datetime64[us]") for n in ("valid_time", "issue_time"))
            mask &= valid == issued + np.timedelta64(PERIOD)
        assert mask.any()
        for name in columns:
            values = table.column(name).to_numpy() + np.where(mask, size, 0.0)
            table = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
        return table

    return alter


def filled(column: str, value: object) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(
        table.schema.get_field_index(column), column, pa.array([value] * len(table), table.schema.field(column).type)
    )


def nth(column: str, value: object, row: int) -> Callable[[pa.Table], pa.Table]:
    def alter(table: pa.Table) -> pa.Table:
        values = table.column(column).to_pylist()
        values[row] = value
        kind = table.schema.field(column).type
        return table.set_column(table.schema.get_field_index(column), column, pa.array(values, kind))

    return alter


def test_a_real_export_passes_and_every_law_has_looked_at_something(good: Path) -> None:
    findings = validate_export(good)
    assert findings.violations == []
    assert findings.checked_in[ROW]["plan balance"] >= 6 * 16
    assert findings.checked_in[ROW]["first period"] > 0
    asset = pq.read_table(good / f"realised/{ROW}/asset.parquet")
    before = asset.filter(pa.array(where(asset, asset=UNIT))).column("power_mw").to_numpy()
    assert before[0] > 0, "the unit that trips was on: the outage binds something"


@pytest.mark.parametrize(
    ("law", "file", "alter"),
    [
        ("setpoint of its plan", SETPOINTS, filled("plan_id", "nonsense")),
        ("setpoint of its plan", SETPOINTS, plus(0.5, "power_mw", asset=COAL)),
        (
            "setpoint of its plan",
            SETPOINTS,
            lambda table: table.filter(pa.array(~where(table, plan_id=first_id(table)))),
        ),
        ("plan: required_reserve", PLANS, filled("reserve_mw", 0.0)),
        ("plan capacity", PLANS, plus(1000.0, "available_mw", "curtailment_mw", asset=WIND)),
        ("plan: available", PLANS, plus(0.01, "available_mw", "power_mw", asset=WIND, layer="sced")),
        ("plan: available", PLANS, plus(0.01, "available_mw", "power_mw", asset=WIND, layer="scuc")),
        ("plan: balance", PLANS, plus(0.01, "power_mw", asset=COAL, layer="scuc")),
        ("plan: balance", PLANS, plus(0.01, "power_mw", asset=COAL, layer="sced")),
        ("plan: balance", FORECASTS, lambda table: table.filter(pc.invert(pc.ends_with(table["target"], "/load")))),
        ("plan: balance", FORECASTS, plus(0.01, "power_mw", target="Hagen/load")),
        ("plan capacity", PLANS, plus(5.0, "available_mw", asset=COAL)),
        ("first period: ramp", PLANS, plus(-200.0, "power_mw", first=True, asset=COAL, layer="sced")),
        ("first period: stored energy", PLANS, plus(60.0, "soc_mwh", asset=CELL, layer="sced")),
        ("quantiles never cross", FORECASTS, nth("power_mw", 1e6, 0)),
        ("finite forecast", FORECASTS, nth("power_mw", float("inf"), 0)),
        ("data cut-off", FORECASTS, nth("data_cutoff", START + LENGTH, 0)),
        ("order of forecasts", FORECASTS, lambda table: table.take(np.roll(np.arange(len(table)), 1))),
        ("setpoint", SETPOINTS, nth("power_mw", 1e6, 0)),
        ("setpoint time", SETPOINTS, nth("valid_from", START - 3 * PERIOD, 0)),
        (NOTHING, PLANS, lambda table: table.slice(0, 0)),
        (NOTHING, SETPOINTS, lambda table: table.slice(0, 0)),
        (NOTHING, FORECASTS, lambda table: table.slice(0, 0)),
    ],
)
def test_a_fault_in_a_decision_is_found(out: Path, law: str, file: str, alter: Callable[[pa.Table], pa.Table]) -> None:
    change(out, file, alter)
    assert law in laws(validate_export(out))


def first_id(table: pa.Table) -> str:
    return str(table.column("plan_id")[0].as_py())


def test_what_is_declared_out_must_have_stood_still(out: Path) -> None:
    def more(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        rows += [rows[0] | {"asset": name} for name in (COAL, CELL, "Dornfeld-Eschtal")]
        return pa.Table.from_pylist(rows, schema=OUTAGE_SCHEMA)

    change(out, OUTAGES, more)
    found = validate_export(out)
    assert {"asset out of service", "branch out of service", "plan: out_of_service"} <= laws(found)
    assert {one.asset for one in found.violations if one.what == "asset out of service"} == {COAL, CELL}
    first = min(one.instant for one in found.violations if one.what == "asset out of service")
    assert first == OUT_FROM.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_an_outage_that_was_not_reported_yet_binds_no_plan(out: Path) -> None:
    def late(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        return pa.Table.from_pylist([*rows, rows[0] | {"asset": COAL, "available_at": rows[0]["until"]}], OUTAGE_SCHEMA)

    change(out, OUTAGES, late)
    assert validate_export(out).total == 0


def test_a_branch_in_service_without_a_flow_breaks_the_loop_law(out: Path) -> None:
    change(out, OUTAGES, lambda table: table.filter(pc.not_equal(table["asset"], BRANCH)))
    found = validate_export(out)
    assert "loop law" in laws(found)


@pytest.mark.parametrize("file", [FORECASTS, PLANS, SETPOINTS, OUTAGES, "grid/official_reserves.parquet"])
def test_a_file_that_is_not_there_is_bad_input(out: Path, file: str) -> None:
    (out / file).unlink()
    seal(out)
    with pytest.raises(BadInputError, match="missing"):
        validate_export(out)


@pytest.mark.parametrize("name", ["decisions_sha256", "rows_sha256"])
def test_a_wrong_hash_of_decisions_is_found(out: Path, name: str) -> None:
    manifest = json.loads((out / "manifest.json").read_text())
    manifest[name] = "0" * 64 if name == "decisions_sha256" else {ROW: "0" * 64}
    (out / "manifest.json").write_text(json.dumps(manifest))
    findings = validate_export(out)
    assert findings.counts["manifest"] == {"decisions hash": 1}


def test_a_changed_or_added_file_is_found(out: Path) -> None:
    shutil.copy(out / f"realised/{ROW}/bus.parquet", out / f"realised/{ROW}/more.parquet")
    with (out / "grid" / "buses.csv").open("a", encoding="utf-8") as file:
        file.write("\n")
    found = {(one.what, one.asset) for one in validate_export(out).violations}
    assert found == {("file hash", "grid/buses.csv"), ("file not listed", f"realised/{ROW}/more.parquet")}


def test_an_incomplete_export_is_bad_input_and_no_violation(out: Path) -> None:
    change(out, f"realised/{ROW}/bus.parquet", lambda table: table.slice(1))
    with pytest.raises(BadInputError, match="each bus once"):
        validate_export(out)
    torn = out / f"realised/{ROW}/asset.parquet"
    torn.write_bytes(torn.read_bytes()[:500])
    with pytest.raises(BadInputError, match="can't be read"):
        validate_export(out)
    (out / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BadInputError, match="a manifest"):
        validate_export(out)
    (out / "manifest.json").unlink()
    with pytest.raises(BadInputError, match="export"):
        validate_export(out)


def test_all_are_counted_and_the_first_are_listed(out: Path) -> None:
    change(out, SETPOINTS, filled("plan_id", "nonsense"))
    findings = validate_export(out)
    orders = pq.read_table(out / SETPOINTS)
    # Every order is wrong, and each of the six dispatches has told nothing.
    assert findings.counts[ROW]["setpoint of its plan"] == len(orders) + 6
    assert len(findings.violations) == LISTED
    assert findings.total == len(orders) + 6

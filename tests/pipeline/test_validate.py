"""What flowed: the validator passes a good plant's hour and finds each law that is broken in a copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gridcore.reading import OUTAGE_SCHEMA
from pipeline.export import write_table
from pipeline.findings import Findings
from pipeline.plant import Plant
from pipeline.truth import Truth
from pipeline.validate import REALISED, check_realised
from tests.builders import START, readings, setpoints, six_bus

STEPS = 12
Change = Callable[[pa.Table], pa.Table]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hour of the six-bus plant."""
    out = tmp_path_factory.mktemp("export")
    network = six_bus()
    series = {"wind/power": 90.0, "sun/power": 20.0, "roof/power": 10.0, "river/power": 12.0, "mirror/inflow": 40.0}
    series |= {"north/load": 120.0, "south/load": 90.0}
    plant = Plant(network, Truth(network, readings({name: [value] * STEPS for name, value in series.items()})), START)
    orders = setpoints(
        {"coal": 60.0, "gas": 20.0, "atom": 48.0, "mirror": 20.0, "wind": 60.0, "cell": -5.0}, minutes=60
    )
    tables: dict[str, list[pa.Table]] = {"asset": [], "bus": [], "branch": []}
    for _ in range(STEPS):
        for name, table in plant.step(orders).tables.items():
            tables[name].append(table)
    for name, parts in tables.items():
        write_table(pa.concat_tables(parts), out / f"{name}.parquet")
    return out


def checked(out: Path) -> Findings:
    """Findings of the realised tables of a directory."""
    findings = Findings()
    tables = {name: pq.read_table(out / f"{name}.parquet") for name in REALISED}
    check_realised(six_bus(), tables, OUTAGE_SCHEMA.empty_table(), "ours", findings)
    return findings


def _tampered(good: Path, to: Path, file: str, change: Change) -> Path:
    """A copy with one file changed."""
    shutil.copytree(good, to)
    path = to / file
    table = pq.read_table(path)
    write_table(change(table).cast(table.schema), path)
    return to


def _set(column: str, value: object, at: Callable[[dict[str, object]], bool]) -> Change:
    """Set a column in the first row that fits; a callable value is applied to the old one."""

    def change(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        row = next(row for row in rows if at(row))
        row[column] = value(row[column]) if callable(value) else value
        return pa.Table.from_pylist(rows, schema=table.schema)

    return change


def _is(**wanted: object) -> Callable[[dict[str, object]], bool]:
    return lambda row: all(row[name] == value for name, value in wanted.items())


def _later(**wanted: object) -> Callable[[dict[str, object]], bool]:
    """Rows from the fifth step on, so that there are steps on both sides."""
    return lambda row: row["valid_time"] >= START + timedelta(minutes=25) and _is(**wanted)(row)  # type: ignore[operator]


def _plus(size: float) -> Callable[[float], float]:
    return lambda old: old + size


def test_a_good_hour_passes_and_every_law_has_looked_at_something(good: Path) -> None:
    findings = checked(good)
    assert findings.violations == []
    assert findings.total == 0
    assert findings.max_bus_imbalance_mw["ours"] < 1e-7
    assert min(findings.checked.values()) > 0


ASSET, BUS, BRANCH = (f"{name}.parquet" for name in ("asset", "bus", "branch"))


@pytest.mark.parametrize(
    ("law", "file", "change"),
    [
        ("bus balance", BUS, _set("load_mw", _plus(1e-5), _is(bus="1"))),
        ("bus balance", ASSET, _set("power_mw", _plus(1e-5), _is(asset="coal"))),
        ("shed load", BUS, _set("shed_mw", -1.0, _is(bus="1"))),
        ("over-generation", BUS, _set("over_generation_mw", -1.0, _is(bus="1"))),
        ("branch flow", BRANCH, _set("flow_mw", 80.0001, _is(branch="1-2"))),
        ("branch flow", BRANCH, _set("flow_mw", -30.5, _is(branch="dc"))),
        ("branch limit as in grid/", BRANCH, _set("limit_mw", 90.0, _is(branch="1-2"))),
        ("loop law", BRANCH, _set("flow_mw", _plus(1e-3), _is(branch="2-5"))),
        ("output while on", ASSET, _set("power_mw", 25.0, _is(asset="coal"))),
        ("output while off", ASSET, _set("is_on", False, _is(asset="gas"))),
        ("must run", ASSET, _set("is_on", False, _is(asset="atom"))),
        ("ramp", ASSET, _set("power_mw", _plus(5.1), _later(asset="coal"))),
        ("battery power", ASSET, _set("power_mw", -25.5, _is(asset="cell"))),
        ("stored energy", ASSET, _set("soc_mwh", 40.5, _later(asset="cell"))),
        ("energy balance of a store", ASSET, _set("soc_mwh", _plus(1e-4), _later(asset="cell"))),
        ("energy balance of a store", ASSET, _set("soc_mwh", _plus(1e-4), _later(asset="mirror"))),
        ("curtailment", ASSET, _set("curtailment_mw", _plus(0.1), _is(asset="wind"))),
        ("power of wind and PV", ASSET, _set("available_mw", 10.0, _is(asset="wind"))),
        ("available power", ASSET, _set("available_mw", 121.0, _is(asset="wind"))),
        ("rooftop PV and hydro are never curtailed", ASSET, _set("power_mw", _plus(-1.0), _is(asset="roof"))),
        ("rooftop PV and hydro are never curtailed", ASSET, _set("power_mw", _plus(-1.0), _is(asset="river"))),
        ("cause of curtailment", ASSET, _set("cause", "", _is(asset="wind"))),
        ("cause of curtailment", ASSET, _set("cause", "surplus", _is(asset="coal"))),
        ("finite power", ASSET, _set("power_mw", float("nan"), _is(asset="sun"))),
    ],
)
def test_a_broken_law_is_found_and_named(good: Path, tmp_path: Path, law: str, file: str, change: Change) -> None:
    findings = checked(_tampered(good, tmp_path / "out", file, change))
    assert law in findings.counts["ours"]
    violation = next(one for one in findings.violations if one.what == law)
    assert violation.asset
    assert violation.got
    assert violation.wanted
    assert findings.total == findings.violations_of("ours") == len(findings.violations)


def test_a_stop_within_the_minimum_up_time_is_found(good: Path, tmp_path: Path) -> None:
    begins, ends = START + timedelta(minutes=20), START + timedelta(minutes=35)

    def blink(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        for row in rows:
            if row["asset"] == "gas" and not begins <= row["valid_time"] < ends:
                row |= {"is_on": False, "power_mw": 0.0}
        return pa.Table.from_pylist(rows, schema=table.schema)

    findings = checked(_tampered(good, tmp_path / "out", ASSET, blink))
    found = [one for one in findings.violations if one.what == "minimum up and down times"]
    # On for 15 minutes between two stops; half an hour is the least.
    assert [(one.asset, one.got) for one in found] == [("gas", "0.25")]

"""The example grid: what its script makes is what ships; it has a clock change, a tight place and honest forecasts."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from gridcore.reading import to_matrix
from gridcore.target import basic_targets
from gridcore.timeline import day_start
from ingest.catalogue import EXAMPLE, EXAMPLES
from ingest.grid_directory import read_grid_directory
from ingest.table_source import TableSource

HOUR = timedelta(hours=1)


def test_the_script_makes_the_grid_that_ships(example: TableSource, project_root: Path, tmp_path: Path) -> None:
    script = project_root / "infra" / "make_example_grid.py"
    environment = {**os.environ, "PYTHONPATH": str(project_root)}
    subprocess.run([sys.executable, str(script), str(tmp_path / "made")], check=True, env=environment)
    made = read_grid_directory(tmp_path / "made")
    assert made.network == example.network
    assert made.readings(example.first, example.last).equals(example.readings(example.first, example.last))
    assert made.official(example.first, example.last).equals(example.official(example.first, example.last))


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in (EXAMPLES / EXAMPLE).iterdir()) < 1_500_000


def test_its_clock_jumps(example: TableSource) -> None:
    zone = example.network.zone
    day = day_start(date(2025, 3, 30), zone), day_start(date(2025, 3, 31), zone)
    assert day[1] - day[0] == timedelta(hours=23)
    channels = {target.channel for target in basic_targets(example.network)} | {"Eschtal-Weir/power"}
    assert len(example.readings(*day)) == 92 * len(channels)
    assert set(pc.unique(example.readings(*day).column("channel")).to_pylist()) == channels


def test_official_forecasts_are_given_out_at_six_the_day_before(example: TableSource) -> None:
    zone = example.network.zone
    for row in example.official(example.first, example.last).to_pylist()[::97]:
        issued, valid = row["issue_time"].astimezone(zone), row["valid_time"].astimezone(zone)
        assert (issued.hour, issued.minute) == (6, 0)
        assert issued.date() == valid.date() - timedelta(days=1)
        assert row["available_at"] == row["issue_time"]


def test_its_forecasts_are_neither_perfect_nor_idle(example: TableSource) -> None:
    # Day-ahead errors of wind are about 10 % of the largest output, of PV 5 %, of load 2 %; RTS-GMLC's own system sums
    # have a mean absolute error of 12, 4 and 1.5 % of the peak.
    bounds = {"wind": (0.05, 0.15), "pv": (0.02, 0.08), "rooftop_pv": (0.02, 0.08), "load": (0.005, 0.03)}
    span = example.first, example.last
    readings, official = example.readings(*span), example.official(*span)
    for target in basic_targets(example.network):
        real = to_matrix(readings, [target.channel], *span, HOUR)[0]
        seen = to_matrix(official, [target.name], *span, HOUR, key_column="asset", value_column="power_mw")[0]
        low, high = bounds[target.kind.value]
        assert low < np.sqrt(np.mean((seen - real) ** 2)) / real.max() < high, target.name


def test_nordheide_makes_more_than_its_lines_carry(example: TableSource) -> None:
    away = sum(branch.limit_mw for branch in example.network.branches if "Nordheide" in branch.name)
    span = example.first, example.last
    channels = ["Nordheide-Wind/power", "Nordheide-PV/power"]
    power = to_matrix(example.readings(*span), channels, *span, HOUR).sum(axis=0)
    assert 0.02 < (power > away).mean() < 0.2

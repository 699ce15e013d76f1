"""The walls of the house hold: each import rule and the clock rule is seen to fail on a planted violation.

The checkers run on a copy of the tree, so that a plant never touches the checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOMS = ("gridcore", "ingest", "storage", "forecasting", "dispatch", "pipeline")

HOUSE = "The roof knows the rooms, the rooms know the ground, no room knows another"
GROUND = "The ground stands on the standard library, numpy and pyarrow"
OPTIMISER = "pyomo and highspy only in dispatch"
LEARNERS = "lightgbm and prophet only in forecasting"
BROKER = "confluent_kafka only in ingest and storage"
WEB = "Web libraries only in pipeline"
SHIPPED = "What ships imports no test"

PLANTS = [
    ("gridcore", "storage", HOUSE),
    ("dispatch", "pipeline", HOUSE),
    ("ingest", "storage", HOUSE),
    ("storage", "forecasting", HOUSE),
    ("forecasting", "dispatch", HOUSE),
    ("dispatch", "ingest", HOUSE),
    ("gridcore", "pandas", GROUND),
    ("gridcore", "not_in_the_lock", GROUND),
    ("pipeline", "pyomo.environ", OPTIMISER),
    ("forecasting", "highspy", OPTIMISER),
    ("dispatch", "lightgbm", LEARNERS),
    ("pipeline", "prophet", LEARNERS),
    ("pipeline", "confluent_kafka", BROKER),
    ("ingest", "http.server", WEB),
    ("storage", "fastapi", WEB),
    ("dispatch", "flask", WEB),
    ("ingest", "uvicorn", WEB),
    ("forecasting", "starlette", WEB),
    ("pipeline", "tests", SHIPPED),
]
"""(room, what it imports against the rules, the rule that must name it)."""

BANNED_CLOCKS = [
    ("import datetime", "datetime.datetime.now(datetime.UTC)", "datetime.datetime.now"),
    ("from datetime import datetime", "datetime.now()", "datetime.datetime.now"),
    ("from datetime import datetime", "datetime.utcnow()", "datetime.datetime.utcnow"),
    ("from datetime import datetime", "datetime.today()", "datetime.datetime.today"),
    ("from datetime import date", "date.today()", "datetime.date.today"),
    ("import time", "time.time()", "time.time"),
    ("from time import time_ns", "time_ns()", "time.time_ns"),
    ("import pandas as pd", "pd.Timestamp.now()", "pandas.Timestamp.now"),
]
"""(import, call, name that ruff must report)."""


@pytest.fixture
def house(tmp_path: Path, project_root: Path) -> Path:
    """A copy of the code and its rules."""
    for room in ROOMS:
        shutil.copytree(project_root / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests").mkdir()
    for name in ("pyproject.toml", "README.md", "tests/__init__.py", "tests/import_rules.py"):
        shutil.copy(project_root / name, tmp_path / name)
    return tmp_path


def run(house: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """One checker, run inside the copy with the copy's packages first on the path."""
    environment = os.environ | {"PYTHONPATH": str(house), "COLUMNS": "200"}
    return subprocess.run(  # a wide terminal, so that no name is broken over two lines
        [sys.executable, *command], cwd=house, env=environment, capture_output=True, text=True, check=False
    )


def lint_imports(house: Path) -> subprocess.CompletedProcess[str]:
    """The import contracts over the copy."""
    return run(house, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache")


def ruff(house: Path, *paths: str) -> subprocess.CompletedProcess[str]:
    """Ruff's banned names over some files of the copy."""
    return run(house, "-m", "ruff", "check", "--no-cache", "--select", "TID251", *paths)


def test_clean_tree_keeps_every_import_rule(house: Path) -> None:
    result = lint_imports(house)
    assert result.returncode == 0, result.stdout + result.stderr
    for rule in (HOUSE, GROUND, OPTIMISER, LEARNERS, BROKER, WEB, SHIPPED):
        assert f"{rule} KEPT" in result.stdout


@pytest.mark.parametrize(("room", "imported", "rule"), PLANTS, ids=[f"{a}->{b}" for a, b, _ in PLANTS])
def test_planted_import_breaks_its_rule(house: Path, room: str, imported: str, rule: str) -> None:
    (house / room / "planted.py").write_text(f"import {imported}\n", encoding="utf-8")
    result = lint_imports(house)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{rule} BROKEN" in result.stdout
    assert f"{room}.planted" in result.stdout


def test_rooms_may_use_what_is_theirs(house: Path) -> None:
    for room, imported in (
        ("gridcore", "pyarrow"),
        ("dispatch", "pyomo.environ"),
        ("dispatch", "highspy"),
        ("forecasting", "lightgbm"),
        ("forecasting", "prophet"),
        ("ingest", "confluent_kafka"),
        ("storage", "confluent_kafka"),
        ("pipeline", "http.server"),
    ):
        with (house / room / "planted.py").open("a", encoding="utf-8") as file:
            file.write(f"import {imported}\n")
    result = lint_imports(house)
    assert result.returncode == 0, result.stdout + result.stderr


def test_clean_tree_asks_no_other_clock(house: Path) -> None:
    result = ruff(house, *ROOMS)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("line", "call", "name"), BANNED_CLOCKS, ids=[name for _, _, name in BANNED_CLOCKS])
def test_planted_clock_is_banned(house: Path, line: str, call: str, name: str) -> None:
    (house / "pipeline" / "planted.py").write_text(f"{line}\n\nprint({call})\n", encoding="utf-8")
    result = ruff(house, "pipeline/planted.py")
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"`{name}` is banned" in result.stdout


def test_stage_timers_and_the_clock_itself_are_free(house: Path) -> None:
    (house / "pipeline" / "planted.py").write_text(
        "import time\n\nprint(time.perf_counter(), time.process_time())\n", encoding="utf-8"
    )
    (house / "gridcore" / "clock.py").write_text("import time\n\nprint(time.time())\n", encoding="utf-8")
    result = ruff(house, "pipeline/planted.py", "gridcore/clock.py")
    assert result.returncode == 0, result.stdout + result.stderr

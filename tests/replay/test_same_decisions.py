"""The same telemetry gives the same decisions: replayed from the grid, or run live from a recording and killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.recording import write_recording
from pipeline.export import file_sha256
from tests.replay.small import END_OF_DAY, START_OF_DAY, open_small

XIAONA = [sys.executable, "-m", "pipeline.cli"]
WARM_UP_TICKS = 96
"""Ticks of the unscored day, whose flows the log of a scored row begins with."""

DECIDED = ("forecasts", "plans", "setpoints")


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    """A day of the example grid, replayed from the grid itself."""
    home = tmp_path_factory.mktemp("replayed")
    arguments = ["--grid", "example-9", "--start", "2025-03-30", "--days", "1", "--rows", "ours"]
    run = subprocess.run(
        [*XIAONA, "replay", *arguments, "--export", "out", "--json"],
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout), home / "out"


def test_a_live_run_of_the_recording_killed_on_the_way_decides_the_same_bytes(replayed, tmp_path):
    summary, out = replayed
    write_recording(open_small(), START_OF_DAY, END_OF_DAY, tmp_path / "rec")
    (tmp_path / "live.toml").write_text(
        'recording = "rec"\nstart = 2025-03-30\ndays = 1\nspeed = 1e6\nexport = "live-out"\nwork = "work"\n'
    )
    command = [*XIAONA, "run", "--config", "live.toml"]
    for phase, count in (("base", 30), ("rows/ours", WARM_UP_TICKS + 15)):
        killed = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for_ticks(killed, tmp_path / "work", phase, count)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    last = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert json.loads(last.stdout)["decisions_sha256"] == summary["decisions_sha256"]
    for name in DECIDED:
        files = [directory / "decisions" / "ours" / f"{name}.parquet" for directory in (out, tmp_path / "live-out")]
        assert file_sha256(files[0]) == file_sha256(files[1])


def wait_for_ticks(process: subprocess.Popen[bytes], work: Path, phase: str, count: int) -> None:
    """Return once the plant has answered so many ticks; the process must be alive until then."""
    while len(list(work.glob(f"*/{phase}/realised/asset-*.arrow"))) < count:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)


def test_the_replay_balances_and_breaks_no_limit(replayed):
    summary, out = replayed
    (row,) = summary["rows"]
    assert row["violations"] == 0
    assert row["max_bus_imbalance_mw"] < 1e-6
    assert row["available_mwh"] == pytest.approx(row["absorbed_mwh"] + row["curtailment_mwh"], abs=1e-6)
    assert row["plans"]["sced"] == 23 * 4, "the day of the clock change has 23 hours"
    assert all(score["pinball"] is None for score in row["accuracy"]), "a day is insufficient data"
    run = subprocess.run([*XIAONA, "validate", str(out), "--json"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert json.loads(run.stdout)["total"] == 0

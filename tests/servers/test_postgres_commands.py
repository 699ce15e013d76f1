"""The commands work on a server's store as on a directory; the loop decides the same on both."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gridcore.clock import VirtualClock
from gridcore.timeline import PERIOD
from ingest.recording import write_recording
from pipeline.loop import Loop
from pipeline.phase import Phase, Recorded, store_of, wire
from pipeline.schedule import ticks
from tests.contracts.store_content import rows_of
from tests.replay.small import END_OF_DAY, START_OF_DAY, open_small, phase_of, whole
from tests.servers.postgres_stores import empty_schema

pytestmark = pytest.mark.postgres


def xiaona(*arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == code, run.stderr
    return run.stdout if code == 0 else run.stderr


def test_a_recording_taken_into_either_store_gives_the_same_counts_and_export(postgres: str, tmp_path: Path) -> None:
    write_recording(open_small(), START_OF_DAY, START_OF_DAY + timedelta(hours=6), tmp_path / "rec", dirty_seed=7)
    source = (tmp_path / "rec").as_uri()
    with empty_schema(postgres) as url:
        told = {}
        for name, where in (("server", url), ("directory", str(tmp_path / "store"))):
            counts = json.loads(xiaona("ingest", "--from", source, "--store", where, "--json"))
            again = json.loads(xiaona("ingest", "--from", source, "--store", where, "--json"))
            assert again["received"] == 0
            told[name] = {key: value for key, value in counts.items() if key != "readings_per_second"}
            assert xiaona("store", "check", "--store", where) == "good\n"
            assert "sealed" in xiaona("store", "seal", "--store", where)
            assert xiaona("store", "migrate", "--store", where).startswith("schema version")
            xiaona("store", "export", "--store", where, "--out", str(tmp_path / name))
        assert told["server"] == told["directory"]
        assert told["server"]["stored"] > 0
    for file in sorted((tmp_path / "directory").iterdir()):
        assert rows_of(pq.read_table(file)) == rows_of(pq.read_table(tmp_path / "server" / file.name))


def test_a_command_on_a_server_that_is_not_there_ends_in_words(tmp_path: Path) -> None:
    nowhere = "postgresql://xiaona:secret@127.0.0.1:1/x?sslmode=require&sslrootcert=/nowhere"
    words = xiaona("store", "check", "--store", nowhere, code=2)
    assert "Traceback" not in words
    assert "secret" not in words


def test_the_loop_decides_the_same_on_either_store_stopped_on_the_way_too(postgres: str, tmp_path: Path) -> None:
    recorded = whole(START_OF_DAY, END_OF_DAY)
    phase, history = phase_of(recorded, START_OF_DAY, END_OF_DAY, tmp_path / "directory")
    until = START_OF_DAY + timedelta(minutes=45)
    run(phase, history, until)
    with empty_schema(postgres) as url:
        served = replace(phase, directory=tmp_path / "server", store=url)
        run(served, history, until - 2 * PERIOD)
        run(served, None, until)
        assert decided(served, until) == decided(phase, until)


def run(phase: Phase, history: Recorded | None, until: datetime) -> None:
    store = store_of(phase)
    loop, done = wire(phase, store, history, VirtualClock(phase.origin - PERIOD))
    assert isinstance(loop, Loop)
    every = ticks(phase.start, phase.end, phase.network.zone, phase.origin)
    loop.run(tick for tick in every if tick.due <= until and (done is None or tick.due > done))
    store.close()


def decided(phase: Phase, until: datetime) -> list[list[tuple[object, ...]]]:
    """All that a store holds of what was decided, bit for bit."""
    store, since = store_of(phase), datetime(2000, 1, 1, tzinfo=UTC)
    known = store.known_at(until)
    tables = [known.forecasts(since), known.setpoints(since), known.plans("scuc", since), known.plans("sced", since)]
    store.close()
    assert all(table.num_rows for table in tables)
    return [rows_of(table) for table in tables]

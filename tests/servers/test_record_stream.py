"""A recording that was played into Kafka and recorded from there is the same recording."""

from __future__ import annotations

import json
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from ingest.recording import read_recording
from tests.servers.clients import send

pytestmark = pytest.mark.kafka

DAYS = ("--grid", "example-9", "--start", "2025-03-30", "--days", "1")


def xiaona(*words: object, code: int = 0) -> str:
    command = [sys.executable, "-m", "pipeline.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.mark.parametrize("form", ["json", "arrow"])
def test_what_was_played_is_recorded_row_for_row(kafka, topic_prefix, tmp_path, form):
    kafka.create_topics([f"{topic_prefix}.{name}.v1" for name in ("telemetry", "official", "outage")])
    config = tmp_path / "stream.toml"
    config.write_text(f'[stream]\nbootstrap_servers = "of the address"\nprefix = "{topic_prefix}"\n', encoding="utf-8")
    stream = (f"kafka://{kafka.bootstrap}", "--config", config)
    xiaona("record", *DAYS, "--dirty", 7, "--out", tmp_path / "first")
    xiaona("play", tmp_path / "first", "--to", *stream, "--format", form)
    send(kafka.client(), f"{topic_prefix}.telemetry.v1", [b"poison"])
    told = json.loads(
        xiaona("record", "--grid", "example-9", "--from", *stream, "--recorded", "--out", tmp_path / "again")
    )

    first, again = (read_recording(tmp_path / name) for name in ("first", "again"))
    for name in ("readings", "official", "outages"):
        wanted = pq.read_table(tmp_path / "first" / f"{name}.parquet")
        assert pq.read_table(tmp_path / "again" / f"{name}.parquet").equals(wanted)
        assert told[name] == len(wanted)
    assert first.network == again.network
    (letter,) = pq.read_table(tmp_path / "again" / "dead_letters.parquet").to_pylist()
    assert (told["dead_letters"], letter["payload"]) == ({"not_json": 1}, b"poison")
    assert "not empty" in xiaona(
        "record", "--grid", "example-9", "--from", *stream, "--out", tmp_path / "again", code=2
    )

"""`xiaona ingest` from Kafka tells what it does: metrics, health, and a log that names places."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime

import httpx
import pytest

from ingest.catalogue import open_grid
from ingest.channels import channels_of
from tests.servers.clients import LONGEST_S, free_port, reading_of, send, until

pytestmark = pytest.mark.kafka

GRID, BEGINS = "example-9", datetime(2025, 1, 1, tzinfo=UTC)


def test_metrics_health_and_log_tell_what_came(kafka, topic_prefix, tmp_path):
    topic, port = f"{topic_prefix}.telemetry.v1", free_port()
    kafka.create_topics([topic], partitions=1)
    source = open_grid(GRID)
    channels = channels_of(source.network, source.reading_period).channels
    config = tmp_path / "ingest.toml"
    config.write_text(
        f"""[stream]\nbootstrap_servers = "of the address"\nprefix = "{topic_prefix}"
[metrics]\nlisten = "http://127.0.0.1:{port}"\n""",
        encoding="utf-8",
    )
    words = ["--from", f"kafka://{kafka.bootstrap}", "--grid", GRID, "--store", str(tmp_path / "store")]
    words += ["--config", str(config), "--until-idle", "1000"]
    sent = [reading_of(channel, BEGINS) for channel in channels]
    send(kafka.client(), topic, [*sent, *sent, b"poison"])
    end = 2 * len(sent) + 1

    def page() -> dict[str, str]:
        try:
            lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
        except httpx.TransportError:
            return {}
        return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))

    command = [sys.executable, "-m", "pipeline.cli", "ingest", *words]
    with (tmp_path / "log").open("w", encoding="utf-8") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            until(lambda: page().get('xiaona_readings_total{outcome="dead_letter"}') == "1.0")
            until(lambda: page().get(f'xiaona_consumer_lag{{partition="{topic}/0"}}') == "0.0")
            told = page()
            assert told['xiaona_readings_total{outcome="stored"}'] == str(float(len(sent)))
            assert told['xiaona_readings_total{outcome="duplicate"}'] == str(float(len(sent)))
            assert told['xiaona_dead_letters_total{reason="not_json"}'] == "1.0"
            assert float(told["xiaona_commit_seconds_count"]) >= 1
            assert float(told["xiaona_event_lag_seconds_count"]) == 2 * len(sent)
            for what in ("ready", "live"):
                assert httpx.get(f"http://127.0.0.1:{port}/health/{what}").status_code == 200
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(LONGEST_S) == 130
    lines = [
        json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines() if line[:1] == "{"
    ]
    (warning,) = [line for line in lines if line["event"] == "batch kept"]
    assert (warning["topic"], warning["partition"], warning["next_offset"]) == (topic, 0, end)
    assert len({line["run_id"] for line in lines}) == 1

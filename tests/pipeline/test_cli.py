"""The command line as its users meet it: bad input ends in words and exit code 2, never in a stack trace."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def xiaona(*arguments: str, cwd: object = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("replay", "--grid", "atlantis", "--start", "2020-04-18"), ["unknown grid", "atlantis", "rts-gmlc"]),
        (("replay", "--grid", "example-9", "--start", "1999-01-01"), ["days without data", "1999-01-01", "2025"]),
        (("replay", "--grid", "example-9", "--start", "soon"), ["--start", "soon", "YYYY-MM-DD"]),
        (("replay", "--start", "2025-03-30"), ["neither", "--grid or --recording"]),
        (("replay", "--grid", "example-9", "--start", "2025-03-30", "--rows", "ours,yours"), ["--rows", "yours"]),
        (("replay", "--grid", "example-9", "--start", "2025-03-30", "--scale", "wind=2"), ["--scale", "wind=2"]),
        (("replay", "--grid", "example-9", "--start", "2025-03-30", "--days", "0"), ["days", "0"]),
        (("validate", "nowhere"), ["no replay's export", "nowhere"]),
        (("store", "check", "--store", "nowhere"), ["no store", "nowhere"]),
        (("run", "--config", "nowhere.toml"), ["no such settings file", "nowhere.toml"]),
        (("grid", "show", "atlantis"), ["unknown grid", "atlantis"]),
        (("nosuch",), ["No such command", "nosuch", "--help"]),
        (("replay",), ["Missing option", "--start"]),
        (("validate", "out", "--nope"), ["No such option", "--nope"]),
        (("replay", "--start", "2025-03-30", "--days", "two"), ["--days", "integer"]),
    ],
)
def test_bad_input_ends_in_words_and_exit_code_two(arguments, words, tmp_path):
    run = xiaona(*arguments, cwd=tmp_path)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
    for word in words:
        assert word in run.stderr


def test_json_is_alone_on_standard_output(tmp_path):
    run = xiaona("grid", "show", "example-9", "--json", cwd=tmp_path)
    assert run.returncode == 0
    facts = json.loads(run.stdout)
    assert facts["buses"] == 9
    assert facts["time_zone"] == "Europe/Berlin"

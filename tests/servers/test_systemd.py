"""The unit file is one that systemd takes."""

from __future__ import annotations

import subprocess

import pytest

pytestmark = pytest.mark.system

START = "/opt/xiaona/.venv/bin/xiaona"
"""The program of an installation, which this machine need not have."""


def test_systemd_takes_the_unit_as_it_is(tmp_path, project_root):
    words = (project_root / "infra" / "systemd" / "xiaona.service").read_text(encoding="utf-8")
    assert words.count(START) == 1
    unit = tmp_path / "xiaona.service"
    unit.write_text(words.replace(START, "/bin/true"), encoding="utf-8")
    told = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


def test_systemd_says_what_is_wrong_with_a_unit(tmp_path):
    """The check can fail."""
    unit = tmp_path / "broken.service"
    unit.write_text("[Service]\nType=nonsense\n", encoding="utf-8")
    told = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert told.returncode != 0 or told.stderr

"""Rows side by side: a process that the system kills ends in words, and its row resumes."""

from __future__ import annotations

import os
import signal

import pytest

from gridcore.errors import ProcessKilledError
from pipeline import rows


def killed(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_row_is_told_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "_run_row", killed)
    with pytest.raises(ProcessKilledError, match="row's process was killed"):
        rows.run_rows([None], tmp_path, 1, lambda row: None)  # type: ignore[list-item]
    assert ProcessKilledError.exit_code == 130

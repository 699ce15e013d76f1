"""A live run whose own check finds a violation ends with exit code 3."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridcore.errors import LimitViolatedError
from pipeline.live import demand_good


def test_a_violation_ends_the_run_with_its_code():
    with pytest.raises(LimitViolatedError, match="bus balance") as caught:
        demand_good(
            {"status": "violated", "warnings": ["late rows", "1 violation; the first: bus balance"]}, Path("out")
        )
    assert caught.value.exit_code == 3
    demand_good({"status": "ok", "warnings": []}, Path("out"))

"""What every test room shares: property tests that repeat, and one hand on the machine's threads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples at each run: a red run is about the change, not about luck. No deadline: two rooms' tests share
# two cores, and a slow example is not a wrong one.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("search", derandomize=False, deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

collect_ignore = ["bench/peers"]
"""Programs of peers: they import what this environment has not."""


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The root of the checkout: where pyproject.toml and the rooms lie."""
    return Path(__file__).resolve().parents[1]

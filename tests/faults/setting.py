"""What the faults share: their first instant, and a pause."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

BEGINS = datetime(2025, 3, 27, tzinfo=UTC)
"""First reading; three days on the clocks of example-9's zone change (30 March 2025)."""


def pause(seconds: float) -> None:
    """Let real processes run for so long; what a fault waits for in the end it asks for, and does not guess."""
    threading.Event().wait(seconds)

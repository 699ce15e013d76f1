"""A push server to be killed: `kill -9` falls on it after the first commit and before its answer.

Run as `python -m tests.pipeline.push_victim GRID TOKENS STORE`; says on standard error where it listens.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from gridcore.ports import Batch, Counts
from pipeline.http_server import address_of
from pipeline.push_command import PushOptions, run_push
from storage.embedded import EmbeddedStore


class Killer:
    """An observer that ends its own process at the first batch."""

    def turned(self) -> None:
        """Nothing."""

    def kept(self, batch: Batch, counts: Counts, seconds: float) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def ticked(self, due: datetime, seconds: float, readiness: Mapping[str, str]) -> None:
        """Nothing."""


if __name__ == "__main__":
    grid, tokens, store = sys.argv[1:]
    options = PushOptions(grid, Path(tokens), lambda: EmbeddedStore(Path(store)))
    run_push(address_of("http://127.0.0.1:0"), options, lambda: False, Killer())

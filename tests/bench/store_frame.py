"""The training frame of a store's readings, in a process of its own: seconds and peak memory as JSON.

Usage: python -m tests.bench.store_frame STORE CHANNELS DAYS
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from storage.embedded import EmbeddedStore
from storage.frame import training_frame
from tests.bench.store_fill import START, channel_names


def main(path: Path, channels: int, days: int) -> None:
    """Open the store, make the frame, tell what it took."""
    end = START + timedelta(days=days)
    with closing(EmbeddedStore(path, is_read_only=True)) as store:
        begun, base_mb = time.perf_counter(), peak_mb()
        frame = training_frame(store.known_at(end + timedelta(days=1)), channel_names(channels), START, end)
        seconds = time.perf_counter() - begun
    told = {"seconds": seconds, "peak_mb": peak_mb(), "base_mb": base_mb, "values": int(frame.notna().sum().sum())}
    sys.stdout.write(json.dumps(told))


def peak_mb() -> float:
    """Largest resident memory of this process so far [MB]."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

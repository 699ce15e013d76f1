"""A writer to be killed: takes telemetry in and publishes for ever, and says what it was told is kept.

Run as `python -m tests.storage.writer DIR`; prints `OFFSET ISSUED` after each acknowledged step.
"""

from __future__ import annotations

import sys
from pathlib import Path

from storage import history, merging, segments
from storage.embedded import EmbeddedStore
from tests.contracts.store_content import decision
from tests.storage.telemetry import telemetry_batch

CHANNELS, SOURCE = 20, "plant/0"


def main(path: Path) -> None:
    """Write until killed; some batches are large enough for a segment, and others are sealed and merged meanwhile."""
    history.SEGMENT_ROWS, merging.HOT_ROWS, merging.FANOUT = 15 * CHANNELS, 5 * CHANNELS, 3
    segments.ROW_GROUP_ROWS, merging.WINDOW_ROWS = 64, 200
    store = EmbeddedStore(path)
    last = store.last_decision()
    issued = int(last[1]) + 1 if last else 0
    while True:
        first_step = store.offsets().get(SOURCE, 0) // CHANNELS
        steps = 20 if issued % 4 == 0 else 3
        store.accept(telemetry_batch(SOURCE, CHANNELS, first_step, steps), ())
        store.publish(decision(15 * issued, checkpoint=str(issued).encode()))
        print(store.offsets()[SOURCE], issued, flush=True)
        issued += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))

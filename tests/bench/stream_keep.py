"""The process whose memory is measured: what `xiaona ingest` does, on the benchmark's devices, until it is ended.

Usage: python -m tests.bench.stream_keep BOOTSTRAP PREFIX STORE; prints the number of readings stored.
"""

from __future__ import annotations

import signal
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import FrameType

from gridcore.clock import SystemClock
from ingest.kafka_feed import KafkaFeed
from ingest.kafka_settings import KafkaFeedSettings
from ingest.trip_switch import TripSwitch
from pipeline.ingest_command import Intake
from storage.embedded import EmbeddedStore
from tests.bench.stream_fill import CHANNELS


class _EndedError(Exception):
    """SIGTERM came."""


def _end(_number: int, _frame: FrameType | None) -> None:
    raise _EndedError


def main(bootstrap: str, prefix: str, store_at: str) -> None:
    """Keep what comes until SIGTERM."""
    signal.signal(signal.SIGTERM, _end)
    clock = SystemClock()
    with closing(EmbeddedStore(Path(store_at))) as store:
        settings = KafkaFeedSettings({"bootstrap.servers": bootstrap}, prefix)
        with closing(KafkaFeed(settings, CHANNELS, clock, store.offsets)) as feed:
            intake = Intake(feed, store, CHANNELS, clock, timedelta(days=1), TripSwitch(1.0))
            try:
                intake.run()
            except _EndedError:
                intake.until_idle = timedelta(seconds=2)
                intake.run()
        sys.stdout.write(f"{intake.counts.stored}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

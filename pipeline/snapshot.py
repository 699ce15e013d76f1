"""A snapshot: the store as it would stand at an instant, for commands that look at one decision alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from gridcore.ports import GridSource
from ingest.accept import accept
from ingest.channels import channels_of
from ingest.recording_feed import RecordingFeed
from pipeline.phase import HISTORY
from storage.embedded import EmbeddedStore

LOOK_AHEAD = timedelta(days=4)
"""How far beyond the instant official series may reach that were known at it."""


@contextmanager
def store_as_of(source: GridSource, instant: datetime, history: timedelta | None = None) -> Iterator[EmbeddedStore]:
    """A store in a temporary directory that has taken in all that a source delivered up to an instant.

    Args:
        source: The grid.
        instant: Nothing later is in the store.
        history: How much of the past to take in; all of it by default.
    """
    first = source.first if history is None else max(source.first, instant - history)
    last = min(source.last, instant + LOOK_AHEAD)
    feed = RecordingFeed(
        source.readings(first, min(instant, last)), source.official(first, last), source.outages(first, last),
        source=HISTORY,
    )  # fmt: skip
    channels = channels_of(source.network, source.reading_period)
    with tempfile.TemporaryDirectory(prefix="xiaona-") as directory:
        store = EmbeddedStore(Path(directory) / "store")
        try:
            while (batch := feed.next_until(instant)) is not None:
                accept(batch, store, channels)
            yield store
        finally:
            store.close()

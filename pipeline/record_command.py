"""`xiaona record --from kafka://...`: what comes over the topics as a recording, to be played and replayed."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from gridcore.clock import SystemClock
from gridcore.errors import BadInputError
from ingest.catalogue import open_grid
from ingest.feed_record import FeedRecorder
from pipeline.ingest_command import drained
from pipeline.stream_settings import StreamSettings
from pipeline.streams import kafka_feed


def record_stream(
    grid: str, out: Path, settings: StreamSettings, until_idle: timedelta, *, is_recorded: bool
) -> dict[str, object]:
    """Record what a grid's topics hold, from their beginnings on; gives the recording's facts.

    Args:
        grid: Name or directory of the grid.
        out: Directory to write.
        settings: Where and how.
        until_idle: How long nothing must come; at 0 the ends that the topics have are its end.
        is_recorded: A row was first had when it says, not when it came to the broker.

    Raises:
        BadInputError: The directory is not empty, there is no reading, or partitions were not read to their ends.
    """
    clock = SystemClock()
    alone = settings.model_copy(update={"group": ""})
    with closing(FeedRecorder(open_grid(grid), out)) as recorder:
        told = (alone, recorder.channels, dict, clock)
        with closing(kafka_feed(*told, honours_recorded_arrival=is_recorded)) as feed:
            feed.seek({})
            for batch in drained(feed, clock, until_idle, lambda: feed.is_ready):
                recorder.take(batch)
            if not feed.is_ready:
                got = "partitions that are not read to their ends"
                raise BadInputError("Kafka did not answer in time", file=settings.bootstrap_servers, got=got)
        return recorder.finish()

"""Kafka's adapters, wired from settings: the feed, a recording's player, and the outlet of what was decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from gridcore.clock import Clock
from gridcore.errors import BadInputError
from ingest.channels import ChannelTable
from ingest.grid_directory import AHEAD
from ingest.kafka_feed import KafkaFeed
from ingest.kafka_play import OFFICIAL_TOLD, OUTAGES_TOLD, READINGS_TOLD, Player
from ingest.kafka_settings import KafkaFeedSettings
from ingest.recording import read_recording
from ingest.wire_parts import ARROW, AVRO, BATCH_READERS, JSON, BatchReader
from pipeline.stream_settings import StreamSettings

FORMATS = {"json": JSON, "arrow": ARROW}
"""Content types by their names on the command line."""


def kafka_feed(
    settings: StreamSettings,
    channels: ChannelTable,
    offsets: Callable[[], Mapping[str, int]],
    clock: Clock,
    *,
    honours_recorded_arrival: bool,
) -> KafkaFeed:
    """The feed of a grid's topics, at the store's offsets.

    Args:
        settings: Where and how.
        channels: The grid's channels.
        offsets: The store's: where each partition goes on.
        clock: The machine's.
        honours_recorded_arrival: For replays of a recording alone.
    """
    told = KafkaFeedSettings(
        client=settings.client(),
        prefix=settings.prefix,
        group=settings.group,
        is_classic=settings.group_protocol == "classic",
        grace_s=settings.grace_s,
        max_buffered_mb=settings.max_buffered_mb,
        accepts_loss=settings.accepts_loss,
        readers=readers_of(settings),
        honours_recorded_arrival=honours_recorded_arrival,
    )
    return KafkaFeed(told, channels, clock, offsets)


def readers_of(settings: StreamSettings) -> Mapping[str, BatchReader]:
    """What reads messages of many readings, by content type; raises `BadInputError` where Avro's extra is lacking."""
    if not settings.takes_avro:
        return BATCH_READERS
    try:
        from ingest.avro_wire import read_avro
    except ModuleNotFoundError as cause:
        what, wanted = "Avro's library is not installed", "the extra: pip install 'xiaona[avro]'"
        raise BadInputError(what, got=cause, wanted=wanted) from cause
    return {**BATCH_READERS, AVRO: read_avro}


def play(recording: Path, settings: StreamSettings, form: str, together: timedelta) -> dict[str, int]:
    """Send a recording into its topics, outages first; the number of messages by table."""
    source = read_recording(recording)
    first, last = source.first, source.last
    player = Player(settings.client(), settings.prefix, FORMATS[form], together)
    return {
        "outages": player.play(OUTAGES_TOLD, source.outages(first, last + AHEAD)),
        "official": player.play(OFFICIAL_TOLD, source.official(first, last + AHEAD)),
        "readings": player.play(READINGS_TOLD, source.readings(first, last)),
    }

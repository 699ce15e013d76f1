"""A file of wire readings, one JSON object a line, as a feed; an offset is a line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from gridcore.clock import Clock
from gridcore.errors import BadInputError
from gridcore.network import Network
from gridcore.ports import Batch, DeadLetter
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA
from ingest.channels import ChannelTable
from ingest.decode import Undecodable, WireReading, decode, wire_table

LARGEST_BATCH = 20_000
"""Lines of one batch: decoding a line makes an object for each reading, so that batches stay small."""


class JsonLinesFeed:
    """The `Feed` of one file; lines come in their order, those that are no reading as undecodable messages.

    A reading arrived when it was sent; one without `sent_at` at its period's end plus the declared latency. A line that
    can't be decoded arrived when it was read.

    Args:
        file: UTF-8 text, one JSON object a line; empty lines count and are passed over.
        network: The grid, for its declared latency.
        channels: The grid's channels.
        source: Name of its source in batches and offsets.
        clock: Tells when a line was read.

    Raises:
        BadInputError: The file is not there or can't be read.
    """

    def __init__(self, file: Path, network: Network, channels: ChannelTable, source: str, clock: Clock) -> None:
        try:
            self._lines = file.read_bytes().split(b"\n")
        except OSError as cause:
            raise BadInputError("an unreadable file", file=file, got=cause, wanted="JSON lines") from cause
        if not self._lines[-1]:
            self._lines.pop()
        self._channels, self._source, self._clock, self._offset = channels, source, clock, 0
        self._latency = channels.period + timedelta(seconds=network.telemetry_latency_s)

    def next_until(self, due: datetime) -> Batch | None:
        """The next lines up to the first that came after `due`; None when there is none left."""
        readings: list[WireReading] = []
        arrived: list[datetime] = []
        undecodable: list[DeadLetter] = []
        line = self._offset
        for line in range(self._offset, min(len(self._lines), self._offset + LARGEST_BATCH)):
            payload = self._lines[line].strip()
            reading = decode(payload) if payload else None
            if isinstance(reading, WireReading):
                came = reading.sent_at or reading.valid_time + self._latency
                if came > due:
                    break
                readings.append(reading)
                arrived.append(came)
            elif isinstance(reading, Undecodable):
                undecodable.append(
                    DeadLetter(self._clock.now(), self._source, line, reading.reason, reading.detail, payload)
                )
        else:
            line = min(len(self._lines), self._offset + LARGEST_BATCH)
        if line == self._offset:
            return None
        start, self._offset = self._offset, line
        table = wire_table(readings, arrived, self._channels)
        empty = OFFICIAL_SCHEMA.empty_table(), OUTAGE_SCHEMA.empty_table()
        return Batch(self._source, start, line, table, *empty, tuple(undecodable))

    def seek(self, offsets: Mapping[str, int]) -> None:
        """Continue at the store's line; raises `BadInputError` for one beyond the file's end."""
        offset = offsets.get(self._source, 0)
        if not 0 <= offset <= len(self._lines):
            wanted = f"0 to {len(self._lines)}, the file's lines"
            raise BadInputError("the store's offset is not of this file", asset=self._source, got=offset, wanted=wanted)
        self._offset = offset

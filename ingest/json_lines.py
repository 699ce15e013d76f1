"""A file of wire readings, one JSON object a line, as a feed; an offset is a line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from gridcore.clock import Clock
from gridcore.errors import BadInputError
from gridcore.network import Network
from gridcore.ports import Batch, DeadLetter, Origin
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA
from gridcore.timeline import to_numpy
from ingest.channels import ChannelTable
from ingest.instants import UNREAD
from ingest.json_columns import json_columns
from ingest.wire import reading_table

LARGEST_BATCH = 20_000
"""Lines of one batch, so that one transaction stays small."""


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
        latency = channels.period + timedelta(seconds=network.telemetry_latency_s)
        self._latency_us = latency // timedelta(microseconds=1)

    def next_until(self, due: datetime) -> Batch | None:
        """The next lines up to the first that came after `due`; None when there is none left."""
        start = self._offset
        lines = [line.strip() for line in self._lines[start : start + LARGEST_BATCH]]
        places = np.array([place for place, line in enumerate(lines) if line], np.int64)
        columns, faults = json_columns([lines[place] for place in places])
        told = columns.sent_us != UNREAD
        came = np.where(told, columns.sent_us, columns.valid_us + self._latency_us)
        line_of = places[columns.message_of]
        late = np.flatnonzero(came > int(to_numpy(due).astype(np.int64)))
        end = int(line_of[late[0]]) if len(late) else len(lines)
        if not end:
            return None
        self._offset += end
        kept = int(np.searchsorted(line_of, end))
        table = reading_table(columns, came, self._channels).slice(0, kept)
        letters = [
            DeadLetter(self._clock.now(), self._source, start + place, fault.reason, fault.detail, lines[place])
            for at, fault in faults.items()
            if (place := int(places[at])) < end
        ]
        origin = Origin(start + line_of[:kept], np.zeros(kept, np.int64))
        empty = OFFICIAL_SCHEMA.empty_table(), OUTAGE_SCHEMA.empty_table()
        return Batch(self._source, start, self._offset, table, *empty, tuple(letters), origin)

    def seek(self, offsets: Mapping[str, int]) -> None:
        """Continue at the store's line; raises `BadInputError` for one beyond the file's end."""
        offset = offsets.get(self._source, 0)
        if not 0 <= offset <= len(self._lines):
            wanted = f"0 to {len(self._lines)}, the file's lines"
            raise BadInputError("the store's offset is not of this file", asset=self._source, got=offset, wanted=wanted)
        self._offset = offset

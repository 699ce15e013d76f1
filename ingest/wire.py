"""Messages of the telemetry topic to columns, whatever their form: JSON one reading a message, batches of many.

A message never raises: it, or the row of it that can't be decoded, becomes a dead letter with its reason and bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from gridcore.ports import DeadLetter
from gridcore.timeline import TIMESTAMP
from ingest.channels import ChannelTable
from ingest.forms import READINGS
from ingest.instants import UNREAD, Int64s
from ingest.json_columns import JsonColumns, json_columns
from ingest.wire_parts import (
    BATCH_READERS,
    JSON,
    BatchReader,
    Message,
    Messages,
    Part,
    batch_parts,
    joined,
    quantities,
)


@dataclass(frozen=True)
class Decoded:
    """What a batch of messages held."""

    readings: pa.Table
    """`READING_SCHEMA` with its texts numbered, in the order of message and row."""

    message_of: Int64s
    """Place of each reading's message in the batch, ascending, shape (readings,)."""

    row_of: Int64s
    """Row of each reading in its message, 0 for JSON, shape (readings,)."""

    undecodable: tuple[DeadLetter, ...]
    """Messages, and rows of messages, that could not be decoded, by message."""


def decode_messages(
    values: Sequence[Message],
    content_types: Sequence[str],
    arrived_us: Int64s,
    offsets: Int64s,
    source: str,
    channels: ChannelTable,
    *,
    honours_recorded_arrival: bool = False,
    readers: Mapping[str, BatchReader] = BATCH_READERS,
) -> Decoded:
    """The readings of messages of the telemetry topic.

    Args:
        values: The messages; None is a tombstone.
        content_types: Header `content-type` of each; empty where it has none, which is JSON.
        arrived_us: When each was first had [us since 1970 in UTC], shape (messages,).
        offsets: Offset of each in its partition, ascending, shape (messages,).
        source: `TOPIC/PARTITION`.
        channels: The grid's channels, which give a reading its quantity.
        honours_recorded_arrival: A reading's own `available_at` stands in place of `arrived_us`: a replay's feed.
        readers: Readers of batch messages by content type; pipeline adds Avro's.
    """
    messages = Messages(values, arrived_us, offsets, source, honours_recorded_arrival)
    is_json = np.array([content_type in {"", JSON} for content_type in content_types], bool)
    letters: list[DeadLetter] = []
    parts: list[Part] = []
    if is_json.any():
        part, faults = _json_part(messages, np.flatnonzero(is_json), channels)
        parts.append(part)
        letters += faults
    if not is_json.all():
        for found in batch_parts(messages, content_types, READINGS, readers, channels):
            (letters if isinstance(found, DeadLetter) else parts).append(found)  # type: ignore[arg-type]
        letters.sort(key=lambda letter: letter.offset)
    whole = joined(parts, READINGS.schema)
    return Decoded(whole.table, whole.message_of, whole.row_of, tuple(letters))


def reading_table(columns: JsonColumns, came_us: Int64s, channels: ChannelTable) -> pa.Table:
    """`READING_SCHEMA`, texts numbered, of JSON columns and when each reading came [us since 1970 in UTC]."""
    return pa.Table.from_arrays(
        [
            pa.array(came_us).view(TIMESTAMP),
            pa.array(columns.valid_us).view(TIMESTAMP),
            columns.site,
            columns.channel,
            quantities(columns.channel, channels),
            pa.array(columns.value),
            columns.unit,
            pa.array(columns.revision),
            pa.array(columns.quality),
        ],
        schema=READINGS.schema,
    )


def _json_part(messages: Messages, places: Int64s, channels: ChannelTable) -> tuple[Part, list[DeadLetter]]:
    """The readings of the messages that are JSON."""
    values = messages.values
    some = values if len(places) == len(values) else [values[place] for place in places]
    columns, faults = json_columns(some, honours_recorded_arrival=messages.honours_recorded_arrival)
    message_of = places[columns.message_of]
    came = np.where(columns.recorded_us == UNREAD, messages.arrived_us[message_of], columns.recorded_us)
    letters = [messages.letter(int(places[at]), fault.reason, fault.detail) for at, fault in faults.items()]
    return Part(reading_table(columns, came, channels), message_of, np.zeros(len(message_of), np.int64)), letters

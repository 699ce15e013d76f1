"""Messages of a topic to columns, whatever their form: JSON one reading a message, Arrow and Avro batches of many.

A message never raises: it, or the row of it that can't be decoded, becomes a dead letter with its reason and bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.ports import DeadLetter
from gridcore.reading import READING_SCHEMA
from gridcore.timeline import TIMESTAMP
from ingest.channels import ChannelTable
from ingest.instants import UNREAD, Int64s
from ingest.json_columns import JsonColumns, Message, json_columns
from ingest.reasons import UNKNOWN_CONTENT_TYPE

JSON, ARROW, AVRO = "application/json", "application/vnd.apache.arrow.stream", "application/avro"
"""Values of the header `content-type`; a message without one is JSON."""

TEXT = pa.dictionary(pa.int32(), pa.string())
"""Texts that repeat are numbered: no text object for each reading."""

DECODED_SCHEMA = pa.schema(
    [pa.field(field.name, TEXT if field.type == pa.string() else field.type) for field in READING_SCHEMA]
)
"""`READING_SCHEMA` with its texts numbered; whoever reads a column by name can't tell the difference."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Decoded:
    """What a batch of messages held."""

    readings: pa.Table
    """`DECODED_SCHEMA`, in the order of message and row."""

    message_of: Int64s
    """Place of each reading's message in the batch, ascending, shape (readings,)."""

    row_of: Int64s
    """Row of each reading in its message, 0 for JSON, shape (readings,)."""

    undecodable: tuple[DeadLetter, ...]
    """Messages, and rows of messages, that could not be decoded."""


def decode_messages(
    values: Sequence[Message],
    content_types: Sequence[str],
    arrived_us: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    source: str,
    channels: ChannelTable,
    *,
    honours_recorded_arrival: bool = False,
) -> Decoded:
    """The readings of messages of the telemetry topic.

    Args:
        values: The messages; None is a tombstone.
        content_types: Header `content-type` of each; empty where it has none.
        arrived_us: When each was first had [us since 1970 in UTC], shape (messages,).
        offsets: Offset of each in its partition, shape (messages,).
        source: `TOPIC/PARTITION`.
        channels: The grid's channels, which give a reading its quantity.
        honours_recorded_arrival: A reading's own `available_at` stands in place of `arrived_us`: a replay's feed.
    """
    forms = np.array([content_type or JSON for content_type in content_types])
    letters: list[DeadLetter] = []
    places = np.flatnonzero(forms == JSON)
    some = values if len(places) == len(values) else [values[place] for place in places]
    columns, faults = json_columns(some, honours_recorded_arrival=honours_recorded_arrival)
    came = arrived_us[places][columns.message_of]
    came = np.where(columns.recorded_us == UNREAD, came, columns.recorded_us)
    table = reading_table(columns, came, channels)
    for at, fault in faults.items():
        place = int(places[at])
        letters.append(_letter(arrived_us[place], source, offsets[place], fault.reason, fault.detail, values[place]))
    for place in np.flatnonzero(forms != JSON):
        detail = f"got content-type {str(forms[place])[:80]!a}; wanted {JSON}"
        letters.append(_letter(arrived_us[place], source, offsets[place], UNKNOWN_CONTENT_TYPE, detail, values[place]))
    letters.sort(key=lambda letter: letter.offset)
    return Decoded(table, places[columns.message_of], np.zeros(len(table), np.int64), tuple(letters))


def reading_table(columns: JsonColumns, came_us: Int64s, channels: ChannelTable) -> pa.Table:
    """`DECODED_SCHEMA` of JSON columns, and when each reading came [us since 1970 in UTC]."""
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
            pa.array(np.zeros(len(came_us), np.int32)),
        ],
        schema=DECODED_SCHEMA,
    )


def quantities(names: pa.DictionaryArray, channels: ChannelTable) -> pa.DictionaryArray:
    """The quantity of each channel, empty for one that the grid has not."""
    told = names.dictionary.to_pylist()
    words = [channels.channels[row].quantity if (row := channels.index.get(name)) is not None else "" for name in told]
    encoded = pa.array(words, pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(names.indices), encoded.dictionary)


def _letter(
    came_us: np.int64, source: str, offset: np.int64, reason: str, detail: str, payload: Message
) -> DeadLetter:
    came = EPOCH + timedelta(microseconds=int(came_us))
    return DeadLetter(came, source, int(offset), reason, detail, payload or b"")

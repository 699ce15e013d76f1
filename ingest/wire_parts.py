"""Parts: what single messages give, put together to one table in the order of messages and rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from gridcore.ports import DeadLetter
from gridcore.timeline import TIMESTAMP
from ingest.arrow_stream import VERSION, VERSION_KEY, read_stream
from ingest.channels import ChannelTable
from ingest.decode import Undecodable
from ingest.forms import Fitted, Form, fit
from ingest.instants import Int64s
from ingest.reasons import UNKNOWN_CONTENT_TYPE

JSON, ARROW, AVRO = "application/json", "application/vnd.apache.arrow.stream", "application/avro"
"""Values of the header `content-type`; a message without one is JSON."""

Message = bytes | None
"""The value of a message; None is a tombstone."""

BatchReader = Callable[[Message, Collection[str]], pa.Table | Undecodable]
"""Reads columns of a batch message, by name; never raises for what it holds."""

BATCH_READERS: Mapping[str, BatchReader] = {ARROW: read_stream}
"""How batch messages of a content type are read; Avro is an extra, see `ingest.avro_wire`."""

MOST_FAULTY_ROWS = 1_000
"""Dead letters that one message can cause; one with more faulty rows is a single dead letter with all its bytes."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Messages:
    """A batch of messages of one partition."""

    values: Sequence[Message]
    """The messages."""

    arrived_us: Int64s
    """When each was first had [us since 1970 in UTC], shape (messages,)."""

    offsets: Int64s
    """Offset of each, ascending, shape (messages,)."""

    source: str
    """`TOPIC/PARTITION`."""

    honours_recorded_arrival: bool
    """A row's own `available_at` stands in place of `arrived_us`."""

    def letter(self, place: int, reason: str, detail: str, payload: Message = None) -> DeadLetter:
        """The dead letter of a message, or of a row of it, whose payload is then its own."""
        came = EPOCH + timedelta(microseconds=int(self.arrived_us[place]))
        held = self.values[place] if payload is None else payload
        return DeadLetter(came, self.source, int(self.offsets[place]), reason, detail, held or b"")


@dataclass(frozen=True)
class Part:
    """Rows of some messages, in their order."""

    table: pa.Table
    """A form's schema."""

    message_of: Int64s
    """Place of each row's message, shape (rows,)."""

    row_of: Int64s
    """Each row's place in its message, shape (rows,)."""


def batch_parts(
    messages: Messages,
    content_types: Sequence[str],
    form: Form,
    readers: Mapping[str, BatchReader],
    channels: ChannelTable | None = None,
) -> Iterator[Part | DeadLetter]:
    """Rows and dead letters of the messages that are not JSON."""
    for place, content_type in enumerate(content_types):
        if content_type in {"", JSON}:
            continue
        if content_type not in readers:
            detail = f"got content-type {content_type[:80]!a}; wanted {JSON} or {', '.join(readers)}"
            yield messages.letter(place, UNKNOWN_CONTENT_TYPE, detail)
            continue
        names = [column.name for column in form.columns]
        table = readers[content_type](messages.values[place], names)
        fitted = table
        if isinstance(table, pa.Table):
            fitted = fit(table, form, honours_recorded_arrival=messages.honours_recorded_arrival)
        if isinstance(fitted, Undecodable):
            yield messages.letter(place, fitted.reason, fitted.detail)
            continue
        if len(fitted.faults) > MOST_FAULTY_ROWS:
            first = fitted.faults[0]
            yield messages.letter(place, first.reason, f"{len(fitted.faults)} faulty rows, the first: {first.detail}")
            continue
        for fault in fitted.faults:
            yield messages.letter(place, fault.reason, fault.detail, row_stream(table, fault.row))
        whole = _completed(fitted, form, int(messages.arrived_us[place]), channels)
        yield Part(whole, np.full(len(whole), place, np.int64), fitted.row_of)


def joined(parts: Sequence[Part], schema: pa.Schema) -> Part:
    """One part of all, in the order of message and row."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Part(schema.empty_table(), np.zeros(0, np.int64), np.zeros(0, np.int64))
    table = pa.concat_tables([part.table for part in parts]).unify_dictionaries().combine_chunks()
    message_of, row_of = (np.concatenate([getattr(part, name) for part in parts]) for name in ("message_of", "row_of"))
    if (np.diff(message_of) >= 0).all():
        return Part(table, message_of, row_of)
    order = np.argsort(message_of, kind="stable")
    return Part(table.take(pa.array(order)), message_of[order], row_of[order])


def quantities(names: pa.DictionaryArray, channels: ChannelTable) -> pa.DictionaryArray:
    """The quantity of each channel, empty for one that the grid has not."""
    number, of_channel = channels.words["quantity"]
    # A quantity of its own for what is unknown, behind the others.
    told = np.append(of_channel, np.int32(len(number)))[channels.rows_of(names.dictionary)]
    codes = told[names.indices.to_numpy(zero_copy_only=False)] if len(names) else told[:0]
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array([*number, ""], pa.string()))


def row_stream(table: pa.Table, row: int) -> bytes:
    """One row as an Arrow stream of its own, which can be sent again."""
    alone = table.slice(row, 1)
    plain = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in alone.columns
    ]
    fields = [field.with_type(column.type) for field, column in zip(alone.schema, plain, strict=True)]
    schema = pa.schema(fields, {VERSION_KEY: VERSION})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.Table.from_arrays(plain, schema=schema))
    told: bytes = sink.getvalue().to_pybytes()
    return told


def _completed(fitted: Fitted, form: Form, came_us: int, channels: ChannelTable | None) -> pa.Table:
    """The form's whole schema: what did not travel is 0, the arrival, or the channel's."""
    size = len(fitted.row_of)
    came = pa.array(np.full(size, came_us, np.int64)).view(TIMESTAMP)
    columns = dict(fitted.columns)
    columns["available_at"] = columns["available_at"].fill_null(came[0]) if "available_at" in columns and size else came
    for name in ("revision", "quality"):
        columns.setdefault(name, pa.array(np.zeros(size, np.int32)))
    if channels is not None:
        columns["quantity"] = quantities(columns["channel"], channels)
    return pa.Table.from_arrays([columns[name] for name in form.schema.names], schema=form.schema)

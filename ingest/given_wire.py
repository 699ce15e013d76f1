"""Messages of the topics of official values and of outages to columns: JSON one a message, Arrow batches of many.

JSON: `{"v":1,"asset","issue_time","valid_time","power_mw"}` and `{"v":1,"asset","from","until"}`. They are few beside
the readings, so that one road, that of the rules, will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from gridcore.ports import DeadLetter
from gridcore.timeline import to_numpy
from ingest.decode import Undecodable, lacking, read_object, wrong_instant, wrong_number, wrong_text
from ingest.forms import OFFICIAL, OUTAGES, Form, Sort
from ingest.instants import Int64s, instant
from ingest.wire_parts import BATCH_READERS, JSON, Message, Messages, Part, batch_parts, joined

WRONG = {Sort.TEXT: wrong_text, Sort.NUMBER: wrong_number}
"""How a field's type is looked at."""


@dataclass(frozen=True)
class DecodedGiven:
    """What a batch of messages held."""

    rows: pa.Table
    """`OFFICIAL_SCHEMA` or `OUTAGE_SCHEMA` with its texts numbered, in the order of message and row."""

    message_of: Int64s
    """Place of each row's message in the batch, ascending, shape (rows,)."""

    row_of: Int64s
    """Each row's place in its message, 0 for JSON, shape (rows,)."""

    undecodable: tuple[DeadLetter, ...]
    """Messages, and rows of messages, that could not be decoded, by message."""


def decode_official(
    values: Sequence[Message],
    content_types: Sequence[str],
    arrived_us: Int64s,
    offsets: Int64s,
    source: str,
    *,
    honours_recorded_arrival: bool = False,
) -> DecodedGiven:
    """The official values of messages; the arguments are those of `ingest.wire.decode_messages`."""
    return _decode(Messages(values, arrived_us, offsets, source, honours_recorded_arrival), content_types, OFFICIAL)


def decode_outages(
    values: Sequence[Message],
    content_types: Sequence[str],
    arrived_us: Int64s,
    offsets: Int64s,
    source: str,
    *,
    honours_recorded_arrival: bool = False,
) -> DecodedGiven:
    """The outages of messages; the arguments are those of `ingest.wire.decode_messages`."""
    return _decode(Messages(values, arrived_us, offsets, source, honours_recorded_arrival), content_types, OUTAGES)


def _decode(messages: Messages, content_types: Sequence[str], form: Form) -> DecodedGiven:
    """Rows of both forms of message, and dead letters of what is none."""
    letters: list[DeadLetter] = []
    rows: list[dict[str, Any]] = []
    places: list[int] = []
    for place, content_type in enumerate(content_types):
        if content_type not in {"", JSON}:
            continue
        told = _row(messages.values[place], form, honours_recorded_arrival=messages.honours_recorded_arrival)
        if isinstance(told, Undecodable):
            letters.append(messages.letter(place, told.reason, told.detail))
            continue
        rows.append(told)
        places.append(place)
    message_of = np.array(places, np.int64)
    parts = [Part(_table(rows, messages.arrived_us[message_of], form), message_of, np.zeros(len(rows), np.int64))]
    for found in batch_parts(messages, content_types, form, BATCH_READERS):
        (letters if isinstance(found, DeadLetter) else parts).append(found)  # type: ignore[arg-type]
    letters.sort(key=lambda letter: letter.offset)
    whole = joined(parts, form.schema)
    return DecodedGiven(whole.table, whole.message_of, whole.row_of, tuple(letters))


def _row(payload: Message, form: Form, *, honours_recorded_arrival: bool) -> dict[str, Any] | Undecodable:
    """The row of a JSON message."""
    words = read_object(payload)
    if isinstance(words, Undecodable):
        return words
    if (wrong := lacking(words, tuple(column.name for column in form.columns if column.is_needed))) is not None:
        return wrong
    row: dict[str, Any] = {}
    for column in form.columns:
        name = column.name
        if column.is_recorded and not honours_recorded_arrival:
            continue
        if column.sort in WRONG and (wrong := WRONG[column.sort](words, name)) is not None:
            return wrong
        row[name] = told = words.get(name)
        if column.sort is Sort.INSTANT:
            row[name] = at = instant(told)
            if at is None and (column.is_needed or told is not None):
                return wrong_instant(words, name)
    return row


def _table(rows: list[dict[str, Any]], arrived_us: Int64s, form: Form) -> pa.Table:
    """Rows as a table of the form's schema."""
    columns = []
    for field in form.schema:
        told: list[Any] = [row.get(field.name) for row in rows]
        if field.name == "available_at":
            told = [own if own is not None else int(came) for own, came in zip(told, arrived_us, strict=True)]
        if pa.types.is_timestamp(field.type):
            columns.append(pa.array([_micros(at) for at in told], pa.int64()).view(field.type))
        elif pa.types.is_dictionary(field.type):
            columns.append(pa.array(told, pa.string()).dictionary_encode())
        else:
            columns.append(pa.array(np.array(told, np.float64)))
    return pa.Table.from_arrays(columns, schema=form.schema)


def _micros(instant: datetime | int) -> int:
    return instant if isinstance(instant, int) else int(to_numpy(instant).astype(np.int64))

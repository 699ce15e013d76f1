"""Many JSON messages to columns, fast: typed decoding without a dictionary for each, instants as a matrix of digits.

The rules are `ingest.decode`'s. What is not decoded here at once (a fault, an unusual way to write an instant, NaN)
goes through them message by message, so that the two roads differ in speed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.timeline import to_numpy
from ingest.decode import DEEPEST, LARGEST_JSON, LARGEST_REVISION, Undecodable, WireReading, decode
from ingest.instants import UNREAD, Int64s, instants_of

Whole = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_REVISION)]


class Row(msgspec.Struct, gc=False):
    """A reading as it stands in a message; fields that it does not name are passed over."""

    v: Literal[1]
    site: str
    channel: str
    valid_time: str
    value: float | None
    unit: str
    revision: Whole = 0
    sent_at: str | None = None


class RecordedRow(Row, gc=False):
    """A reading of a recording: when it was first had, and its flags."""

    available_at: str | None = None
    quality: Whole = 0


PLAIN, RECORDED = msgspec.json.Decoder(Row), msgspec.json.Decoder(RecordedRow)


@dataclass(frozen=True)
class JsonColumns:
    """Readings of a batch of messages as columns, in the messages' order; shape (readings,) each."""

    message_of: Int64s
    """Place of each reading's message in the batch."""

    site: pa.DictionaryArray
    """As sent."""

    channel: pa.DictionaryArray
    """As sent."""

    unit: pa.DictionaryArray
    """As sent."""

    valid_us: Int64s
    """Start of the period [us since 1970 in UTC]."""

    value: npt.NDArray[np.float64]
    """NaN where the sender gave null."""

    revision: npt.NDArray[np.int32]
    """0 for the first sending."""

    sent_us: Int64s
    """When it was sent [us since 1970 in UTC]; `UNREAD` where it is not told."""

    recorded_us: Int64s
    """When a recording first had it, likewise."""

    quality: npt.NDArray[np.int32]
    """Flags that a recording has, 0 otherwise."""


def json_columns(
    values: Sequence[bytes | None], *, honours_recorded_arrival: bool = False
) -> tuple[JsonColumns, dict[int, Undecodable]]:
    """The readings of messages, and why the others can't be decoded, by place; never raises for what they hold."""
    rows, message_of, slow = _rows(values, RECORDED if honours_recorded_arrival else PLAIN)
    instants = [_instants([row.valid_time for row in rows])]
    unread = instants[0] == UNREAD
    for name in ("sent_at", "available_at"):
        texts = pa.array([getattr(row, name, None) for row in rows], pa.string())
        instants.append(instants_of(texts))
        unread |= (instants[-1] == UNREAD) & texts.is_valid().to_numpy(zero_copy_only=False)
    if not slow and not unread.any():
        return _columns(rows, message_of, instants), {}
    places = sorted({*slow, *message_of[unread].tolist()})
    told = {at: decode(values[at], honours_recorded_arrival=honours_recorded_arrival) for at in places}
    faults = {at: answer for at, answer in told.items() if isinstance(answer, Undecodable)}
    readings = {at: answer for at, answer in told.items() if isinstance(answer, WireReading)}
    return _merged(rows, message_of, instants, np.flatnonzero(~unread), readings), faults


def _rows(
    values: Sequence[bytes | None], decoder: msgspec.json.Decoder[Row] | msgspec.json.Decoder[RecordedRow]
) -> tuple[list[Row], Int64s, list[int]]:
    """Rows that are decoded at once, the places of their messages, and the places of all others."""
    places: Sequence[int] = range(len(values)) if _is_plain(values) else _plain_places(values)
    rows, failed = _typed(values, places, decoder)
    done = np.zeros(len(values), bool)
    done[np.asarray(places, np.int64)] = True
    done[failed] = False
    message_of = np.flatnonzero(done)
    if len(failed) >= DEEPEST:
        # So many may have left their brackets to one that is nested too deeply.
        flat = [(values[place] or b"").count(b"{") <= DEEPEST for place in message_of.tolist()]
        rows, message_of = list(compress(rows, flat)), message_of[flat]
        done[:] = False
        done[message_of] = True
    return rows, message_of, np.flatnonzero(~done).tolist()


def _typed(
    values: Sequence[bytes | None],
    places: Sequence[int],
    decoder: msgspec.json.Decoder[Row] | msgspec.json.Decoder[RecordedRow],
) -> tuple[list[Row], list[int]]:
    """Rows of the messages at some places, and the places of those that the decoder refuses."""
    decode_one = decoder.decode
    rows: list[Row] = []
    failed: list[int] = []
    pending = iter(places)
    while len(rows) + len(failed) < len(places):
        try:
            # What was decoded before a message that raises stays in the list; the iterator stands behind that message.
            rows.extend(decode_one(values[place]) for place in pending)  # type: ignore[arg-type]
        except (msgspec.MsgspecError, ValueError, RecursionError):
            failed.append(places[len(rows) + len(failed)])
    return rows, failed


def _is_plain(values: Sequence[bytes | None]) -> bool:
    """No message is empty, large or not UTF-8, and none nested if each has a bracket.

    The typed decoder sees none of this in fields that it passes over.
    """
    if not all(values):
        return False
    joined = b"\n".join(values)  # type: ignore[arg-type]
    if len(joined) > LARGEST_JSON and max(map(len, values)) > LARGEST_JSON:  # type: ignore[arg-type]
        return False
    return joined.count(b"{") <= len(values) and b"[" not in joined and _decodes(joined)


def _plain_places(values: Sequence[bytes | None]) -> list[int]:
    """Places of the messages of which `_is_plain` could be said, with few brackets instead of one."""
    return [
        place
        for place, value in enumerate(values)
        if value and len(value) <= LARGEST_JSON and value.count(b"{") + value.count(b"[") <= DEEPEST and _decodes(value)
    ]


def _decodes(text: bytes) -> bool:
    """The bytes are UTF-8."""
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False


def _instants(texts: Sequence[str]) -> Int64s:
    return instants_of(pa.array(texts, pa.string()))


def _merged(
    rows: list[Row], message_of: Int64s, instants: list[Int64s], kept: Int64s, readings: dict[int, WireReading]
) -> JsonColumns:
    """Columns of the kept rows and of the readings that came by the rules, in the messages' order."""
    rows = [rows[at] for at in kept] + [_row(reading) for reading in readings.values()]
    more = [
        np.array([_micros(getattr(reading, name)) for reading in readings.values()], np.int64)
        for name in ("valid_time", "sent_at", "available_at")
    ]
    message_of = np.concatenate([message_of[kept], np.array(list(readings), np.int64)])
    order = np.argsort(message_of, kind="stable")
    instants = [np.concatenate([column[kept], told])[order] for column, told in zip(instants, more, strict=True)]
    return _columns([rows[at] for at in order], message_of[order], instants)


def _row(reading: WireReading) -> Row:
    """A reading that came by the rules as a row; its instants travel beside it."""
    words = reading.site, reading.channel, "", reading.value, reading.unit, reading.revision, None, None
    return RecordedRow(1, *words, reading.quality)


def _micros(instant: datetime | None) -> int:
    return UNREAD if instant is None else int(to_numpy(instant).astype(np.int64))


def _columns(rows: list[Row], message_of: Int64s, instants: list[Int64s]) -> JsonColumns:
    """Rows and their instants (valid_time, sent_at, available_at) as columns."""
    return JsonColumns(
        message_of,
        pa.array([row.site for row in rows], pa.string()).dictionary_encode(),
        pa.array([row.channel for row in rows], pa.string()).dictionary_encode(),
        pa.array([row.unit for row in rows], pa.string()).dictionary_encode(),
        instants[0],
        np.array([row.value for row in rows], np.float64),
        np.array([row.revision for row in rows], np.int32),
        instants[1],
        instants[2],
        np.array([getattr(row, "quality", 0) for row in rows], np.int32),
    )

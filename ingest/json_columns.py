"""Many JSON messages to columns, fast: typed decoding without a dictionary for each, instants as a matrix of digits.

The rules are `ingest.decode`'s. What is not decoded here at once (a fault, an unusual way to write an instant, NaN) goes
through them message by message, so that the two roads differ in speed alone. One core decodes a million a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.timeline import to_numpy
from ingest.decode import DEEPEST, LARGEST_JSON, LARGEST_REVISION, Undecodable, WireReading, decode
from ingest.instants import UNREAD, Int64s, instants_of

Message = bytes | None
"""The value of a message; None is a tombstone."""


class Row(msgspec.Struct, gc=False):
    """A reading as it stands in a message; fields that it does not name are passed over."""

    v: Literal[1]
    site: str
    channel: str
    valid_time: str
    value: float | None
    unit: str
    revision: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_REVISION)] = 0
    sent_at: str | None = None


class RecordedRow(Row, gc=False):
    """A reading that tells when a recording first had it."""

    available_at: str | None = None


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


def json_columns(
    values: Sequence[Message], *, honours_recorded_arrival: bool = False
) -> tuple[JsonColumns, dict[int, Undecodable]]:
    """The readings of messages, and why the others can't be decoded, by place; never raises for what they hold."""
    rows, message_of, slow = _rows(values, honours_recorded_arrival)
    instants = [_instants([row.valid_time for row in rows]), _instants([row.sent_at for row in rows])]
    recorded = [row.available_at for row in rows] if honours_recorded_arrival else None  # type: ignore[attr-defined]
    instants.append(_instants(recorded) if recorded is not None else _untold(len(rows)))
    unread = instants[0] == UNREAD
    for column, texts in zip(instants[1:], ([row.sent_at for row in rows], recorded), strict=True):
        if texts is not None:
            unread |= (column == UNREAD) & np.array([text is not None for text in texts], bool)
    slow = sorted({*slow, *message_of[unread].tolist()})
    answers = {at: decode(values[at], honours_recorded_arrival=honours_recorded_arrival) for at in slow}
    faults = {at: answer for at, answer in answers.items() if isinstance(answer, Undecodable)}
    return _joined(rows, message_of, instants, unread, answers), faults


def _rows(values: Sequence[Message], honours_recorded_arrival: bool) -> tuple[list[Row], Int64s, list[int]]:
    """Rows that are decoded at once, the places of their messages, and the places of all others."""
    one = (RECORDED if honours_recorded_arrival else PLAIN).decode
    places = range(len(values)) if _is_plain(values) else _plain_places(values)
    rows: list[Row] = []
    failed: list[int] = []
    pending = iter(places)
    while True:
        try:
            # What was decoded before a message that raises stays in the list; the iterator stands behind that message.
            rows.extend(one(values[place]) for place in pending)  # type: ignore[arg-type]
            break
        except (msgspec.MsgspecError, ValueError, RecursionError):
            failed.append(places[len(rows) + len(failed)])
    if len(rows) == len(values):
        return rows, np.arange(len(values)), []
    done = np.zeros(len(values), bool)
    done[np.asarray(places, np.int64)] = True
    done[failed] = False
    return rows, np.flatnonzero(done), np.flatnonzero(~done).tolist()


def _is_plain(values: Sequence[Message]) -> bool:
    """No message is empty, large, not UTF-8 or nested: what the typed decoder would not see in fields it passes over."""
    if not all(values):
        return False
    joined = b"\n".join(values)  # type: ignore[arg-type]
    if len(joined) > LARGEST_JSON and max(map(len, values)) > LARGEST_JSON:  # type: ignore[arg-type]
        return False
    return joined.count(b"{") <= len(values) and b"[" not in joined and _decodes(joined)


def _plain_places(values: Sequence[Message]) -> list[int]:
    """Places of the messages of which `_is_plain` could be said, with few brackets instead of one."""
    return [
        place
        for place, value in enumerate(values)
        if value
        and len(value) <= LARGEST_JSON
        and value.count(b"{") + value.count(b"[") <= DEEPEST
        and _decodes(value)
    ]


def _decodes(text: bytes) -> bool:
    """The bytes are UTF-8."""
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False


def _instants(texts: Sequence[str | None]) -> Int64s:
    return instants_of(pa.array(texts, pa.string()))


def _untold(size: int) -> Int64s:
    return np.full(size, UNREAD, np.int64)


def _micros(reading: WireReading, name: str) -> int:
    told = getattr(reading, name)
    return UNREAD if told is None else int(to_numpy(told).astype(np.int64))


def _joined(
    rows: list[Row],
    message_of: Int64s,
    instants: list[Int64s],
    unread: npt.NDArray[np.bool_],
    answers: dict[int, WireReading | Undecodable],
) -> JsonColumns:
    """Columns of the rows of both roads, in the messages' order."""
    slow = {at: answer for at, answer in answers.items() if isinstance(answer, WireReading)}
    if answers:
        keep = np.flatnonzero(~unread)
        rows = [rows[at] for at in keep] + [_row(reading) for reading in slow.values()]
        names = ("valid_time", "sent_at", "available_at")
        told = [np.array([_micros(reading, name) for reading in slow.values()], np.int64) for name in names]
        instants = [np.concatenate([column[keep], more]) for column, more in zip(instants, told, strict=True)]
        message_of = np.concatenate([message_of[keep], np.array(list(slow), np.int64)])
        order = np.argsort(message_of, kind="stable")
        rows, message_of = [rows[at] for at in order], message_of[order]
        instants = [column[order] for column in instants]
    return JsonColumns(
        message_of,
        *(pa.array([getattr(row, name) for row in rows], pa.string()).dictionary_encode() for name in TEXTS),
        instants[0],
        np.array([row.value for row in rows], np.float64),
        np.array([row.revision for row in rows], np.int32),
        instants[1],
        instants[2],
    )


TEXTS = ("site", "channel", "unit")
"""Columns of texts, in the order of `JsonColumns`."""


def _row(reading: WireReading) -> Row:
    """A reading of the slow road as a row; its instants travel beside it."""
    return Row(1, reading.site, reading.channel, "", reading.value, reading.unit, reading.revision)

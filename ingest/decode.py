"""The wire form of a reading: one JSON object, decoded to columns, or a reason why it can't be.

`{"v":1,"site","channel","valid_time" (RFC 3339 with offset),"value","unit","revision","sent_at"}` (INTERFACES.md).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from gridcore.reading import READING_SCHEMA
from gridcore.timeline import TIMESTAMP
from ingest.channels import ChannelTable

VERSION = 1
"""Version of the wire form."""

NOT_JSON, NOT_A_READING, WRONG_VERSION = "not_json", "not_a_reading", "wrong_version"
MISSING_FIELD, WRONG_TYPE, WRONG_INSTANT = "missing_field", "wrong_type", "wrong_instant"
"""Why a message can't be decoded."""

FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Years in which a reading can be; beyond them a clock is broken and sums of instants overflow."""

NEEDED = {"site": str, "channel": str, "valid_time": str, "unit": str}
"""Fields that every reading has, besides its version and value."""


@dataclass(frozen=True, slots=True)
class WireReading:
    """One decoded reading."""

    site: str
    """Its site, as sent."""

    channel: str
    """Its channel, as sent."""

    valid_time: datetime
    """Start of its period, in UTC."""

    value: float
    """NaN where the sender gave null."""

    unit: str
    """Its unit, as sent."""

    revision: int
    """0 for the first sending."""

    sent_at: datetime | None
    """When it was sent, in UTC, if told."""


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A message that is no reading."""

    reason: str
    """One of the fixed reasons."""

    detail: str
    """What came and what was wanted."""


def decode(payload: bytes) -> WireReading | Undecodable:
    """The reading of a message; never raises for what a message holds."""
    try:
        words = json.loads(payload)
    except (ValueError, RecursionError) as cause:
        return Undecodable(NOT_JSON, f"got {cause}; wanted a JSON object")
    if not isinstance(words, dict):
        return Undecodable(NOT_A_READING, f"got {type(words).__name__}; wanted a JSON object")
    if type(words.get("v")) is not int or words["v"] != VERSION:
        return Undecodable(WRONG_VERSION, f"got v {words.get('v')!r}; wanted {VERSION}")
    if missing := [name for name in (*NEEDED, "value") if name not in words]:
        return Undecodable(MISSING_FIELD, f"got {', '.join(words)}; wanted {', '.join(missing)}")
    if (wrong := _wrong_type(words)) is not None:
        return wrong
    instants: dict[str, datetime | None] = {}
    for name in ("valid_time", "sent_at"):
        instant = _instant(name, words.get(name))
        if isinstance(instant, Undecodable):
            return instant
        instants[name] = instant
    valid_time = instants["valid_time"]
    if valid_time is None:
        return Undecodable(
            WRONG_INSTANT, "got valid_time null; wanted RFC 3339 with an offset, in the years 1900 to 2200"
        )
    value = float("nan") if words["value"] is None else float(words["value"])
    texts = words["site"], words["channel"]
    return WireReading(*texts, valid_time, value, words["unit"], words.get("revision", 0), instants["sent_at"])


def encode(reading: WireReading) -> bytes:
    """The message of a reading; decoding it gives an equal one."""
    words = {
        "v": VERSION,
        "site": reading.site,
        "channel": reading.channel,
        "valid_time": reading.valid_time.isoformat(),
        "value": reading.value if np.isfinite(reading.value) else None,
        "unit": reading.unit,
        "revision": reading.revision,
    }
    if reading.sent_at is not None:
        words["sent_at"] = reading.sent_at.isoformat()
    return json.dumps(words, separators=(",", ":")).encode()


def wire_table(readings: Sequence[WireReading], arrived: Sequence[datetime], channels: ChannelTable) -> pa.Table:
    """`READING_SCHEMA` in the order given; the quantity is the channel's, empty for a channel the grid has not.

    Args:
        readings: Decoded readings.
        arrived: When each one arrived, in UTC.
        channels: The grid's channels.
    """
    known = [channels[r.channel].quantity if r.channel in channels.index else "" for r in readings]
    columns = [
        pa.array(list(arrived), TIMESTAMP),
        pa.array([r.valid_time for r in readings], TIMESTAMP),
        pa.array([r.site for r in readings], pa.string()),
        pa.array([r.channel for r in readings], pa.string()),
        pa.array(known, pa.string()),
        pa.array([r.value for r in readings], pa.float64()),
        pa.array([r.unit for r in readings], pa.string()),
        pa.array([r.revision for r in readings], pa.int32()),
        pa.array(np.zeros(len(readings), np.int32)),
    ]
    return pa.Table.from_arrays(columns, schema=READING_SCHEMA)


def _wrong_type(words: dict[str, object]) -> Undecodable | None:
    """The first field of a wrong type."""
    for name, kind in NEEDED.items():
        if not isinstance(words[name], kind):
            return Undecodable(WRONG_TYPE, f"got {name} {words[name]!r}"[:200] + "; wanted a text")
        if not _is_utf8(str(words[name])):
            return Undecodable(WRONG_TYPE, f"got {name} {words[name]!a}"[:200] + "; wanted text that UTF-8 holds")
    value, revision = words["value"], words.get("revision", 0)
    if isinstance(value, bool) or not (value is None or isinstance(value, int | float)) or _is_huge(value):
        return Undecodable(WRONG_TYPE, f"got value {value!r}"[:200] + "; wanted a number or null")
    if type(revision) is not int or not 0 <= revision < 2**31:
        return Undecodable(WRONG_TYPE, f"got revision {revision!r}"[:200] + "; wanted a whole number of 0 or more")
    return None


def _is_utf8(text: str) -> bool:
    """UTF-8 holds the text; JSON can escape half a surrogate pair."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _is_huge(value: object) -> bool:
    """A whole number that no float64 holds (JSON knows no limit)."""
    return isinstance(value, int) and abs(value) > 2**1000


def _instant(name: str, text: object) -> datetime | Undecodable | None:
    """An instant in UTC; None where it is null or absent."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(str(text))
        if instant.tzinfo is not None and FIRST_YEAR <= instant.year <= LAST_YEAR:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    return Undecodable(
        WRONG_INSTANT, f"got {name} {text!r}"[:200] + "; wanted RFC 3339 with an offset, in the years 1900 to 2200"
    )

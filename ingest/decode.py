"""The wire form of a reading: one JSON object, decoded by the rules, or a reason why it can't be.

`{"v":1,"site","channel","valid_time" (RFC 3339 with offset),"value","unit","revision","sent_at"}` (INTERFACES.md).
These are the rules; `ingest.json_columns` is their fast road for batches and gives nothing that they do not.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from ingest.instants import WANTED, instant
from ingest.reasons import (
    EMPTY_MESSAGE,
    MISSING_FIELD,
    NOT_A_READING,
    NOT_JSON,
    TOO_LARGE,
    WRONG_INSTANT,
    WRONG_TYPE,
    WRONG_VERSION,
)

VERSION = 1
"""Version of the wire form."""

LARGEST_JSON = 1 << 20
"""Bytes of a JSON message at most: Kafka's own default, four thousand times what a reading needs."""

DEEPEST = 64
"""Brackets within brackets at most. Python's parser gives up at a depth that hangs on who called it; ours must not."""

LARGEST_REVISION = 2**31 - 1
"""A revision is an int32."""

LONGEST_NUMBER = 400
"""Digits beyond which a whole number fits no float64; Python refuses to read one of more than 4,300."""

NEEDED = ("site", "channel", "valid_time", "unit")
"""Texts that every reading has, besides its version and value."""

_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_BOM = b"\xef\xbb\xbf"


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

    available_at: datetime | None = None
    """When a recording first had it, in UTC; only of a feed that honours it."""

    quality: int = 0
    """Flags that a recording has; only of a feed that honours it."""


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A message that can't be decoded."""

    reason: str
    """One of the fixed reasons."""

    detail: str
    """What came and what was wanted."""


def decode(payload: bytes | None, *, honours_recorded_arrival: bool = False) -> WireReading | Undecodable:
    """The reading of a message; never raises for what a message holds.

    Args:
        payload: The message; None is a tombstone.
        honours_recorded_arrival: Read the fields `available_at` and `quality`, which are passed over otherwise.
    """
    words = read_object(payload)
    if isinstance(words, Undecodable):
        return words
    wrong = lacking(words, (*NEEDED, "value")) or _wrong_type(words)
    if wrong is None and honours_recorded_arrival:
        wrong = wrong_whole(words, "quality")
    if wrong is not None:
        return wrong
    told: dict[str, datetime | None] = {}
    for name in ("valid_time", "sent_at", *(("available_at",) if honours_recorded_arrival else ())):
        told[name] = instant(words.get(name))
        if told[name] is None and (name == "valid_time" or words.get(name) is not None):
            return wrong_instant(words, name)
    valid_time = told["valid_time"]
    assert valid_time is not None
    value = float("nan") if words["value"] is None else float(words["value"])
    rest = words["unit"], words.get("revision", 0), told["sent_at"], told.get("available_at")
    quality = words.get("quality", 0) if honours_recorded_arrival else 0
    return WireReading(words["site"], words["channel"], valid_time, value, *rest, quality)


def encode(reading: WireReading) -> bytes:
    """The message of a reading; decoding it gives an equal one, save that an infinite value comes back as NaN."""
    words: dict[str, object] = {
        "v": VERSION,
        "site": reading.site,
        "channel": reading.channel,
        "valid_time": reading.valid_time.isoformat(),
        "value": reading.value if np.isfinite(reading.value) else None,
        "unit": reading.unit,
        "revision": reading.revision,
    }
    for name in ("sent_at", "available_at"):
        if (told := getattr(reading, name)) is not None:
            words[name] = told.isoformat()
    if reading.quality:
        words["quality"] = reading.quality
    return json.dumps(words, separators=(",", ":")).encode()


def read_object(payload: bytes | None) -> dict[str, Any] | Undecodable:
    """The fields of a JSON message of our version; of a field that comes twice the last one."""
    if not payload:
        return Undecodable(EMPTY_MESSAGE, "got no bytes; wanted a JSON object")
    if len(payload) > LARGEST_JSON:
        return Undecodable(TOO_LARGE, f"got {len(payload)} bytes; wanted {LARGEST_JSON} at most")
    if is_deep(payload):
        return Undecodable(NOT_JSON, f"got brackets nested deeper than {DEEPEST}; wanted a JSON object")
    try:
        words = json.loads(payload.removeprefix(_BOM).decode(), parse_int=_whole)
    except (ValueError, RecursionError) as cause:
        return Undecodable(NOT_JSON, f"got {cause}"[:200] + "; wanted a JSON object in UTF-8")
    if not isinstance(words, dict):
        return Undecodable(NOT_A_READING, f"got {type(words).__name__}; wanted a JSON object")
    if type(words.get("v")) is not int or words["v"] != VERSION:
        return Undecodable(WRONG_VERSION, f"got v {words.get('v')!r}"[:200] + f"; wanted {VERSION}")
    return words


def is_deep(payload: bytes) -> bool:
    """Brackets are nested deeper than `DEEPEST`, those within texts not counted."""
    if payload.count(b"{") + payload.count(b"[") <= DEEPEST:
        return False
    depth = 0
    for bracket in _BRACKETS.findall(_QUOTED.sub(b"", payload)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            return True
    return False


def lacking(words: dict[str, Any], needed: tuple[str, ...]) -> Undecodable | None:
    """The fields that are not there."""
    missing = [name for name in needed if name not in words]
    if not missing:
        return None
    return Undecodable(MISSING_FIELD, f"got {', '.join(map(ascii, words))}"[:200] + f"; wanted {', '.join(missing)}")


def wrong_text(words: dict[str, Any], name: str) -> Undecodable | None:
    """Why a field is no text."""
    if not isinstance(words[name], str):
        return Undecodable(WRONG_TYPE, f"got {name} {words[name]!r}"[:200] + "; wanted a text")
    if not is_utf8(words[name]):
        return Undecodable(WRONG_TYPE, f"got {name} {words[name]!a}"[:200] + "; wanted text that UTF-8 holds")
    return None


def wrong_number(words: dict[str, Any], name: str) -> Undecodable | None:
    """Why a field is neither null nor a number that a float64 holds; NaN and Infinity, which JSON has not, pass."""
    number = words[name]
    if number is None or isinstance(number, float):
        return None
    try:
        if isinstance(number, int) and not isinstance(number, bool):
            float(number)
            return None
    except OverflowError:
        pass
    return Undecodable(WRONG_TYPE, f"got {name} {number!r}"[:200] + "; wanted a number or null")


def wrong_whole(words: dict[str, Any], name: str) -> Undecodable | None:
    """Why a field is no whole number of an int32; an absent one stands for 0."""
    whole = words.get(name, 0)
    if type(whole) is int and 0 <= whole <= LARGEST_REVISION:
        return None
    wanted = f"a whole number from 0 to {LARGEST_REVISION}"
    return Undecodable(WRONG_TYPE, f"got {name} {whole!r}"[:200] + f"; wanted {wanted}")


def wrong_instant(words: dict[str, Any], name: str) -> Undecodable:
    """A field that is no instant."""
    return Undecodable(WRONG_INSTANT, f"got {name} {words.get(name)!r}"[:200] + f"; wanted {WANTED}")


def is_utf8(text: str) -> bool:
    """UTF-8 holds the text; JSON can escape half a surrogate pair."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _wrong_type(words: dict[str, Any]) -> Undecodable | None:
    """The first field of a wrong type."""
    for name in NEEDED:
        if (wrong := wrong_text(words, name)) is not None:
            return wrong
    return wrong_number(words, "value") or wrong_whole(words, "revision")


def _whole(digits: str) -> int | str:
    """A whole number of JSON; its own text where no float64 could hold it, which is then of a wrong type."""
    return int(digits) if len(digits) <= LONGEST_NUMBER else digits

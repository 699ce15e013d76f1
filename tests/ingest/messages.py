"""Messages as they come from anywhere: good, nearly good and hostile JSON, for the tests of the decoders."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from hypothesis import strategies as st

GOOD = {
    "v": 1,
    "site": "B",
    "channel": "W/power",
    "valid_time": "2025-01-01T00:00:00+01:00",
    "value": 1.5,
    "unit": "MW",
    "revision": 2,
    "sent_at": "2025-01-01T00:00:03.123456Z",
}
"""A reading of the small network."""

GOOD_MESSAGE = json.dumps(GOOD).encode()

ODD_TOKENS = [
    "null", "true", "0", "-0", "1", "2", "1.0", "1e0", "1e400", "-1e400", "1" + "0" * 400, "9" * 309,
    "9" * 308, "1" * 5000,
    "18446744073709551616", "2147483647", "2147483648", "-1", "NaN", "Infinity", "-Infinity", "01", "1.", '""', '"MW"',
    r'"\ud800"', r'"\ud83d\ude00"', r'"\u0000"', r'"\q"', '"消纳"', "[]", "{}",
    '[{"a":[1,{"b":null}]}]', "[" * 70 + "]" * 70,
    "[" * 63 + "]" * 63, '"' + "[" * 99 + '"', '"' + r"\"[" * 99 + '"', '"a\nb"', "",
]  # fmt: skip
"""What may stand for a value, in JSON or not quite."""

ODD_INSTANTS = [
    "2025-01-01T00:00:00Z", "2025-01-01T00:00:00z", "2025-01-01 00:00:00Z", "2025-01-01T00:00:00", "2025-01-01",
    "2024-02-29T00:00:00Z", "2025-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2000-02-29T12:00:00.5+23:59",
    "2025-13-01T00:00:00Z", "2025-00-01T00:00:00Z", "2025-01-32T00:00:00Z", "2025-04-31T00:00:00Z",
    "2025-01-01T24:00:00Z", "2025-01-01T00:60:00Z", "2025-01-01T23:59:60Z", "2025-01-01T00:00:00-00:00",
    "2025-01-01T00:00:00.123456789Z", "2025-01-01T00:00:00.1234567891Z", "2025-01-01T00:00:00.Z",
    "2025-01-01T00:00:00,5Z",
    "2025-01-01T00:00:00+24:00", "2025-01-01T00:00:00+01", "2025-01-01T00:00:00+0100", "2025-01-01T00:00:00+01:60",
    "1899-12-31T23:59:59Z", "1900-01-01T00:00:00+14:00", "2200-12-31T23:59:59.999999-23:59", "2201-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z", "20250101T000000Z", "2025-W01-1T00:00:00Z", "２０２５-01-01T00:00:00Z",
    "+025-01-01T00:00:00Z",
    "2025-01-01T00:00:00+01:00:30", "soon", "", "2025-01-01T00:00Z", "2025-01-01T00:00:00.000001+05:30",
]  # fmt: skip
"""Instants written as people and machines do, right and wrong."""

instants = st.datetimes(
    datetime(1900, 1, 2),
    datetime(2200, 12, 30),
    timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
).map(datetime.isoformat)
times = st.one_of(st.sampled_from(ODD_INSTANTS), instants, st.text(max_size=30)).map(json.dumps)
tokens = st.one_of(st.sampled_from(ODD_TOKENS), times, st.floats().map(json.dumps), st.integers().map(str))
keys = st.sampled_from([*GOOD, "available_at", "quality", "x", "消", r"unit"])
members = st.tuples(keys, tokens).map(lambda pair: f'"{pair[0]}":{pair[1]}')
good_members = [f'"{name}":{json.dumps(value)}' for name, value in GOOD.items()]


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """A reading with some fields left out, changed, doubled or added, in any order, as bytes."""
    kept = [member for member in good_members if draw(st.integers(0, 15)) > 0]
    changed = draw(st.lists(members, max_size=2))
    parts = draw(st.permutations(kept + changed)) if draw(st.booleans()) else kept + changed
    text = (
        draw(st.sampled_from(["", " ", "\n", "﻿"]))
        + "{"
        + ",".join(parts)
        + "}"
        + draw(st.sampled_from(["", "\n", "x"]))
    )
    return text.encode("utf-8", "surrogatepass")


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """An object of which a stretch of bytes was cut out or replaced."""
    message = draw(objects())
    first = draw(st.integers(0, len(message)))
    return message[:first] + draw(st.binary(max_size=3)) + message[first + draw(st.integers(0, 9)) :]


messages = st.one_of(
    objects(), spoilt(), st.binary(max_size=40), st.just(GOOD_MESSAGE), st.none(),
    st.just(b""), st.just(json.dumps(GOOD).encode("utf-16")), st.just(b'{"a":' * 500 + b"}" * 500),
)  # fmt: skip
"""A message's value."""

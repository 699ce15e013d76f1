"""The wire form: what is encoded comes back, and no message whatever raises."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import Undecodable, WireReading, decode, encode

GOOD = {
    "v": 1,
    "site": "B",
    "channel": "W/power",
    "valid_time": "2025-01-01T00:00:00+01:00",
    "value": 1.5,
    "unit": "MW",
}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
instants = st.datetimes(datetime(1901, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))
readings = st.builds(
    WireReading,
    site=texts,
    channel=texts,
    valid_time=instants,
    value=st.floats(allow_infinity=False, allow_nan=False),
    unit=texts,
    revision=st.integers(0, 2**31 - 1),
    sent_at=st.none() | instants,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(readings)
def test_what_is_encoded_comes_back(reading: WireReading) -> None:
    assert decode(encode(reading)) == reading


@given(st.binary(max_size=64))
def test_no_bytes_raise(payload: bytes) -> None:
    assert isinstance(decode(payload), Undecodable | WireReading)


@given(st.sampled_from([*GOOD, "revision", "sent_at"]), json_values)
def test_no_value_of_a_field_raises(field: str, value: Any) -> None:
    answer = decode(json.dumps(GOOD | {field: value}).encode())
    if isinstance(answer, Undecodable):
        assert answer.reason
        assert "wanted" in answer.detail


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"v": 2}, "wrong_version"),
        ({"v": True}, "wrong_version"),
        ({"value": "1.5"}, "wrong_type"),
        ({"value": 10**400}, "wrong_type"),
        ({"value": True}, "wrong_type"),
        ({"revision": -1}, "wrong_type"),
        ({"revision": 1.0}, "wrong_type"),
        ({"channel": None}, "wrong_type"),
        ({"site": "\ud800"}, "wrong_type"),
        ({"valid_time": "2025-01-01T00:00:00"}, "wrong_instant"),
        ({"valid_time": "9999-12-31T23:59:59Z"}, "wrong_instant"),
        ({"sent_at": "soon"}, "wrong_instant"),
    ],
)
def test_what_is_no_reading_says_why(changes: dict[str, object], reason: str) -> None:
    answer = decode(json.dumps(GOOD | changes).encode())
    assert isinstance(answer, Undecodable)
    assert answer.reason == reason


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(b"{", "not_json"), (b"\xff", "not_json"), (b"[1]", "not_a_reading"), (b'{"v":1}', "missing_field")],
)
def test_what_is_no_object_says_why(payload: bytes, reason: str) -> None:
    answer = decode(payload)
    assert isinstance(answer, Undecodable)
    assert answer.reason == reason


def test_null_is_no_number() -> None:
    answer = decode(json.dumps(GOOD | {"value": None}).encode())
    assert isinstance(answer, WireReading)
    assert math.isnan(answer.value)
    assert answer.valid_time == datetime(2024, 12, 31, 23, tzinfo=UTC)

"""The fast road and the rules are one law, and columns keep the messages' order."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.decode import Undecodable, WireReading, decode
from ingest.instants import UNREAD
from ingest.json_columns import JsonColumns, json_columns
from tests.ingest.messages import GOOD, GOOD_MESSAGE, messages

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(instant: datetime | None) -> int:
    return UNREAD if instant is None else (instant - EPOCH) // (datetime.resolution)


def rows(columns: JsonColumns) -> list[tuple[object, ...]]:
    """Each reading as plain values, its float as bits so that NaN equals NaN; no negative zero."""
    bits = (columns.value + 0.0).view(np.int64)
    texts = [getattr(columns, name).to_pylist() for name in ("site", "channel", "unit")]
    numbers = [columns.valid_us, np.where(np.isnan(columns.value), 0, bits), columns.revision, columns.sent_us]
    return list(zip(*texts, *(c.tolist() for c in (*numbers, columns.recorded_us, columns.quality)), strict=True))


def row(reading: WireReading) -> tuple[object, ...]:
    value = np.float64(reading.value) + 0.0
    bits = 0 if np.isnan(value) else int(value.view(np.int64))
    instants = micros(reading.sent_at), micros(reading.available_at)
    texts = reading.site, reading.channel, reading.unit
    return (*texts, micros(reading.valid_time), bits, reading.revision, *instants, reading.quality)


@settings(max_examples=400, deadline=None)
@example([b'{"x":[', b"]}", GOOD_MESSAGE], False)
@example([GOOD_MESSAGE + b"," + GOOD_MESSAGE, b"", GOOD_MESSAGE], False)
@given(st.lists(messages, max_size=8), st.booleans())
def test_the_fast_road_gives_what_the_rules_give(values: list[bytes | None], honours: bool) -> None:
    columns, faults = json_columns(values, honours_recorded_arrival=honours)
    told = [decode(value, honours_recorded_arrival=honours) for value in values]
    good = [(place, row(one)) for place, one in enumerate(told) if isinstance(one, WireReading)]
    assert list(zip(columns.message_of.tolist(), rows(columns), strict=True)) == good
    assert faults == {place: one for place, one in enumerate(told) if isinstance(one, Undecodable)}


@pytest.mark.parametrize(
    "message",
    [
        b"\xef\xbb\xbf" + GOOD_MESSAGE,
        GOOD_MESSAGE.replace(b"1.5", b"NaN"),
        GOOD_MESSAGE.replace(b'"unit"', b'"unit":"kW","unit"'),
        GOOD_MESSAGE[:-1] + b',"quality_of_service":{"retries":[1,2]}}',
        GOOD_MESSAGE.replace(b".123456Z", b".123456789Z"),
        GOOD_MESSAGE.replace(b'"revision": 2, ', b""),
    ],
    ids=["byte order mark", "NaN", "a field twice", "an added field", "nanoseconds", "no revision"],
)
def test_unusual_messages_are_taken(message: bytes) -> None:
    columns, faults = json_columns([GOOD_MESSAGE, message, GOOD_MESSAGE])
    assert not faults
    assert columns.message_of.tolist() == [0, 1, 2]
    assert columns.unit.to_pylist() == ["MW"] * 3
    assert len(set(columns.valid_us.tolist())) == 1


def test_what_one_message_breaks_off_no_other_goes_on_with() -> None:
    halves = GOOD_MESSAGE[:40], GOOD_MESSAGE[40:]
    columns, faults = json_columns([*halves, GOOD_MESSAGE])
    assert columns.message_of.tolist() == [2]
    assert set(faults) == {0, 1}


@pytest.mark.parametrize("size", [1 << 20, 10 << 20])
def test_a_message_of_many_megabytes_is_told_at_once(size: int) -> None:
    message = GOOD_MESSAGE[:-1] + b',"x":"' + b"a" * size + b'"}'
    columns, faults = json_columns([message, GOOD_MESSAGE])
    assert columns.message_of.tolist() == [1]
    assert faults[0].reason == "too_large"


@pytest.mark.parametrize(("depth", "is_taken"), [(62, True), (70, False), (200_000, False)])
def test_depth_is_a_rule_of_ours_not_of_the_parser(depth: int, is_taken: bool) -> None:
    message = GOOD_MESSAGE[:-1] + b',"x":' + b"[" * depth + b"]" * depth + b"}"
    columns, faults = json_columns([message])
    assert len(columns.message_of) == is_taken
    assert [fault.reason for fault in faults.values()] == ([] if is_taken else ["not_json"])


@pytest.mark.parametrize(
    "letters", [b"\xff", b"\xed\xa0\x80", b"\xe6\xb6"], ids=["no letter", "half a pair", "cut off"]
)
def test_bytes_that_are_no_text_are_seen_in_a_field_that_is_passed_over(letters: bytes) -> None:
    message = GOOD_MESSAGE[:-1] + b',"x":"' + letters + b'"}'
    columns, faults = json_columns([GOOD_MESSAGE, message])
    assert columns.message_of.tolist() == [0]
    assert faults[1].reason == "not_json"


def test_brackets_that_other_messages_lack_hide_no_depth() -> None:
    nested = GOOD_MESSAGE[:-1] + b',"x":' + b'{"a":' * 400 + b"1" + b"}" * 400 + b"}"
    columns, faults = json_columns([nested, *[b"x"] * 400, GOOD_MESSAGE])
    assert columns.message_of.tolist() == [401]
    assert "deeper" in faults[0].detail


def test_a_recorded_arrival_is_read_only_where_it_is_honoured() -> None:
    came = {"available_at": "2025-01-01T00:10:00Z", "quality": 4}
    message = json.dumps(GOOD | came).encode()
    plain, _ = json_columns([message])
    recorded, _ = json_columns([message], honours_recorded_arrival=True)
    assert (plain.recorded_us[0], plain.quality[0]) == (UNREAD, 0)
    assert (recorded.recorded_us[0], recorded.quality[0]) == (1735690200_000000, 4)
    wrong = json.dumps(GOOD | {"available_at": "soon"}).encode()
    assert json_columns([wrong])[1] == {}
    assert json_columns([wrong], honours_recorded_arrival=True)[1][0].reason == "wrong_instant"

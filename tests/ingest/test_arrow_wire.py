"""Arrow messages: a wrong column condemns the message, a wrong row itself, and no bytes raise or cost without bound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcore.timeline import TIMESTAMP
from ingest.arrow_stream import read_stream
from ingest.channels import channels_of
from ingest.decode import Undecodable
from ingest.forms import READINGS
from ingest.reasons import DECODE_REASONS
from ingest.wire import Decoded, decode_messages
from ingest.wire_parts import ARROW, MOST_FAULTY_ROWS
from tests.ingest.builders import small_network
from tests.ingest.messages import GOOD_MESSAGE
from tests.ingest.streams import NOON_US, spoilt_streams, stream, table

CHANNELS = channels_of(small_network(), timedelta(minutes=5))
NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
ARRIVED_US = NOON_US + 7_000_000


def decoded(*values: bytes | None, types: tuple[str, ...] = (), honours: bool = False) -> Decoded:
    offsets, arrived = np.arange(len(values)) + 40, np.full(len(values), ARRIVED_US)
    kinds = types or (ARROW,) * len(values)
    return decode_messages(values, kinds, arrived, offsets, "t/0", CHANNELS, honours_recorded_arrival=honours)


def reason(message: bytes | None) -> str:
    """Why a whole message is a dead letter, with its bytes."""
    found = decoded(message)
    (letter,) = found.undecodable
    assert len(found.readings) == 0
    assert letter.payload == (message or b"")
    assert "wanted" in letter.detail
    return letter.reason


def test_a_batch_becomes_readings_in_its_order() -> None:
    found = decoded(stream(table()))
    assert found.undecodable == ()
    assert found.readings.schema == READINGS.schema
    assert found.row_of.tolist() == [0, 1, 2]
    assert found.message_of.tolist() == [0, 0, 0]
    assert found.readings.to_pylist()[2] == {
        "available_at": NOON + timedelta(seconds=7), "valid_time": NOON + timedelta(minutes=10), "site": "B",
        "channel": "W/power", "quantity": "power", "value": 2.0, "unit": "MW", "revision": 0, "quality": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"value": None}, "missing_field"),
        ({"channel": None}, "missing_field"),
        ({"value": pa.array(["1", "2", "3"])}, "wrong_type"),
        ({"site": pa.array([1, 2, 3])}, "wrong_type"),
        ({"unit": pa.array([1, 2, 1]).dictionary_encode()}, "wrong_type"),
        ({"valid_time": pa.array([NOON_US] * 3)}, "wrong_type"),
        ({"valid_time": pa.array([NOON_US] * 3).cast(pa.timestamp("us"))}, "wrong_type"),
        ({"revision": pa.array([0.0] * 3)}, "wrong_type"),
        ({"value": pa.array([True] * 3)}, "wrong_type"),
    ],
)
def test_a_missing_or_wrong_column_condemns_the_message(changes: dict[str, Any], why: str) -> None:
    assert reason(stream(table(**changes))) == why


def test_a_column_that_stands_twice_condemns_the_message() -> None:
    twice = table().append_column("value", pa.array([7.0] * 3))
    assert reason(stream(twice)) == "wrong_type"


@pytest.mark.parametrize("version", [None, "2", ""])
def test_another_version_condemns_the_message(version: str | None) -> None:
    assert reason(stream(table(), version)) == "wrong_version"


def test_an_added_column_passes() -> None:
    nested = pa.array([[{"a": 1}], None, []])
    assert len(decoded(stream(table(note=nested, firmware=pa.array(["x"] * 3)))).readings) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"valid_time": pa.array([NOON_US // 1000] * 3).cast(pa.timestamp("ms", "Europe/Berlin"))},
        {"valid_time": pa.array([NOON_US * 1000 + 999] * 3).cast(pa.timestamp("ns", "UTC"))},
        {"valid_time": pa.array([NOON_US // 1_000_000] * 3).cast(pa.timestamp("s", "+02:00"))},
    ],
    ids=["ms", "ns", "s"],
)
def test_instants_of_any_unit_and_zone_are_the_same_instants(changes: dict[str, Any]) -> None:
    found = decoded(stream(table(**changes)))
    assert found.readings.column("valid_time").to_pylist() == [NOON] * 3


def test_texts_and_numbers_of_other_widths_are_taken() -> None:
    strange = table(
        site=pa.array(["B"] * 3, pa.large_string()),
        channel=pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int8()), pa.array(["W/power"] * 3)),
        value=pa.array([0, 1, None], pa.int16()),
        revision=pa.array([0, 1, 2], pa.uint64()),
    )
    found = decoded(stream(strange)).readings
    assert found.column("channel").combine_chunks().dictionary.to_pylist() == ["W/power"]
    assert found.column("revision").to_pylist() == [0, 1, 2]
    assert np.isnan(found.column("value").to_pylist()[2])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"site": pa.array(["B", None, "B"])}, "null_field"),
        ({"channel": pa.array(["W/power", None, "W/power"]).dictionary_encode()}, "null_field"),
        ({"valid_time": pa.array([NOON_US, None, NOON_US + 1]).cast(TIMESTAMP)}, "null_field"),
        ({"revision": pa.array([0, None, 0])}, "null_field"),
        ({"revision": pa.array([0, -1, 0])}, "wrong_type"),
        ({"revision": pa.array([0, 2**31, 0])}, "wrong_type"),
        ({"valid_time": pa.array([NOON_US, 2**63 - 1, NOON_US + 1]).cast(TIMESTAMP)}, "wrong_instant"),
        ({"valid_time": pa.array([1, 2**62, 1]).cast(pa.timestamp("s", "UTC"))}, "wrong_instant"),
    ],
)
def test_a_wrong_row_is_a_dead_letter_that_can_be_sent_again(changes: dict[str, Any], why: str) -> None:
    found = decoded(stream(table(**changes)))
    (letter,) = found.undecodable
    assert (letter.reason, letter.offset) == (why, 40)
    assert letter.detail.startswith("row 1 of 3: ")
    assert found.row_of.tolist() == [0, 2]
    again = decoded(letter.payload)
    assert [one.reason for one in again.undecodable] == [why]
    assert again.undecodable[0].payload == letter.payload


def test_a_null_within_a_dictionary_is_a_null_of_its_rows() -> None:
    words = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int32()), pa.array(["W/power", None]))
    found = decoded(stream(table(channel=words)))
    assert [letter.reason for letter in found.undecodable] == ["null_field"]
    assert len(found.readings) == 2


def test_a_message_of_nothing_but_faults_is_one_dead_letter() -> None:
    rows = MOST_FAULTY_ROWS + 1
    assert reason(stream(table(rows, site=pa.nulls(rows, pa.string())))) == "null_field"


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (None, "empty_message"),
        (b"", "empty_message"),
        (b"\0" * 64, "not_arrow"),
        (GOOD_MESSAGE, "not_arrow"),
        (stream(table())[:-8], "not_arrow"),
        (stream(table()) + b"\0", "not_arrow"),
        (stream(table()) * 2, "not_arrow"),
        (stream(table(), compression="zstd"), "not_arrow"),
        (stream(table(), compression="lz4"), "not_arrow"),
        (stream(table(1_000_001, note=pa.nulls(1_000_001))), "too_large"),
        (b"\0" * ((64 << 20) + 1), "too_large"),
    ],
    ids=["tombstone", "empty", "zeros", "JSON", "no end", "more", "two streams", "zstd", "lz4", "rows", "bytes"],
)
def test_what_is_no_sound_stream_says_why(message: bytes | None, why: str) -> None:
    assert reason(message) == why


def test_a_time_zone_that_is_no_text_condemns_the_message() -> None:
    zoned = stream(table(1, valid_time=pa.array([NOON_US], pa.timestamp("us", "Etc/Nowhere"))))
    assert reason(zoned.replace(b"Etc/Nowhere", b"Etc/Now\xa1ere")) == "wrong_type"


def test_a_dictionary_that_grows_piece_by_piece_is_refused() -> None:
    one, two = pa.array(["a"]).dictionary_encode(), pa.array(["a", "b"]).dictionary_encode()
    grows = pa.table({"channel": pa.chunked_array([one, two])})
    pieces, whole = stream(grows, emit_dictionary_deltas=True), stream(grows)
    refused, taken = (read_stream(message, ["channel"]) for message in (pieces, whole))
    assert isinstance(refused, Undecodable)
    assert "in pieces" in refused.detail
    assert isinstance(taken, pa.Table)
    assert taken.column("channel").to_pylist() == ["a", "a", "b"]


@settings(max_examples=300, deadline=None)
@given(spoilt_streams() | st.binary(max_size=200))
def test_no_bytes_raise_and_each_row_or_message_is_told(message: bytes) -> None:
    found = decoded(message)
    assert len(found.message_of) == len(found.row_of) == len(found.readings)
    assert {letter.reason for letter in found.undecodable} <= set(DECODE_REASONS)
    found.readings.validate(full=True)
    found.readings.to_pylist()


def test_forms_may_be_mixed_and_keep_the_messages_order() -> None:
    parts = stream(table(2)), GOOD_MESSAGE, b"{", stream(table(1)), b"?", GOOD_MESSAGE
    types = (ARROW, "", "application/json", ARROW, "text/plain", "application/json")
    found = decoded(*parts, types=types)
    assert found.message_of.tolist() == [0, 0, 1, 3, 5]
    assert found.row_of.tolist() == [0, 1, 0, 0, 0]
    assert [(letter.offset, letter.reason) for letter in found.undecodable] == [
        (42, "not_json"),
        (44, "unknown_content_type"),
    ]
    assert found.readings.column("value").to_pylist() == [0.0, 1.0, 1.5, 0.0, 1.5]


def test_an_arrival_in_a_batch_is_honoured_only_in_a_replay() -> None:
    recorded = table(
        available_at=pa.array([NOON_US + 1, None, NOON_US + 3]).cast(TIMESTAMP), quality=pa.array([1, 0, 4])
    )
    replayed = decoded(stream(recorded), honours=True).readings
    live = decoded(stream(recorded)).readings
    assert replayed.column("available_at").cast(pa.int64()).to_pylist() == [NOON_US + 1, ARRIVED_US, NOON_US + 3]
    assert replayed.column("quality").to_pylist() == [1, 0, 4]
    assert set(live.column("available_at").cast(pa.int64()).to_pylist()) == {ARRIVED_US}
    assert set(live.column("quality").to_pylist()) == {0}

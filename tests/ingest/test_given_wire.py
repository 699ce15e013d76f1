"""Official values and outages on the wire: each message is a row or a dead letter with its reason and bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.given_wire import DecodedGiven, decode_official, decode_outages
from ingest.reasons import DECODE_REASONS
from ingest.wire_parts import ARROW
from tests.ingest.messages import messages
from tests.ingest.streams import spoilt_streams

OFFICIAL = {
    "v": 1, "asset": "W", "issue_time": "2025-01-01T06:00:00Z", "valid_time": "2025-01-02T00:00:00+01:00",
    "power_mw": 7,
}  # fmt: skip
OUTAGE = {"v": 1, "asset": "A-B", "from": "2025-01-01T06:00:00Z", "until": "2025-01-02T06:00:00Z"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def official(*values: bytes | None, kinds: list[str] | None = None) -> DecodedGiven:
    offsets = np.arange(len(values)) + 7
    return decode_official(values, kinds or [""] * len(values), offsets * 1_000_000, offsets, "o/0")


def outages(*values: bytes | None, kinds: list[str] | None = None) -> DecodedGiven:
    offsets = np.arange(len(values)) + 7
    return decode_outages(values, kinds or [""] * len(values), offsets * 1_000_000, offsets, "o/0")


def test_an_official_value_is_taken_with_the_brokers_arrival() -> None:
    told = json.dumps(OFFICIAL | {"available_at": "2020-01-01T00:00:00Z", "added": [1]}).encode()
    assert official(told).rows.to_pylist() == [
        {
            "available_at": EPOCH + timedelta(seconds=7),
            "issue_time": datetime(2025, 1, 1, 6, tzinfo=UTC),
            "valid_time": datetime(2025, 1, 1, 23, tzinfo=UTC),
            "asset": "W",
            "power_mw": 7.0,
        }
    ]


def test_an_outage_is_taken() -> None:
    (row,) = outages(json.dumps(OUTAGE).encode()).rows.to_pylist()
    assert (row["asset"], row["until"] - row["from"]) == ("A-B", timedelta(days=1))


def without(name: str) -> dict[str, Any]:
    return {field: value for field, value in OFFICIAL.items() if field != name}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (without("v"), "wrong_version"),
        (without("power_mw"), "missing_field"),
        (without("issue_time"), "missing_field"),
        (OFFICIAL | {"power_mw": "7"}, "wrong_type"),
        (OFFICIAL | {"asset": None}, "wrong_type"),
        (OFFICIAL | {"valid_time": None}, "wrong_instant"),
        (OFFICIAL | {"issue_time": "2025-01-01T06:00:00"}, "wrong_instant"),
        ([OFFICIAL], "not_a_reading"),
    ],
)
def test_what_is_no_official_value_says_why(words: object, reason: str) -> None:
    payload = json.dumps(words).encode()
    found = official(json.dumps(OFFICIAL).encode(), payload)
    (letter,) = found.undecodable
    assert (letter.reason, letter.payload, letter.offset) == (reason, payload, 8)
    assert found.message_of.tolist() == [0]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(messages | spoilt_streams(), st.sampled_from(["", ARROW, "text/html"])), max_size=5))
def test_no_messages_raise_and_each_is_told(told: list[tuple[bytes | None, str]]) -> None:
    values, kinds = [value for value, _ in told], [kind for _, kind in told]
    for found in (official(*values, kinds=kinds), outages(*values, kinds=kinds)):
        assert {letter.reason for letter in found.undecodable} <= set(DECODE_REASONS)
        places = {letter.offset - 7 for letter in found.undecodable} | set(found.message_of.tolist())
        batches = {place for place, kind in enumerate(kinds) if kind == ARROW}
        assert places | batches == set(range(len(values)))

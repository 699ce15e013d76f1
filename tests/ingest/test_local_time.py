"""Instants from text across Berlin's clock changes: 2025-03-30 02:00 is no time, 2025-10-26 02:00 is two."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcore.errors import BadInputError
from gridcore.timeline import to_numpy
from ingest.local_time import parse_instant, parse_instants

BERLIN = ZoneInfo("Europe/Berlin")


@given(st.integers(0, 366 * 96))
def test_an_instant_with_an_offset_is_always_one(quarter: int) -> None:
    instant = datetime(2025, 1, 1, tzinfo=UTC) + quarter * timedelta(minutes=15)
    assert parse_instant(instant.astimezone(BERLIN).isoformat(), BERLIN) == instant
    assert parse_instant(instant.isoformat().replace("+00:00", "Z"), BERLIN) == instant


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2025-03-30 01:45", "2025-03-30T00:45:00+00:00"),
        ("2025-03-30 03:00", "2025-03-30T01:00:00+00:00"),
        ("2025-10-26T03:00:00", "2025-10-26T02:00:00+00:00"),
        ("2025-07-01", "2025-06-30T22:00:00+00:00"),
    ],
)
def test_local_time_is_the_grids_own(text: str, utc: str) -> None:
    assert parse_instant(text, BERLIN).isoformat() == utc


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2025-03-30 02:15", "does not exist"),
        ("2025-10-26 02:15", "exists twice"),
        ("30.3.2025 01:00", "no instant"),
        ("", "no instant"),
    ],
)
def test_a_time_that_is_no_instant_is_named_by_file_and_row(text: str, words: str) -> None:
    column = pa.chunked_array([["2025-03-30 01:45", text]])
    with pytest.raises(BadInputError, match=words) as caught:
        parse_instants(column, BERLIN, "history.csv")
    assert caught.value.file == "history.csv, row 3"
    assert caught.value.instant == text


def test_each_row_gets_its_own_instant() -> None:
    texts = ["2025-01-01T00:00Z", "2025-01-01T01:00+01:00", "2025-01-02T00:00Z"]
    parsed = parse_instants(pa.chunked_array([texts[:2], texts[2:]]), BERLIN, "x")
    first, last = (to_numpy(datetime(2025, 1, day, tzinfo=UTC)) for day in (1, 2))
    assert parsed.tolist() == [first.tolist(), first.tolist(), last.tolist()]
    assert len(parse_instants(pa.chunked_array([[]], pa.string()), BERLIN, "x")) == 0

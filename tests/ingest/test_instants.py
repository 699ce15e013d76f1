"""Instants in columns are what the rule says of each text."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.instants import UNREAD, instant, instants_of
from tests.ingest.messages import ODD_INSTANTS, instants

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(text: str | None) -> int | None:
    told = instant(text)
    return None if told is None else (told - EPOCH) // datetime.resolution


@given(st.lists(st.none() | instants | st.sampled_from(ODD_INSTANTS) | st.text(max_size=30), max_size=20))
def test_what_is_read_as_columns_the_rule_reads_too(texts: list[str | None]) -> None:
    for text, found in zip(texts, instants_of(pa.array(texts, pa.string())).tolist(), strict=True):
        assert found in {UNREAD, micros(text)}


@given(st.lists(instants, min_size=1, max_size=20), st.integers(0, 3))
def test_what_machines_write_is_read_as_columns(texts: list[str], cut: int) -> None:
    array = pa.array(texts, pa.string()).slice(cut)
    assert instants_of(array).tolist() == [micros(text) for text in texts[cut:]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2025-01-01T00:00:00+01:00", datetime(2024, 12, 31, 23, tzinfo=UTC)),
        ("2024-02-29T23:59:59.999999999Z", datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)),
        ("1900-01-01T00:00:00+23:59", datetime(1899, 12, 31, 0, 1, tzinfo=UTC)),
        ("2025-01-01T00:00Z", datetime(2025, 1, 1, tzinfo=UTC)),
        ("2025-02-29T00:00:00Z", None),
        ("1900-02-29T00:00:00Z", None),
        ("2025-01-01T23:59:60Z", None),
        ("2025-01-01T00:00:00", None),
        ("1899-12-31T23:59:59Z", None),
        ("2201-01-01T00:00:00Z", None),
    ],
)
def test_instants_by_hand(text: str, told: datetime | None) -> None:
    assert instant(text) == told


def test_no_texts_and_nulls_are_fine() -> None:
    assert instants_of(pa.array([], pa.string())).tolist() == []
    assert instants_of(pa.array([None, None], pa.string())).tolist() == [UNREAD, UNREAD]

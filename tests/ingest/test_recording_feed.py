"""Laws of a recording as a feed: everything once, in order, never early, from any offset."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcore.errors import BadInputError
from gridcore.ports import Batch
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from ingest import recording_feed
from ingest.recording_feed import RecordingFeed
from tests.ingest.builders import MINUTE, START, reading

arrivals = st.lists(st.integers(0, 12), max_size=12).map(sorted)
LAST = START + 99 * MINUTE


def tables(readings: Sequence[int], official: Sequence[int], outages: Sequence[int]) -> tuple[pa.Table, ...]:
    """Tables whose rows arrive at these minutes."""
    at = [START + minute * MINUTE for minute in range(13)]
    rows = [reading(valid=-30.0, value=float(row), available=minute) for row, minute in enumerate(readings)]
    given_out = [
        {"available_at": at[m], "issue_time": at[m], "valid_time": at[m], "asset": "W", "power_mw": 1.0}
        for m in official
    ]
    out = [{"available_at": at[m], "asset": "W", "from": at[m], "until": LAST} for m in outages]
    return (
        pa.Table.from_pylist(rows, READING_SCHEMA),
        pa.Table.from_pylist(given_out, OFFICIAL_SCHEMA),
        pa.Table.from_pylist(out, OUTAGE_SCHEMA),
    )


def drained(feed: RecordingFeed, dues: Sequence[datetime]) -> list[Batch]:
    batches = []
    for due in dues:
        while (batch := feed.next_until(due)) is not None:
            batches.append(batch)
    return batches


def rows_of(batches: Sequence[Batch]) -> list[list[dict[str, Any]]]:
    parts = [[getattr(batch, name) for batch in batches] for name in ("readings", "official", "outages")]
    return [pa.concat_tables(part).to_pylist() if part else [] for part in parts]


@given(arrivals, arrivals, arrivals, st.lists(st.integers(0, 13), max_size=5).map(sorted), st.integers(1, 5))
def test_all_rows_come_once_in_order_and_none_early(
    readings: list[int], official: list[int], outages: list[int], minutes: list[int], largest: int
) -> None:
    whole = tables(readings, official, outages)
    feed = RecordingFeed(*whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording_feed, "LARGEST_BATCH", largest)
        batches: list[Batch] = []
        for minute in minutes:
            due = START + minute * MINUTE
            new = drained(feed, [due])
            came = [row["available_at"] for part in rows_of(new) for row in part]
            assert all(instant <= due for instant in came)
            batches += new
            count = sum(m <= minute for m in (*readings, *official, *outages))
            assert sum(b.next_offset - b.start_offset for b in batches) == count
        batches += drained(feed, [LAST])
    assert rows_of(batches) == [table.to_pylist() for table in whole]
    assert [b.start_offset for b in batches] == [0, *(b.next_offset for b in batches)][: len(batches)]
    assert all(0 < b.next_offset - b.start_offset <= largest for b in batches)


@given(arrivals, arrivals, arrivals, st.data())
def test_a_feed_continues_at_any_offset(
    readings: list[int], official: list[int], outages: list[int], data: st.DataObject
) -> None:
    whole = tables(readings, official, outages)
    offset = data.draw(st.integers(0, sum(map(len, whole))))
    first, second = RecordingFeed(*whole), RecordingFeed(*whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording_feed, "LARGEST_BATCH", max(offset, 1))
        before = [first.next_until(LAST)] if offset else []
    second.seek({"recording": offset})
    after = drained(second, [LAST])
    assert rows_of([b for b in (*before, *after) if b is not None]) == [table.to_pylist() for table in whole]


def test_an_outage_comes_before_the_forecast_and_the_reading_of_its_instant() -> None:
    feed = RecordingFeed(*tables([5], [5], [5]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording_feed, "LARGEST_BATCH", 1)
        batches = drained(feed, [LAST])
    assert [(len(b.outages), len(b.official), len(b.readings)) for b in batches] == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]


def test_an_offset_beyond_the_end_is_of_another_recording() -> None:
    feed = RecordingFeed(*tables([1, 2], [], []))
    with pytest.raises(BadInputError, match=r"got 3; wanted 0 to 2"):
        feed.seek({"recording": 3})


def test_a_table_out_of_order_is_refused() -> None:
    readings, official, outages = tables([1, 2], [], [])
    with pytest.raises(BadInputError, match="out of order"):
        RecordingFeed(readings.take([1, 0]), official, outages)

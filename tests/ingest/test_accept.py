"""Laws of acceptance: nothing is dropped, a flag looks at one row alone, and what can't be placed says why."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcore.ports import Batch, Origin
from gridcore.reading import READING_SCHEMA, UNUSABLE, Quality
from ingest.accept import check
from ingest.channels import ChannelTable, channels_of
from tests.ingest.builders import LOAD, SOC, START, WIND, batch_of, reading, small_network

CHANNELS = channels_of(small_network(), timedelta(minutes=5))


def flags(**changes: float) -> int:
    """Quality of one reading of the wind farm, whose period is five minutes."""
    clean, letters = check(batch_of([reading(**changes)]), CHANNELS)  # type: ignore[arg-type]
    assert not letters
    return int(clean.readings.column("quality")[0].as_py())


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"valid": 0.0, "available": 5.0}, Quality.GOOD),  # at the very end of its period
        ({"valid": 0.0, "available": 4.9}, Quality.FUTURE),
        ({"valid": 0.0, "available": 65.0}, Quality.GOOD),  # an hour after its period's end
        ({"valid": 0.0, "available": 65.1}, Quality.LATE),
        ({"value": 110.0}, Quality.GOOD),  # 1.1 times 100 MW
        ({"value": 110.1}, Quality.OUT_OF_RANGE),
        ({"value": -5.0}, Quality.GOOD),  # a farm's own use
        ({"value": -5.1}, Quality.OUT_OF_RANGE),
        ({"value": math.nan}, Quality.NOT_A_NUMBER),
        ({"value": math.inf}, Quality.NOT_A_NUMBER),
        ({"value": 999.0, "available": 90.0}, Quality.OUT_OF_RANGE | Quality.LATE),
    ],
)
def test_what_is_implausible_is_kept_with_its_flag(changes: dict[str, float], flag: Quality) -> None:
    assert flags(**changes) == int(flag)


def test_an_infinite_value_is_kept_as_no_number() -> None:
    clean, _ = check(batch_of([reading(value=-math.inf), reading(value=3.0)]), CHANNELS)
    first, second = clean.readings.column("value").to_pylist()
    assert math.isnan(first)
    assert second == 3.0


def test_a_flag_that_came_with_a_reading_stays() -> None:
    clean, _ = check(batch_of([reading(value=999.0) | {"quality": int(Quality.CONFLICT)}]), CHANNELS)
    assert clean.readings.column("quality").to_pylist() == [int(Quality.CONFLICT | Quality.OUT_OF_RANGE)]


@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        (("B", "X/power", "power", "MW"), "unknown_channel"),
        (("A", "W/power", "power", "MW"), "wrong_site"),
        (("B", "W/power", "load", "MW"), "wrong_quantity"),
        (("B", "W/power", "power", "kW"), "wrong_unit"),
    ],
)
def test_what_cannot_be_placed_is_a_dead_letter(channel: tuple[str, str, str, str], reason: str) -> None:
    clean, letters = check(batch_of([reading(), reading(channel), reading(SOC)], start=40), CHANNELS)
    assert len(clean.readings) == 2
    assert (clean.start_offset, clean.next_offset) == (40, 43)
    (letter,) = letters
    assert (letter.reason, letter.offset, letter.source) == (reason, 41, "test/0")
    payload = json.loads(letter.payload)
    assert (payload["channel"], payload["unit"], payload["value"]) == (channel[1], channel[3], 1.0)
    assert channel[1] in letter.detail


readings = st.builds(
    reading,
    channel=st.sampled_from([WIND, LOAD, SOC, ("B", "X/power", "power", "MW"), ("A", "W/power", "power", "MW")]),
    valid=st.integers(0, 20).map(lambda step: 5.0 * step),
    value=st.sampled_from([-1e6, -4.0, 0.0, 3.0, 108.0, 1e6, math.nan, math.inf]),
    available=st.integers(0, 200).map(float),
)


@given(st.lists(readings, max_size=12), st.integers(0, 12))
def test_a_cut_between_batches_changes_nothing(rows: list[dict[str, object]], cut: int) -> None:
    cut = min(cut, len(rows))
    whole, letters = check(batch_of(rows), CHANNELS)
    parts = [check(batch_of(rows[:cut]), CHANNELS), check(batch_of(rows[cut:], start=cut), CHANNELS)]
    joined = pa.concat_tables([part.readings for part, _ in parts]).to_pylist()
    assert repr(joined) == repr(whole.readings.to_pylist())
    assert [letter for _, some in parts for letter in some] == list(letters)
    assert len(whole.readings) + len(letters) == len(rows)


def test_undecodable_messages_pass_on_and_an_empty_batch_is_fine() -> None:
    letter = check(batch_of([reading(("B", "X/power", "power", "MW"))]), CHANNELS)[1][0]
    batch: Batch = replace(batch_of([]), undecodable=(letter,))
    clean, letters = check(batch, CHANNELS)
    assert letters == (letter,)
    assert clean.undecodable == ()
    assert len(clean.readings) == 0


def test_a_dead_letter_came_when_its_reading_did() -> None:
    _, letters = check(batch_of([reading(("B", "X/power", "power", "MW"), available=17.0)]), CHANNELS)
    assert letters[0].available_at == START + timedelta(minutes=17)


@pytest.mark.parametrize(("waited_days", "flag"), [(45.0, Quality.LATE), (45.001, Quality.LATE | Quality.STALE)])
def test_a_stamp_of_long_ago_is_in_doubt_and_usable(waited_days: float, flag: Quality) -> None:
    assert flags(valid=0.0, available=5.0 + waited_days * 1440) == int(flag)
    assert not flag & UNUSABLE


def numbered(batch: Batch) -> Batch:
    """The batch with its texts numbered, as a decoder gives them."""
    columns = [
        column.combine_chunks().dictionary_encode() if pa.types.is_string(column.type) else column
        for column in batch.readings.columns
    ]
    return replace(batch, readings=pa.table(columns, names=batch.readings.schema.names))


@given(st.lists(readings, min_size=1, max_size=12))
def test_numbered_texts_are_the_same_texts(rows: list[dict[str, object]]) -> None:
    plain, coded = check(batch_of(rows), CHANNELS), check(numbered(batch_of(rows)), CHANNELS)
    assert repr(coded[0].readings.to_pylist()) == repr(plain[0].readings.to_pylist())
    assert coded[1] == plain[1]


def test_rows_of_one_message_have_letters_of_their_own_at_its_offset() -> None:
    stranger = reading(("B", "X/power", "power", "MW"))
    origin = Origin(np.array([70, 71, 71, 71]), np.array([0, 0, 1, 2]))
    batch = replace(batch_of([reading(), stranger, stranger, reading(SOC)]), origin=origin)
    clean, letters = check(batch, CHANNELS)
    assert len(clean.readings) == 2
    assert [letter.offset for letter in letters] == [71, 71]
    assert [letter.detail.split(":")[0] for letter in letters] == ["row 0", "row 1"]
    assert len(set(letters)) == 2


def test_a_letter_about_a_hostile_text_can_be_kept_by_any_store() -> None:
    _, letters = check(batch_of([reading(("B\x00", "X\x00\n消" * 500, "power", "MW"))]), CHANNELS)
    assert letters[0].detail.isascii()
    assert letters[0].detail.isprintable()
    assert len(letters[0].detail) < 2000


def test_a_batch_without_chunks_and_a_grid_without_channels_are_fine() -> None:
    empty = replace(batch_of([]), readings=pa.table(READING_SCHEMA.empty_table().to_pydict(), schema=READING_SCHEMA))
    assert len(check(empty, CHANNELS)[0].readings) == 0
    bare = ChannelTable((), timedelta(minutes=5))
    clean, letters = check(batch_of([reading(), reading(SOC)]), bare)
    assert len(clean.readings) == 0
    assert [letter.reason for letter in letters] == ["unknown_channel"] * 2

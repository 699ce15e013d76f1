"""What waits of a partition is handed out whole, in order, never too early, however it came and is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcore.errors import StreamTrippedError
from gridcore.ports import Batch, Counts
from ingest.catalogue import EXAMPLE, open_grid
from ingest.channels import channels_of
from ingest.encode import encode_rows
from ingest.forms import READINGS
from ingest.kafka_partition import Partition, topics_in
from ingest.kafka_run import Run
from ingest.trip_switch import TripSwitch

SOURCE = open_grid(EXAMPLE)
CHANNELS = channels_of(SOURCE.network, SOURCE.reading_period)
MESSAGES = list(encode_rows(SOURCE.readings(SOURCE.first, SOURCE.first + 2 * SOURCE.reading_period), READINGS))[:12]
HOUR_US = 3_600_000_000


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5)), min_size=1, max_size=12),
    st.lists(st.integers(1, 4), min_size=1, max_size=12),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_each_message_is_handed_out_once_in_order_and_none_before_its_time(steps, cuts, dues):
    # Offsets may leave holes; arrivals may go back.
    offsets = np.cumsum([gap for gap, _ in steps])
    came_us = np.array([10 + 7 * place - back for place, (_, back) in enumerate(steps)], np.int64)
    topic = topics_in("x", CHANNELS, honours_recorded_arrival=False)["x.telemetry.v1"]
    partition = Partition("x.telemetry.v1/0", topic, 0, honours_recorded_arrival=False)
    given_out, stood = [], 0
    start = 0
    edges = [min(edge, len(offsets)) for edge in np.cumsum(cuts)] + [len(offsets)]
    for end, due in zip(edges, [*dues, *[1000] * len(edges)], strict=False):
        if end > start:
            values = [MESSAGES[place % len(MESSAGES)] for place in range(start, end)]
            size = sum(map(len, values))
            partition.add(Run(values, [""] * len(values), came_us[start:end], offsets[start:end], size))
            # A broker that is asked again sends again what came already.
            partition.add(Run(values, [""] * len(values), came_us[start:end], offsets[start:end], size))
        start = max(start, end)
        while (batch := partition.take(due)) is not None:
            assert batch.start_offset == stood
            stood = batch.next_offset
            mine = offsets_of(batch)
            assert all(came_us[np.searchsorted(offsets, offset)] <= due for offset in mine)
            given_out += mine
        waits = [place for place in range(start) if offsets[place] >= stood]
        assert partition.is_past(due) == bool(waits)
    while (batch := partition.take(10**9)) is not None:
        given_out += offsets_of(batch)
    assert given_out == offsets.tolist()
    assert (partition.waiting_messages, partition.waiting_bytes) == (0, 0)


@given(st.integers(0, 3), st.integers(1, 5), st.integers(0, 3))
def test_what_was_deleted_is_told_between_what_came_before_and_what_comes_after(before, missing, after):
    topic = topics_in("x", CHANNELS, honours_recorded_arrival=False)["x.telemetry.v1"]
    partition = Partition("x.telemetry.v1/0", topic, 0, honours_recorded_arrival=False)

    def come(first, count):
        if count:
            values = MESSAGES[:count]
            offsets = np.arange(first, first + count)
            partition.add(Run(values, [""] * count, np.full(count, 7), offsets, sum(map(len, values))))

    come(0, before)
    first = before + missing
    partition.pass_over(first, SOURCE.first)
    come(first, after)
    batches = []
    while (batch := partition.take(10)) is not None:
        batches.append(batch)
    assert [batch.start_offset for batch in batches] == [0, *(batch.next_offset for batch in batches)][: len(batches)]
    assert batches[-1].next_offset == first + after
    assert sum(len(batch.readings) for batch in batches) == before + after
    (letter,) = [letter for batch in batches for letter in batch.undecodable]
    assert (letter.offset, letter.detail.split()[1:4]) == (before, [str(before), "to", str(first - 1)])
    assert (partition.waiting_messages, partition.waiting_bytes) == (0, 0)


def offsets_of(batch: Batch) -> list[int]:
    """Offsets of a batch's readings."""
    assert batch.origin is not None
    offsets: list[int] = batch.origin.offset.tolist()
    return offsets


def test_a_switch_that_may_see_anything_never_trips_and_any_other_does():
    worst = Counts(received=5000, dead_letters={"not_json": 5000})
    anything, nearly = TripSwitch(1.0), TripSwitch(0.999)
    anything.note(worst)
    with pytest.raises(StreamTrippedError):
        nearly.note(worst)

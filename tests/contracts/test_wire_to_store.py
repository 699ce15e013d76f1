"""From messages to current values: no cut, order or repetition changes what stands, and every reading is counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridcore.ports import Batch, Counts, Known, Origin, Store
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, Quality
from ingest.accept import accept
from ingest.channels import channels_of
from ingest.decode import WireReading, encode
from ingest.encode import encode_batch
from ingest.forms import READINGS
from ingest.wire import decode_messages
from ingest.wire_parts import ARROW
from tests.contracts.stores import NewStore
from tests.ingest.builders import LOAD, START, WIND, batch_of, reading, small_network

CHANNELS = channels_of(small_network(), timedelta(minutes=5))
SOURCE = "xiaona.telemetry.v1/0"
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")
END = START + timedelta(days=90)

Sent = tuple[bytes, str, int]
"""Value, content type and arrival [us] of a message."""


def json_message(channel: tuple[str, str, str, str], valid: int, value: float, revision: int, minutes: int) -> Sent:
    at = START + timedelta(minutes=valid * 5)
    told = WireReading(channel[0], channel[1], at, value, channel[3], revision, None)
    return encode(told), "", (at + timedelta(minutes=minutes) - EPOCH) // datetime.resolution


channels = st.sampled_from([WIND, LOAD, ("B", "X/power", "power", "MW")])
values = st.sampled_from([3.0, 3.0, 4.0, 0.0, -0.0, 1e6, float("nan")])
json_messages = st.builds(
    json_message, channels, st.integers(0, 3), values, st.integers(0, 1), st.sampled_from([0, 6, 6, 90, 70_000])
)
rows = st.lists(
    st.builds(reading, st.sampled_from([WIND, LOAD]), st.sampled_from([0.0, 5.0]), values, revision=st.integers(0, 1)),
    max_size=4,
)
arrow_messages = rows.map(
    lambda told: (
        encode_batch(batch_of(told).readings, READINGS),
        ARROW,
        (START - EPOCH) // datetime.resolution + 9**10,
    )
)
messages = st.one_of(json_messages, json_messages, arrow_messages, st.just((b"{", "", 1_717_000_000_000_000)))


def take(store: Store, sent: Sequence[Sent], cuts: Sequence[int]) -> Counts:
    """Decode, check and keep messages, a batch from each cut to the next."""
    counts = Counts()
    places = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    for first, last in pairwise(places):
        values, types, arrived = zip(*sent[first:last], strict=True) if last > first else ((), (), ())
        offsets = np.arange(first, last)
        found = decode_messages(values, types, np.array(arrived, np.int64), offsets, SOURCE, CHANNELS)
        origin = Origin(offsets[found.message_of], found.row_of)
        empty = OFFICIAL_SCHEMA.empty_table(), OUTAGE_SCHEMA.empty_table()
        batch = Batch(SOURCE, first, last, found.readings, *empty, found.undecodable, origin)
        counts.add(accept(batch, store, CHANNELS))
    return counts


def current(known: Known) -> str:
    """Current rows with their quality and revision."""
    return repr(known.readings([LOAD[1], WIND[1]], START, END).to_pylist())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_order_cut_or_repetition_changes_what_stands(new_store: NewStore, data: st.DataObject) -> None:
    sent = data.draw(st.lists(messages, max_size=8))
    again = data.draw(
        st.permutations(sent + data.draw(st.lists(st.sampled_from(sent), max_size=3) if sent else st.just([])))
    )
    cuts = st.lists(st.integers(0, 12), max_size=4)
    with new_store() as store, new_store() as other:
        once, twice = take(store, sent, data.draw(cuts)), take(other, again, data.draw(cuts))
        assert current(store.known_at(END)) == current(other.known_at(END))
        assert once.is_conserved
        assert twice.is_conserved
        assert (once.stored, once.revised, once.conflict) == (twice.stored, twice.revised, twice.conflict)


def test_one_revision_with_two_values_is_a_conflict_settled_by_content(new_store: NewStore) -> None:
    low, high = json_message(WIND, 0, 3.0, 0, 6), json_message(WIND, 0, 4.0, 0, 7)
    for sent in ([low, high], [high, low]):
        with new_store() as store:
            counts = take(store, sent, [1])
            (row,) = store.known_at(END).readings([WIND[1]], START, END).to_pylist()
            assert (row["value"], row["quality"]) == (4.0, int(Quality.CONFLICT))
            assert (counts.stored, counts.conflict) == (1, 1)

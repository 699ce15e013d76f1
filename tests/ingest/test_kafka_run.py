"""Messages of Kafka's client on their way to columns."""

from __future__ import annotations

import gc
from contextlib import suppress

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from ingest.cycle_search import no_cycle_search
from ingest.kafka_run import by_partition

PLACES = st.tuples(st.sampled_from(["a.v1", "b.v1"]), st.integers(0, 2))


@given(st.lists(PLACES, min_size=1, max_size=40))
def test_each_partition_gets_its_messages_and_no_other_in_their_order(places):
    messages = [Message(topic, number, offset) for offset, (topic, number) in enumerate(places)]
    found = by_partition(messages)
    assert set(found) == set(places)
    for place, some in found.items():
        assert [message.offset() for message in some] == [at for at, other in enumerate(places) if other == place]


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_search_for_cycles_is_as_it_was_after_an_error(was_enabled):
    (gc.enable if was_enabled else gc.disable)()
    try:
        with suppress(ZeroDivisionError), no_cycle_search():
            assert not gc.isenabled()
            raise ZeroDivisionError
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable()

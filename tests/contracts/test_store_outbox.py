"""The outbox holds each message from its decision until it is marked as sent, in order and under one name."""

from __future__ import annotations

import pytest

from gridcore.errors import BrokenInvariantError
from storage.outbox import mark_sent, pending, pending_count
from tests.contracts.store_content import decision, minutes, rows_of
from tests.contracts.stores import NewStore


def test_messages_wait_in_the_order_of_their_decisions_until_they_are_sent(new_database: NewStore) -> None:
    with new_database() as store:
        for issued in (0, 15):
            store.publish(decision(issued))
        first = [message.message_id for message in pending(store, 5)]
        names = ["forecast-20200418T080000Z-0", "forecast-20200418T080000Z-1"]
        assert first == [*names, "scuc-20200418T080000Z", "sced-20200418T080000Z", "setpoint-20200418T080000Z"]
        mark_sent(store, first[:4])
        assert [message.message_id for message in pending(store, 2)] == [first[4], "forecast-20200418T081500Z-0"]
        assert pending_count(store) == 6


def test_a_message_carries_its_topic_its_instant_and_its_rows(new_database: NewStore) -> None:
    with new_database() as store:
        made = decision(0)
        store.publish(made)
        messages = pending(store, 99)
        tables = [*(v.to_table() for v in made.vintages), *(p.to_table() for p in made.plans), made.setpoints]
        assert [rows_of(message.rows) for message in messages] == [rows_of(table) for table in tables]
        topics = ["xiaona.forecast.v1"] * 2 + ["xiaona.plan.v1"] * 2 + ["xiaona.setpoint.v1"]
        assert [message.topic for message in messages] == topics
        assert {message.issue_time for message in messages} == {minutes(0)}


def test_publishing_again_sends_nothing_again(new_database: NewStore) -> None:
    with new_database() as store:
        store.publish(decision(0))
        mark_sent(store, [message.message_id for message in pending(store, 99)])
        store.publish(decision(0))
        assert pending(store, 99) == ()


def test_a_name_that_no_message_has_is_an_error(new_database: NewStore) -> None:
    with new_database() as store:
        store.publish(decision(0))
        with pytest.raises(BrokenInvariantError, match="sced-1970"):
            mark_sent(store, ["setpoint-20200418T080000Z", "sced-1970"])
        assert pending_count(store) == 5

"""Everything that the store holds for others goes out at least once, in order, under one name; never half marked."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gridcore.clock import VirtualClock
from gridcore.ports import DeadLetter
from gridcore.topics import DEAD_LETTER
from storage.embedded import EmbeddedStore
from storage.embedded_tables import EmbeddedTables
from storage.letters_out import LONGEST_PAYLOAD, WHOLE_LOOK
from storage.outbox import pending_count
from storage.relay import Relay
from tests.contracts.store_content import SOURCE, START, batch, decision, minutes, reading
from tests.ingest.test_asyncapi import validator
from tests.storage.outlets import DiesBeforeMarking, KilledError, Wire


def letter(offset: int, payload: bytes = b"\xff{") -> DeadLetter:
    return DeadLetter(minutes(offset), SOURCE, offset, "not_json", "a brace \0 and more", payload)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def tables(store: EmbeddedStore) -> Iterator[EmbeddedTables]:
    opened = EmbeddedTables(store.path)
    yield opened
    opened.close()


def test_decisions_go_out_once_and_in_their_order(store: EmbeddedStore, tables: EmbeddedTables) -> None:
    for issued in (0, 15, 30):
        store.publish(decision(issued))
    relay = Relay(tables, wire := Wire(), VirtualClock(START))
    assert sum(relay.step().values()) == len(wire.messages) == 3 * 7
    stamps = [message.message_id.split("/")[0].split("-")[1] for message in wire.messages]
    assert stamps == sorted(stamps)
    assert not relay.step()
    assert pending_count(store) == 0
    store.publish(decision(45))
    assert sum(relay.step().values()) == 7


def test_a_relay_killed_before_it_marks_sends_the_same_again(store: EmbeddedStore, tables: EmbeddedTables) -> None:
    store.publish(decision(0))
    store.accept(batch(0, [reading("W1/power", 0, 1.0, 15)]), [letter(0)])
    wire = Wire()
    with pytest.raises(KilledError):
        Relay(DiesBeforeMarking(tables), wire, VirtualClock(START)).step()
    first = list(wire.messages)
    Relay(tables, wire, VirtualClock(START)).step()
    again = wire.messages[len(first) :]
    assert again[: len(first)] == first
    assert again[len(first) :] == [message for message in again if message.topic == DEAD_LETTER]
    assert not Relay(tables, wire, VirtualClock(START)).step()


@pytest.mark.parametrize("takes", [0, 3, 6])
def test_nothing_is_marked_that_was_not_acknowledged(store: EmbeddedStore, tables: EmbeddedTables, takes: int) -> None:
    store.publish(decision(0))
    assert not Relay(tables, Wire(takes), VirtualClock(START)).step()
    assert pending_count(store) == 5
    Relay(tables, whole := Wire(), VirtualClock(START)).step()
    assert len(whole.messages) == 7


def test_dead_letters_go_out_once_with_their_bytes(store: EmbeddedStore, tables: EmbeddedTables) -> None:
    store.accept(replace(batch(0), next_offset=2), [letter(0), letter(1, b"")])
    relay = Relay(tables, wire := Wire(), VirtualClock(START))
    assert relay.step() == {DEAD_LETTER: 2}
    assert not relay.step()
    words = [json.loads(message.value) for message in wire.messages]
    for one in words:
        validator("dead_letter").validate(one)
    assert [base64.b64decode(one["payload"]) for one in words] == [b"\xff{", b""]
    assert [(one["source"], one["offset"], one["reason"]) for one in words] == [(SOURCE, n, "not_json") for n in (0, 1)]
    assert {message.key for message in wire.messages} == {SOURCE}
    assert len({message.message_id for message in wire.messages}) == 2
    store.accept(replace(batch(2), next_offset=3), [letter(2)])
    assert relay.step() == {DEAD_LETTER: 1}


def test_a_letter_that_shows_below_others_that_are_sent_goes_out_too(
    store: EmbeddedStore, tables: EmbeddedTables
) -> None:
    columns = "INSERT INTO dead_letter VALUES (?, 0, 'test/0', ?, 'not_json', '', x'')"
    tables.execute(columns, [(7, 7)])
    clock = VirtualClock(START)
    relay = Relay(tables, wire := Wire(), clock)
    assert relay.step()
    assert not relay.step()
    tables.execute(columns, [(3, 3)])
    assert not relay.step()
    clock.wait_until(START + WHOLE_LOOK)
    relay.step()
    assert [json.loads(message.value)["offset"] for message in wire.messages] == [7, 3]


def test_a_long_payload_travels_by_its_head_and_its_length(store: EmbeddedStore, tables: EmbeddedTables) -> None:
    whole = bytes(range(256)) * 40_000
    store.accept(replace(batch(0), next_offset=2), [letter(0, whole), letter(1, whole[:-1])])
    Relay(tables, wire := Wire(), VirtualClock(START)).step()
    words = [json.loads(message.value) for message in wire.messages]
    assert [one["payload_bytes"] for one in words] == [len(whole), len(whole) - 1]
    assert all(base64.b64decode(one["payload"]) == whole[:LONGEST_PAYLOAD] for one in words)
    assert all(len(message.value) < 1_000_000 for message in wire.messages)
    kept = store.rows("SELECT payload FROM dead_letter ORDER BY seq")
    assert kept == [(whole,), (whole[:-1],)]

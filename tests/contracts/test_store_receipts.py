"""What a store keeps of a request: its receipt, with the batch or not at all; for every adapter."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gridcore.errors import BrokenInvariantError, StoreConflictError
from gridcore.ports import RECEIPTS_KEPT, DeadLetter, Receipt
from tests.contracts.store_content import SOURCE, batch, minutes, reading
from tests.contracts.stores import NewStore

FIRST = Receipt("gateway/1", "ab" * 32, minutes(7))


def test_a_receipt_answers_with_the_counts_of_its_own_batch(new_store: NewStore) -> None:
    letter = DeadLetter(minutes(1), SOURCE, 1, "not_json", "", b"\xff")
    with new_store() as store:
        store.accept(batch(0, [reading("W1/power", 0, 7.0, 6)]), ())
        rows = [reading("W1/power", 0, 7.0, 6), reading("W1/power", 5, 7.0, 6)]
        counts = store.accept(batch(1, rows), [letter], FIRST)
        answer = b'{"received":3,"stored":1,"duplicate":1,"revised":0,"conflict":0,"dead_letters":{"not_json":1}}'
        assert store.receipt("gateway/1") == replace(FIRST, answer=answer)
        assert counts.to_json() == answer
        assert store.receipt("gateway/2") is None


def test_a_batch_that_is_refused_leaves_no_receipt(new_store: NewStore) -> None:
    changed = {**reading("W1/power", 5, 8.0, 6), "unit": "MWh"}
    with new_store() as store:
        store.accept(batch(0, [reading("W1/power", 0, 7.0, 6)]), ())
        with pytest.raises(StoreConflictError):
            store.accept(batch(0, [reading("W1/power", 5, 7.0, 6)]), (), FIRST)
        with pytest.raises(BrokenInvariantError):
            store.accept(batch(1, [changed]), (), FIRST)
        assert store.receipt(FIRST.key) is None


def test_a_key_that_is_kept_refuses_the_whole_batch(new_store: NewStore) -> None:
    with new_store() as store:
        store.accept(batch(0, [reading("W1/power", 0, 7.0, 6)]), (), FIRST)
        kept = store.receipt(FIRST.key)
        with pytest.raises(StoreConflictError, match="gateway/1"):
            store.accept(batch(1, [reading("W1/power", 5, 7.0, 6)]), (), replace(FIRST, body_sha256="cd" * 32))
        assert store.offsets() == {SOURCE: 1}
        assert store.receipt(FIRST.key) == kept
        assert len(store.known_at(minutes(9)).readings(["W1/power"], minutes(0), minutes(10))) == 1


def test_a_receipt_is_forgotten_with_the_first_that_comes_long_after(new_store: NewStore) -> None:
    at_the_limit = Receipt("gateway/2", "cd" * 32, FIRST.received_at + RECEIPTS_KEPT)
    beyond = Receipt("gateway/3", "ef" * 32, at_the_limit.received_at + timedelta(microseconds=1))
    with new_store() as store:
        store.accept(batch(0), (), FIRST)
        store.accept(batch(0), (), at_the_limit)
        assert store.receipt(FIRST.key) is not None
        store.accept(batch(0), (), beyond)
        assert store.receipt(FIRST.key) is None
        assert store.receipt(at_the_limit.key) is not None

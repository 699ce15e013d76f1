"""What a store knows of readings, official values and outages, and when: the laws for every adapter of the port."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcore.errors import BrokenInvariantError, StoreConflictError
from gridcore.ports import DeadLetter, RegisteredModel
from gridcore.reading import Quality
from storage.memory import MemoryStore
from tests.contracts.store_arrivals import INSTANTS, arrivals, batches_of, taken_in
from tests.contracts.store_content import (
    CHANNELS,
    LONG_AGO,
    NEVER_REACHED,
    SOURCE,
    START,
    answers,
    batch,
    decision,
    history_of,
    minutes,
    official,
    outage,
    reading,
)
from tests.contracts.stores import NewStore


@settings(max_examples=30)
@given(rows=arrivals, data=st.data())
def test_neither_order_nor_cuts_nor_repeats_change_an_answer(
    new_store: NewStore, rows: list[tuple[str, Any]], data: st.DataObject
) -> None:
    repeats = data.draw(st.lists(st.sampled_from(rows), max_size=5)) if rows else []
    shuffled = data.draw(st.permutations([*rows, *repeats]))
    cuts = data.draw(st.lists(st.integers(0, 40), max_size=4))
    oracle = MemoryStore()
    plain = taken_in(oracle, batches_of(rows, ()))
    with new_store() as store:
        counts = taken_in(store, batches_of(shuffled, cuts))
        assert history_of(store, INSTANTS) == history_of(oracle, INSTANTS)
        again = sum(kind == "r" for kind, _ in repeats)
        assert (counts.stored, counts.revised, counts.conflict) == (plain.stored, plain.revised, plain.conflict)
        assert counts.duplicate == plain.duplicate + again
        assert counts.is_conserved


@settings(max_examples=30)
@given(early=arrivals, late=arrivals, cut=st.integers(0, 9), issued=st.integers(0, 9))
def test_later_arrivals_leave_earlier_knowledge_alone(
    new_store: NewStore, early: list[tuple[str, Any]], late: list[tuple[str, Any]], cut: int, issued: int
) -> None:
    later = [(kind, row) for kind, row in late if row["available_at"] > minutes(cut)]
    with new_store() as store:
        taken_in(store, batches_of(early, (7,)))
        store.register(RegisteredModel("wind/intraday", minutes(0), "old", b"old"))
        store.publish(decision(0))
        before = answers(store.known_at(minutes(cut)))
        taken_in(store, batches_of(later, (5,), store.offsets().get(SOURCE, 0)))
        store.register(RegisteredModel("wind/intraday", minutes(cut + 1), "new", b"new"))
        store.publish(decision(cut + 1 + issued))
        assert answers(store.known_at(minutes(cut))) == before


def test_what_is_available_at_the_instant_is_known_and_not_a_microsecond_before(new_store: NewStore) -> None:
    with new_store() as store:
        rows = [reading("W1/power", 0, 7.0, 6)]
        store.accept(batch(0, rows, [official("W1", 0, 8.0, 6, 6)], [outage("W1", 0, 9, 6)]), ())
        store.register(RegisteredModel("wind/intraday", minutes(6), "m", b"m"))
        store.publish(decision(6))
        seen, before = (
            answers(store.known_at(minutes(6))),
            answers(store.known_at(minutes(6) - timedelta(microseconds=1))),
        )
        assert all(seen.values())
        assert not any(value for name, value in before.items() if name != "models")
        assert before["models"] == [None]


def test_the_current_reading_is_the_highest_revision_known(new_store: NewStore) -> None:
    with new_store() as store:
        rows = [reading("W1/power", 0, 7.0, 6), reading("W1/power", 0, 9.0, 20, 2), reading("W1/power", 0, 8.0, 30, 1)]
        counts = store.accept(batch(0, rows), ())
        assert (counts.stored, counts.revised) == (1, 2)
        found = [store.known_at(minutes(at)).readings(["W1/power"], START, minutes(5)) for at in (6, 20, 30)]
        assert [table["value"].to_pylist() for table in found] == [[7.0], [9.0], [9.0]]
        assert [table["revision"].to_pylist() for table in found] == [[0], [2], [2]]


def test_a_conflict_keeps_both_and_the_larger_plausible_value_stands_flagged(new_store: NewStore) -> None:
    bad = int(Quality.OUT_OF_RANGE)
    rows = [reading("W1/power", 0, 7.0, 6), reading("W1/power", 0, 99.0, 7, 0, bad), reading("W1/power", 0, 8.0, 9)]
    with new_store() as store:
        counts = store.accept(batch(0, rows), ())
        assert (counts.stored, counts.conflict) == (1, 2)
        found = [
            store.known_at(minutes(at)).readings(["W1/power"], START, minutes(5)).to_pylist()[0] for at in (6, 7, 9)
        ]
        assert [row["value"] for row in found] == [7.0, 7.0, 8.0]
        assert [row["quality"] for row in found] == [0, int(Quality.CONFLICT), int(Quality.CONFLICT)]


def test_a_duplicate_never_renews_when_a_reading_was_first_had(new_store: NewStore) -> None:
    with new_store() as store:
        store.accept(batch(0, [reading("W1/power", 0, 7.0, 6)]), ())
        counts = store.accept(batch(1, [reading("W1/power", 0, 7.0, 90, 0, int(Quality.LATE))]), ())
        row = store.known_at(minutes(100)).readings(["W1/power"], START, minutes(5)).to_pylist()[0]
        assert (row["available_at"], row["quality"], counts.duplicate) == (minutes(6), 0, 1)


def test_a_reading_that_turns_out_to_have_been_had_earlier_is_known_from_then_on(new_store: NewStore) -> None:
    with new_store() as store:
        store.accept(batch(0, [reading("W1/power", 0, 7.0, 90, 0, int(Quality.LATE))]), ())
        counts = store.accept(batch(1, [reading("W1/power", 0, 7.0, 6)]), ())
        rows = store.known_at(minutes(7)).readings(["W1/power"], START, minutes(5)).to_pylist()
        assert [(row["available_at"], row["quality"]) for row in rows] == [(minutes(6), 0)]
        assert (counts.stored, counts.duplicate) == (0, 1)


def test_the_newest_issue_of_an_official_value_is_current_and_all_issues_stay(new_store: NewStore) -> None:
    with new_store() as store:
        rows = [official("W1", 60, 5.0, 0, 1), official("W1", 60, 6.0, 10, 11), official("W1", 120, 4.0, 0, 1)]
        store.accept(batch(0, (), rows), ())
        known = store.known_at(minutes(11))
        assert known.official(["W1"], START, minutes(180))["power_mw"].to_pylist() == [6.0, 4.0]
        assert known.official_vintages(["W1"], START, minutes(180))["power_mw"].to_pylist() == [5.0, 6.0, 4.0]
        assert store.known_at(minutes(10)).official(["W1"], START, minutes(180))["power_mw"].to_pylist() == [5.0, 4.0]


def test_readings_are_sorted_by_channel_and_cut_to_what_was_asked(new_store: NewStore) -> None:
    rows = [reading(channel, valid, valid, 30) for valid in (10, 0, 5, 15) for channel in reversed(CHANNELS)]
    with new_store() as store:
        store.accept(batch(0, rows), ())
        table = store.known_at(minutes(30)).readings([*reversed(CHANNELS[1:]), "nowhere"], minutes(5), minutes(15))
        found = list(zip(table["channel"].to_pylist(), table["value"].to_pylist(), strict=True))
        assert found == [("W1/power", 5.0), ("W1/power", 10.0), ("W2/power", 5.0), ("W2/power", 10.0)]
        assert table.column_names == ["channel", "valid_time", "value", "quality", "revision", "available_at"]


def test_an_outage_is_seen_where_it_overlaps(new_store: NewStore) -> None:
    with new_store() as store:
        store.accept(batch(0, (), (), [outage("A1", 10, 20, 0), outage("W1", 30, 40, 0)]), ())
        known = store.known_at(minutes(0))
        overlaps = {(0, 10): [], (0, 11): ["A1"], (19, 31): ["A1", "W1"], (20, 30): [], (39, 99): ["W1"], (40, 99): []}
        for (start, end), assets in overlaps.items():
            assert known.outages(minutes(start), minutes(end))["asset"].to_pylist() == assets


def test_a_batch_that_starts_elsewhere_is_refused_and_leaves_no_trace(new_store: NewStore) -> None:
    with new_store() as store:
        store.accept(batch(0, [reading("W1/power", 0, 7.0, 6)]), ())
        before = history_of(store, INSTANTS)
        for offset in (0, 2):
            with pytest.raises(StoreConflictError, match=r"got . wanted|got \d; wanted 1"):
                store.accept(batch(offset, [reading("W1/power", 5, 8.0, 6)], [official("W1", 0, 1.0, 0, 0)]), ())
        assert store.offsets() == {SOURCE: 1}
        assert history_of(store, INSTANTS) == before


def test_dead_letters_count_and_each_is_kept_once(new_store: NewStore) -> None:
    letters = [
        DeadLetter(minutes(1), SOURCE, offset, reason, "", b"\xff") for offset, reason in ((0, "a"), (1, "b"), (2, "a"))
    ]
    given_batch = replace(batch(0, [reading("W1/power", 0, 7.0, 6)]), undecodable=tuple(letters[:2]))
    with new_store() as store:
        counts = store.accept(given_batch, letters[1:])
        assert counts.dead_letters == {"a": 2, "b": 1}
        assert (counts.received, counts.stored, counts.is_conserved) == (4, 1, True)


def test_a_channel_that_changes_its_unit_stops_the_batch_whole(new_store: NewStore) -> None:
    changed = {**reading("W1/power", 5, 8.0, 6), "unit": "MWh"}
    with new_store() as store:
        store.accept(batch(0, [reading("W1/power", 0, 7.0, 6)]), ())
        with pytest.raises(BrokenInvariantError, match="W1/power"):
            store.accept(batch(1, [reading("W2/power", 5, 8.0, 6), changed]), ())
        with pytest.raises(BrokenInvariantError, match="W2/power"):
            store.accept(batch(1, [reading("W2/power", 5, 8.0, 6), {**changed, "channel": "W2/power"}]), ())
        assert store.offsets() == {SOURCE: 1}
        assert store.known_at(minutes(9)).readings(CHANNELS, LONG_AGO, NEVER_REACHED).num_rows == 1


def test_an_empty_store_answers_every_question(new_store: NewStore) -> None:
    with new_store() as store:
        found = answers(store.known_at(START))
        assert found.pop("models") == [None]
        assert not any(found.values())
        assert (store.offsets(), store.last_decision()) == ({}, None)

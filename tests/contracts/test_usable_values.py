"""A value that may not be used never hides one that may, whichever came first, in every adapter."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcore.reading import UNUSABLE, Quality
from storage.analysis import analysis_of
from tests.contracts.store_content import CHANNELS, LONG_AGO, NEVER_REACHED, START, batch, minutes, reading, rows_of
from tests.contracts.stores import NewStore, embedded_in_pieces, in_memory

W1 = "W1/power"
PERIOD = timedelta(minutes=5)


def stamped(valid: int, value: float, available: int, revision: int = 0, *, spoilt: bool = False) -> dict[str, Any]:
    """A reading flagged as at its arrival: FUTURE where its period had not ended."""
    is_ahead = minutes(valid) + PERIOD > minutes(available)
    quality = (Quality.FUTURE if is_ahead else Quality.GOOD) | (Quality.OUT_OF_RANGE if spoilt else Quality.GOOD)
    return reading(W1, valid, value, available, revision, int(quality))


def current(store: Any, at: float) -> list[tuple[float, int, float]]:
    """Value, flags and arrival [min after START] of what is current at an instant."""
    rows = store.known_at(minutes(at)).readings([W1], LONG_AGO, NEVER_REACHED).to_pylist()
    return [(r["value"], r["quality"], (r["available_at"] - START) / timedelta(minutes=1)) for r in rows]


@pytest.mark.parametrize("unusable", [flag for flag in Quality if flag & UNUSABLE])
def test_a_usable_value_stands_before_a_larger_one_that_is_not(new_store: NewStore, unusable: Quality) -> None:
    rows = [reading(W1, 20, 50.0, 6, 0, int(unusable)), reading(W1, 20, 40.0, 26)]
    for order in permutations(rows):
        with new_store() as store:
            for offset, row in enumerate(order):
                store.accept(batch(offset, [row]), ())
            assert current(store, 25) == [(50.0, int(unusable), 6)]
            assert current(store, 26) == [(40.0, int(Quality.CONFLICT), 26)]


def test_a_value_that_comes_again_at_its_own_time_may_be_used_from_then_on(new_store: NewStore) -> None:
    """A clock that runs ahead sends the night's zero early; the true zero of that time is no reason to have none."""
    for order in permutations([stamped(20, 0.0, 6), stamped(20, 0.0, 26), stamped(20, 0.0, 8)]):
        with new_store() as store:
            counts = [store.accept(batch(offset, [row]), ()) for offset, row in enumerate(order)]
            assert [(c.stored, c.duplicate) for c in counts] == [(1, 0), (0, 1), (0, 1)]
            assert current(store, 25) == [(0.0, int(Quality.FUTURE), 6)]
            assert current(store, 26) == [(0.0, 0, 26)]


def test_a_higher_revision_stands_even_where_it_may_not_be_used(new_store: NewStore) -> None:
    with new_store() as store:
        store.accept(batch(0, [stamped(20, 40.0, 26), reading(W1, 20, 999.0, 30, 1, int(Quality.OUT_OF_RANGE))]), ())
        assert current(store, 30) == [(999.0, int(Quality.OUT_OF_RANGE), 30)]


sent = st.builds(
    stamped, st.sampled_from([0, 5, 10]), st.sampled_from([0.0, 1.0, 2.0]), st.integers(0, 19), st.integers(0, 1),
    spoilt=st.booleans(),
)  # fmt: skip


@settings(max_examples=60)
@given(rows=st.lists(sent, min_size=2, max_size=10), chance=st.randoms(use_true_random=False))
def test_neither_order_nor_adapter_nor_sql_changes_what_is_current(rows: list[dict[str, Any]], chance: Any) -> None:
    other = chance.sample(rows, len(rows))
    with in_memory() as plain, embedded_in_pieces() as store:
        plain.accept(batch(0, rows), ())
        for offset, row in enumerate(other):
            store.accept(batch(offset, [row]), ())
        for at in range(20):
            assert current(store, at) == current(plain, at)
        store.seal(minutes(10))
        known = store.known_at(NEVER_REACHED).readings(CHANNELS, LONG_AGO, NEVER_REACHED)
        assert rows_of(known) == rows_of(plain.known_at(NEVER_REACHED).readings(CHANNELS, LONG_AGO, NEVER_REACHED))
        columns = "channel, valid_time, value, quality, revision, available_at"
        with analysis_of(store) as analysis:
            found = analysis.sql(f"SELECT {columns} FROM reading WHERE place = 1 ORDER BY channel, valid_time")
            assert rows_of(found.to_arrow_table()) == rows_of(known)

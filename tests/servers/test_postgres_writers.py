"""Many writers on one PostgreSQL database: side by side where their sources differ, one owner for each source."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from gridcore.errors import StoreConflictError
from gridcore.ports import Batch, Counts, DeadLetter
from gridcore.reading import READING_SCHEMA
from storage.memory import MemoryStore
from storage.postgres import PostgresStore
from storage.postgres_care import check
from tests.contracts.store_arrivals import INSTANTS
from tests.contracts.store_content import (
    CHANNELS,
    LONG_AGO,
    NEVER_REACHED,
    SOURCE,
    batch,
    decision,
    history_of,
    minutes,
    official,
    outage,
    reading,
)
from tests.servers.postgres_stores import empty_schema, in_postgres
from tests.storage.telemetry import telemetry_batch

pytestmark = pytest.mark.postgres

MONTH = 31 * 1440
"""Longer than any month [min]."""


def random_batches(source: str, seed: int, count: int) -> list[Batch]:
    """Batches over few cells, so that two writers meet in each: values, revisions, outages and official values."""
    chance = np.random.default_rng(seed)
    made, offset = [], 0
    for _ in range(count):
        rows = [
            reading(
                str(chance.choice(CHANNELS)),
                float(5 * chance.integers(0, 4) + MONTH * chance.integers(0, 2)),
                float(chance.integers(0, 3)),
                float(chance.integers(0, 9)),
                int(chance.integers(0, 2)),
            )
            for _ in range(12)
        ]
        given = [official("W1", 60.0, float(chance.integers(0, 3)), float(chance.integers(0, 3)), 5.0)]
        out = [outage("W1", float(start), float(start) + 5, float(chance.integers(0, 9))) for start in range(3)]
        made.append(replace(batch(offset, rows, given, out), source=source))
        offset = made[-1].next_offset
    return made


def deliver(url: str, batches: Sequence[Batch]) -> Counts:
    total = Counts()
    with closing(PostgresStore(url, patience_s=5.0)) as store:
        for each in batches:
            total.add(store.accept(each, ()))
    return total


def test_two_writers_of_one_channel_count_and_keep_what_one_would(postgres: str) -> None:
    streams = [random_batches(f"feed/{number}", number, 25) for number in range(3)]
    oracle, alone = MemoryStore(), Counts()
    for each in (one for stream in streams for one in stream):
        alone.add(oracle.accept(each, ()))
    with empty_schema(postgres) as url:
        with ThreadPoolExecutor(3) as pool:
            counts = list(pool.map(lambda stream: deliver(url, stream), streams))
        together = Counts()
        for each in counts:
            together.add(each)
        assert {**vars(together), "flags": {}} == {**vars(alone), "flags": {}}
        with closing(PostgresStore(url)) as store:
            assert history_of(store, INSTANTS) == history_of(oracle, INSTANTS)
            assert store.offsets() == oracle.offsets()
        assert check(url) == []


def test_of_two_owners_of_a_source_the_later_is_refused_even_where_both_began(postgres: str) -> None:
    with empty_schema(postgres) as url, ThreadPoolExecutor(2) as pool:
        same = [telemetry_batch(SOURCE, 50, 0, 200)] * 2
        results = [pool.submit(deliver, url, [each]) for each in same]
        errors = [result.exception() for result in results]
        assert sorted(error is None for error in errors) == [False, True]
        assert all(error is None or isinstance(error, StoreConflictError) for error in errors)
        with closing(PostgresStore(url)) as store:
            assert store.offsets() == {SOURCE: 10_000}
            with pytest.raises(StoreConflictError, match="got 0; wanted 10000"):
                store.accept(same[0], ())
        assert check(url) == []


def test_writers_make_the_months_they_need_at_once(postgres: str) -> None:
    def year(number: int) -> Batch:
        rows = [reading(f"W{number}/power", MONTH * month, 1.0, MONTH * month + 6) for month in range(12)]
        return replace(
            batch(0, rows, [official(f"W{number}", MONTH * month, 1.0, 0, 0) for month in range(12)]),
            source=f"s/{number}",
        )

    with empty_schema(postgres) as url:
        with ThreadPoolExecutor(3) as pool:
            counts = list(pool.map(lambda number: deliver(url, [year(number)]), range(3)))
        assert [each.stored for each in counts] == [12, 12, 12]
        with closing(PostgresStore(url)) as store:
            months = store.readings.months.attached()
            assert len(months) == 2 + len({minutes(MONTH * month).strftime("%Y-%m") for month in range(12)})
            assert store.rows("SELECT count(*) FROM reading_2020_04") == [(3,)]


def test_an_instant_of_a_broken_clock_makes_no_partition_and_is_found_again(postgres: str) -> None:
    far = [reading("W1/power", 1440 * 365 * years, float(years), 6) for years in (-2019, -60, 0, 200, 7000)]
    with in_postgres(postgres) as store:
        counts = store.accept(batch(0, far), ())
        assert store.readings.months.attached() == ["reading_2020_04", "reading_after", "reading_before"]
        again = store.accept(batch(5, far), ())
        assert (counts.stored, again.duplicate, again.stored) == (5, 5, 0)
        start, end = minutes(1440 * 365 * -2019), minutes(1440 * 365 * 7001)
        found = store.known_at(minutes(6)).readings(["W1/power"], start, end)
        assert found["value"].to_pylist() == [-2019.0, -60.0, 0.0, 200.0, 7000.0]


def test_a_reader_answers_while_a_batch_is_being_written(postgres: str) -> None:
    with empty_schema(postgres) as url, closing(PostgresStore(url)) as writer, closing(PostgresStore(url)) as reader:
        writer.accept(telemetry_batch("plant/0", 10, 0, 5), ())
        before = reader.known_at(NEVER_REACHED).readings(["W1/power"], LONG_AGO, NEVER_REACHED)
        new = replace(telemetry_batch("plant/0", 10, 5, 5), source="plant/1", start_offset=0, next_offset=50)
        with writer.session.transaction():
            writer.readings.months.place(np.array(["2030-01"], "datetime64[M]"))
            writer.session.run("UPDATE source_offset SET next_offset = 0")
            assert reader.offsets() == {"plant/0": 50}
            assert reader.known_at(NEVER_REACHED).readings(["W1/power"], LONG_AGO, NEVER_REACHED).equals(before)
            reader.accept(new, ())
            reader.publish(decision(0))
            writer.session.run("UPDATE source_offset SET next_offset = 50 WHERE source = 'plant/0'")
        assert writer.offsets() == {"plant/0": 50, "plant/1": 50}


def test_a_message_of_any_bytes_and_words_is_kept_as_a_dead_letter(postgres: str) -> None:
    letter = DeadLetter(minutes(1), "test/0", 0, "unknown_channel", "got \0 'quoted' ü \\", bytes(range(256)))
    with in_postgres(postgres) as store:
        counts = store.accept(batch(0), (letter,))
        assert (counts.received, counts.dead_letters) == (1, {"unknown_channel": 1})
        found = store.rows("SELECT detail, payload FROM dead_letter")
        assert found == [("got \\0 'quoted' ü \\", bytes(range(256)))]
        assert store.known_at(minutes(1)).readings(CHANNELS, LONG_AGO, NEVER_REACHED).schema.field("value").type == (
            READING_SCHEMA.field("value").type
        )

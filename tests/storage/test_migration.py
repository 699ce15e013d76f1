"""A store of the version before is brought up with all that it holds, or left as it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gridcore.errors import BadInputError, StoreDamagedError
from storage import maintenance
from storage.check import check
from storage.embedded import EmbeddedStore
from tests.contracts.store_content import NEVER_REACHED, answers, batch, official, outage, reading
from tests.storage.telemetry import sealed_store, telemetry_batch
from tests.storage.version_3 import make_old


def filled(path: Path) -> EmbeddedStore:
    """A segment, hot readings of which one is revised, official values, an outage and a decision."""
    store = sealed_store(path)
    rows = [reading("1/load", 0, 5.0, 6), reading("1/load", 0, float("nan"), 9, 1), reading("W1/power", 0, 1.0, 6)]
    values = [official("W1", 60 * hour, float(hour), 0, 5) for hour in range(4)]
    store.accept(batch(0, rows, values, [outage("W1", 0, 60, 9)]), ())
    return store


def test_a_store_of_the_version_before_is_brought_up_with_what_it_holds(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as store:
        before = answers(store.known_at(NEVER_REACHED)), store.offsets()
    make_old(tmp_path)
    for opening in (EmbeddedStore, check):
        with pytest.raises(BadInputError, match=r"got 3; wanted 4; .* `xiaona store migrate`"):
            opening(tmp_path)
    assert [maintenance.migrate(tmp_path) for _ in range(2)] == [4, 4]
    assert check(tmp_path) == []
    with closing(EmbeddedStore(tmp_path)) as store:
        assert (answers(store.known_at(NEVER_REACHED)), store.offsets()) == before
        assert [segment.rows for segment in store.readings.segments] == [30_000]
        again = telemetry_batch("plant/1", 100, 0, 10)
        assert store.accept(again, ()).duplicate == 1000
    assert len(list((tmp_path / "segments").iterdir())) == 1


def test_a_store_of_two_versions_before_takes_both_steps(tmp_path: Path) -> None:
    filled(tmp_path).close()
    make_old(tmp_path)
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection:
        connection.execute("DROP TABLE receipt")
        connection.execute("PRAGMA user_version = 2")
    assert maintenance.migrate(tmp_path) == 4
    assert check(tmp_path) == []


def test_a_damaged_store_is_not_brought_up_and_stays_as_it_is(tmp_path: Path) -> None:
    filled(tmp_path).close()
    make_old(tmp_path)
    segment = next((tmp_path / "segments").iterdir())
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-1])
    with pytest.raises(StoreDamagedError, match=segment.name):
        maintenance.migrate(tmp_path)
    segment.write_bytes(whole)
    assert maintenance.migrate(tmp_path) == 4
    assert check(tmp_path) == []


@pytest.mark.parametrize("version", [1, 99])
def test_a_version_that_no_step_begins_at_is_refused_with_what_to_do(tmp_path: Path, version: int) -> None:
    filled(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(BadInputError, match=f"got {version}; wanted one of 2 to 4; fill a new store"):
        maintenance.migrate(tmp_path)

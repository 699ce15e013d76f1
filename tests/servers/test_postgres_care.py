"""Care of a PostgreSQL store: checks find what was altered, a seal changes no answer, exports equal the embedded's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridcore.errors import BadInputError, StoreDamagedError
from gridcore.ports import Batch, DeadLetter, RegisteredModel
from gridcore.reading import UNUSABLE, Quality
from storage import maintenance, postgres_care
from storage.embedded import EmbeddedStore
from storage.postgres import PostgresStore
from storage.postgres_schema import migrations
from storage.postgres_session import Session
from tests.contracts.store_arrivals import arrivals, batches_of
from tests.contracts.store_content import (
    CHANNELS,
    LONG_AGO,
    NEVER_REACHED,
    answers,
    batch,
    decision,
    minutes,
    official,
    outage,
    reading,
    rows_of,
)
from tests.servers.postgres_stores import empty_schema

pytestmark = pytest.mark.postgres

MONTH = 31 * 1440


def content() -> tuple[Batch, DeadLetter]:
    """Three months of readings with a revision and a conflict, official values, an outage; a letter."""
    rows = [reading("1/load", at, float(at), at + 6) for at in (0, MONTH, 2 * MONTH)]
    rows += [reading("1/load", 0, 7.0, 9, 1), reading("1/load", 0, 8.0, 9, 1), reading("1/load", 0, 0.0, 9)]
    given = [official("W1", at, 1.0, 0, 0) for at in (0, 3 * MONTH)]
    letter = DeadLetter(minutes(1), "test/0", 6, "unknown_channel", "X", b"\xff\x00")
    return batch(0, rows, given, [outage("W1", 0, 9, 6)]), letter


@contextmanager
def filled(postgres: str) -> Iterator[tuple[str, PostgresStore]]:
    """A store with `content`, a model and a decision; and its address."""
    with empty_schema(postgres) as url, closing(PostgresStore(url)) as store:
        rows, letter = content()
        store.accept(rows, (letter,))
        store.register(RegisteredModel("wind/intraday", minutes(0), "m", b"model"))
        store.publish(decision(0))
        yield url, store


def test_a_sound_store_has_no_findings(postgres: str) -> None:
    with filled(postgres) as (url, _):
        assert postgres_care.check(url) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("DELETE FROM reading_2020_05", ("readings current", "got 2", "wanted 3")),
        ("DELETE FROM reading WHERE revision = 1 AND value = 7", ("revised", "got 1;", "wanted 2")),
        ("UPDATE reading SET value = value + 1 WHERE revision = 1", ("2 rows", "reading")),
        ("UPDATE official SET power_mw = 9 WHERE valid_time < '2020-05-01'", ("1 rows", "official")),
        ("DELETE FROM official_2020_04", ("official", "got 1", "wanted 2")),
        ("DELETE FROM dead_letter", ("dead letters", "got 0", "wanted 1")),
        ("UPDATE tally SET amount = amount + 1 WHERE name = 'received'", ("received",)),
        ("UPDATE decision SET checkpoint = '\\x00'", ("decision of 2020-04-18T08:00",)),
        ("DELETE FROM outbox WHERE seq = 1", ("decision of 2020-04-18T08:00",)),
        ("UPDATE model SET payload = '\\x00'", ("wind/intraday", "2020-04-18T08:00")),
        ("UPDATE outage SET ends = ends + 1", ("checksum of outage",)),
        ("UPDATE source_offset SET next_offset = 0", ("offset", "other bytes")),
    ],
)
def test_a_check_finds_what_was_altered_behind_the_stores_back(
    postgres: str, damage: str, words: tuple[str, ...]
) -> None:
    with filled(postgres) as (url, store):
        store.session.run(damage)
        text = "\n".join(str(finding) for finding in postgres_care.check(url))
        words = ("checksum of source offset",) if "source_offset" in damage else words
        assert all(word in text for word in words), text


def test_a_reading_or_offset_whose_bits_changed_is_refused(postgres: str) -> None:
    with filled(postgres) as (_, store):
        store.session.run("UPDATE reading SET quality = 1 WHERE revision = 0")
        store.session.run("UPDATE source_offset SET next_offset = 0")
        with pytest.raises(StoreDamagedError, match="other bytes"):
            store.known_at(NEVER_REACHED).readings(CHANNELS, LONG_AGO, NEVER_REACHED)
        with pytest.raises(StoreDamagedError, match="other bytes"):
            store.accept(batch(0, [reading("1/load", 5, 1.0, 11)]), ())


def test_a_seal_puts_closed_months_in_order_once_and_changes_no_answer(postgres: str) -> None:
    with filled(postgres) as (url, store):
        before = [answers(store.known_at(minutes(at))) for at in (5, 8, 9, 5 * MONTH)]
        assert [postgres_care.seal(url) for _ in range(2)] == [4, 0]
        assert [answers(store.known_at(minutes(at))) for at in (5, 8, 9, 5 * MONTH)] == before
        assert store.accept(batch(6, [reading("1/load", 0, 7.0, 99, 1)]), ()).duplicate == 1
        assert store.accept(batch(7, [reading("1/load", 0, 9.0, 99, 3)]), ()).revised == 1
        assert postgres_care.seal(url) == 4
        assert postgres_care.check(url) == []


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=arrivals, cuts=st.lists(st.integers(0, 40), max_size=3))
def test_both_stores_export_the_same_tables(
    postgres: str, tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, Any]], cuts: list[int]
) -> None:
    home = tmp_path_factory.mktemp("exports")
    fixed, letter = content()
    more = [replace(b, source="other/0") for b in batches_of(rows, cuts)]
    with empty_schema(postgres) as url:
        with closing(PostgresStore(url)) as server, closing(EmbeddedStore(home / "store")) as embedded:
            for store in (server, embedded):
                store.accept(fixed, (letter,))
                for each in more:
                    store.accept(each, ())
        postgres_care.export(url, home / "server")
        maintenance.export(home / "store", home / "embedded")
        assert postgres_care.check(url) == []
    names = sorted(path.name for path in (home / "embedded").iterdir())
    assert names == sorted(path.name for path in (home / "server").iterdir())
    for name in names:
        mine, other = (pq.read_table(home / side / name) for side in ("server", "embedded"))
        assert mine.schema == other.schema
        assert rows_of(mine) == rows_of(other)


def test_an_export_in_many_portions_is_the_same(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(postgres) as (url, store):
        rows = [reading(channel, 5, 1.0, 11) for channel in CHANNELS]
        store.accept(batch(6, rows), ())
        postgres_care.export(url, tmp_path / "one")
        monkeypatch.setattr(postgres_care, "EXPORT_ROWS", 1)
        postgres_care.export(url, tmp_path / "many")
    one, many = (pq.read_table(tmp_path / name / "readings.parquet") for name in ("one", "many"))
    assert one.num_rows == 6
    assert one.equals(many)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=arrivals)
def test_the_view_for_sql_shows_what_is_current(postgres: str, rows: list[tuple[str, Any]]) -> None:
    assert (int(UNUSABLE), int(Quality.CONFLICT)) == (14, 16)
    with empty_schema(postgres) as url, closing(PostgresStore(url)) as store:
        for each in batches_of(rows, ()):
            store.accept(each, ())
        known = store.known_at(NEVER_REACHED).readings(CHANNELS, LONG_AGO, NEVER_REACHED)
        names = ", ".join(known.column_names)
        shown = store.session.table(f"SELECT {names} FROM current_reading ORDER BY channel, valid_time")
        assert rows_of(shown) == rows_of(known)


def test_a_migration_makes_the_tables_once_and_refuses_those_of_another_program(postgres: str) -> None:
    with empty_schema(postgres) as url:
        newest = max(migrations())
        assert [postgres_care.migrate(url) for _ in range(2)] == [newest, newest]
        with closing(Session(url)) as session:
            session.run("UPDATE schema_version SET version = 99")
        with pytest.raises(BadInputError, match="another version"):
            PostgresStore(url)
        with pytest.raises(BadInputError, match=f"got 99; wanted at most {newest}"):
            postgres_care.migrate(url)


@pytest.mark.parametrize("care", [postgres_care.check, postgres_care.seal])
def test_where_there_is_no_store_none_is_made(postgres: str, care: Callable[[str], object]) -> None:
    with empty_schema(postgres) as url:
        with pytest.raises(BadInputError, match="no store"):
            care(url)
        with closing(Session(url)) as session:
            assert session.rows("SELECT to_regclass('schema_version') IS NULL") == [(True,)]

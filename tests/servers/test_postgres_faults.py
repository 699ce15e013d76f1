"""A server that dies, hangs behind a lock or refuses: an error of ours says so, and nothing is half kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from time import perf_counter
from typing import Any

import pytest

from gridcore.errors import (
    BadInputError,
    GridError,
    NoSpaceError,
    StoreConflictError,
    StoreDamagedError,
    StoreUnreachableError,
)
from gridcore.ports import DeadLetter
from infra.postgres.server import Server
from storage.postgres import PostgresStore
from storage.postgres_care import check
from storage.postgres_session import Session
from tests.contracts.store_content import SOURCE, batch, minutes, official, outage, reading
from tests.servers.postgres_stores import empty_schema, in_postgres

pytestmark = pytest.mark.postgres

LETTER = DeadLetter(minutes(1), SOURCE, 0, "unknown_channel", "", b"\xff")
ONE = batch(0, [reading("W1/power", 0, 7.0, 6)])

ONE_OF_ALL = [reading("W1/power", 0, 7.0, 6), reading("W2/power", 0, 7.0, 6)]
OFFICIAL = [official("W1", 60, 5.0, 0, 1)]
OUTAGES = [outage("W1", 0, 9, 6)]


class Broken:
    """Does harm before the n-th statement of a session, counted from now.

    Args:
        session: The session; its way to the connection is watched.
        harm: What to do.
        nth: Before which statement, from 0 on; none where negative.
    """

    def __init__(self, session: Session, harm: Callable[[], None], nth: int) -> None:
        self._through, self._harm, self._nth, self.seen = session._connected, harm, nth, 0
        session._connected = self  # type: ignore[method-assign]

    def __call__(self) -> Any:
        self.seen += 1
        if self.seen == self._nth + 1:
            self._harm()
        return self._through()


def delivered(url: str, harm: Callable[[], None], nth: int) -> tuple[int, int, int]:
    """Deliver a batch until it is kept, reading the offset anew after each break, as a feed does.

    Returns:
        Breaks, statements of the first try, readings counted as stored.
    """
    letters = [replace(LETTER, offset=offset) for offset in (0, 1)]
    breaks = stored = statements = 0
    with closing(PostgresStore(url, patience_s=30.0)) as store:
        broken = Broken(store.session, harm, nth)
        while store.offsets().get(SOURCE, 0) == 0:
            try:
                stored += store.accept(batch(0, ONE_OF_ALL, OFFICIAL, OUTAGES), letters).stored
            except StoreUnreachableError:
                breaks += 1
            statements = statements or broken.seen
    return breaks, statements, stored


def demand_kept_once(url: str) -> None:
    with closing(PostgresStore(url)) as store:
        counts = "SELECT count(*) FROM reading UNION ALL SELECT count(*) FROM official UNION ALL"
        assert store.rows(f"{counts} SELECT count(*) FROM dead_letter") == [(2,), (1,), (2,)]
    assert check(url) == []


def break_off(url: str) -> None:
    """End every other connection of ours, as a network or a restarted server does."""
    others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    with closing(Session(url)) as session:
        session.rows(f"{others} AND application_name = 'xiaona'")


def test_a_connection_lost_before_any_statement_of_a_batch_loses_and_doubles_nothing(postgres: str) -> None:
    with empty_schema(postgres) as url:
        breaks, statements, _ = delivered(url, lambda: None, -1)
    assert (breaks, statements > 10) == (0, True)
    for nth in range(statements):
        with empty_schema(postgres) as url:
            breaks, _, stored = delivered(url, lambda: break_off(postgres), nth)
            # Statement 0 asks for the offsets and 1 is BEGIN: before these the connection is idle, and made anew.
            assert (breaks, stored) == (1 if nth >= 2 else 0, 2)
            demand_kept_once(url)


@pytest.mark.parametrize("nth", [8, 13])
def test_a_killed_server_loses_and_doubles_nothing(postgres_server: Server, nth: int) -> None:
    def restart() -> None:
        postgres_server.kill()
        postgres_server.start()

    with empty_schema(postgres_server.url) as url:
        breaks, _, stored = delivered(url, restart, nth)
        assert (breaks, stored) == (1, 2)
        demand_kept_once(url)


def test_an_idle_connection_that_was_lost_is_made_anew_without_an_error(postgres: str) -> None:
    with empty_schema(postgres) as url, closing(PostgresStore(url)) as store:
        store.accept(ONE, ())
        for ask in (store.offsets, lambda: store.accept(batch(1, [reading("W1/power", 5, 7.0, 9)]), ()).stored):
            break_off(postgres)
            assert ask() in ({SOURCE: 1}, 1)


def test_a_server_that_is_not_there_is_waited_for_as_long_as_was_said(postgres_server: Server) -> None:
    with empty_schema(postgres_server.url) as url, closing(PostgresStore(url, patience_s=0.5)) as store:
        postgres_server.stop()
        began = perf_counter()
        with pytest.raises(StoreUnreachableError, match="reached"):
            store.accept(ONE, ())
        with pytest.raises(StoreUnreachableError, match="reached"):
            PostgresStore(url, patience_s=0.5)
        assert 0.5 < perf_counter() - began < 10
        postgres_server.start()
        assert store.accept(ONE, ()).stored == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("//nobody:secret@{place}", 'authentication failed for user "nobody"'),
        ("//xiaona:secret@{place}", "authentication failed"),
        ("//xiaona:xiaona@{host}/nosuch?application_name=secret", 'database "nosuch" does not exist'),
        ("//xiaona:xiaona@{place}?sslmode=require&application_name=secret", "SSL"),
    ],
)
def test_a_refused_connection_fails_at_once_and_shows_no_secret(postgres: str, change: str, words: str) -> None:
    place = postgres.rpartition("@")[2]
    url = "postgresql:" + change.format(place=place, host=place.partition("/")[0])
    began = perf_counter()
    with pytest.raises(BadInputError, match=words) as refused:
        PostgresStore(url)
    assert perf_counter() - began < 5
    assert "secret" not in str(refused.value)


def test_a_locked_store_is_a_conflict_and_keeps_nothing(postgres: str) -> None:
    with empty_schema(postgres) as url, closing(PostgresStore(url)) as owner:
        owner.accept(ONE, ())
        with closing(PostgresStore(f"{url}%20-clock_timeout%3D100ms")) as store:
            with owner.session.transaction():
                owner.session.run("UPDATE source_offset SET next_offset = 1")
                with pytest.raises(StoreConflictError, match="locked"):
                    store.accept(batch(1, [reading("W1/power", 5, 7.0, 9)]), ())
            assert store.accept(batch(1, [reading("W1/power", 5, 7.0, 9)]), ()).stored == 1


@pytest.mark.parametrize(
    ("body", "wanted", "words"),
    [
        ("PERFORM pg_sleep(9)", StoreUnreachableError, "timeout"),
        ("RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'", NoSpaceError, "no space left"),
        ("RAISE EXCEPTION 'bad page' USING ERRCODE = 'XX001'", StoreDamagedError, "bad page"),
        ("RAISE EXCEPTION 'in a ring' USING ERRCODE = '40P01'", StoreConflictError, "in a ring"),
        ("RAISE EXCEPTION 'standby' USING ERRCODE = '25006'", StoreUnreachableError, "standby"),
    ],
)
def test_a_step_that_the_server_breaks_off_is_kept_not_at_all(
    postgres: str, body: str, wanted: type[GridError], words: str
) -> None:
    with empty_schema(postgres) as url, closing(PostgresStore(f"{url}%20-cstatement_timeout%3D300ms")) as store:
        body = f"BEGIN {body}; RETURN NEW; END"
        store.session.run(f"CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
        store.session.run("CREATE TRIGGER broken BEFORE INSERT ON dead_letter EXECUTE FUNCTION break_off()")
        with pytest.raises(wanted, match=words):
            store.accept(ONE, (LETTER,))
        assert store.offsets() == {}
        assert store.rows("SELECT (SELECT count(*) FROM reading) + (SELECT count(*) FROM series)") == [(0,)]
        store.session.run("DROP TRIGGER broken ON dead_letter")
        # A read in between must not take the broken step's series for one that is there.
        assert not len(store.known_at(minutes(9)).readings(["W1/power"], minutes(0), minutes(9)))
        assert store.accept(ONE, (LETTER,)).stored == 1
        assert len(store.known_at(minutes(9)).readings(["W1/power"], minutes(0), minutes(9))) == 1
        assert check(url) == []


def test_a_detached_month_is_refused_and_not_written_past(postgres: str) -> None:
    with in_postgres(postgres) as store:
        store.accept(ONE, ())
        store.session.run("ALTER TABLE reading DETACH PARTITION reading_2020_04")
        with pytest.raises(StoreDamagedError, match="partition"):
            store.accept(batch(1, [reading("W1/power", 5, 7.0, 9)]), ())
        assert store.offsets() == {SOURCE: 1}

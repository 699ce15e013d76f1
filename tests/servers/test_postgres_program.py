"""`python -m infra.postgres` as a person uses it: its folder goes on, it obeys, and it leaves no server behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from adbc_driver_postgresql import dbapi

from tests.servers.programs import Program

pytestmark = pytest.mark.postgres


@contextmanager
def _running(folder: Path) -> Iterator[tuple[Program, str]]:
    with Program("infra.postgres", "--folder", str(folder)) as program:
        (url,) = program.wait_for("Ctrl-C ends it")
        yield program, url


def _run(url: str, statement: str) -> None:
    with closing(dbapi.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        connection.commit()


def _numbers(url: str) -> list[int]:
    with closing(dbapi.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT number FROM kept")
        return [row[0] for row in cursor.fetchall()]


def test_the_server_obeys_ends_with_the_program_and_keeps_what_was_committed(postgres_folder):
    with _running(postgres_folder) as (program, url):
        _run(url, "CREATE TABLE kept (number int)")
        _run(url, "INSERT INTO kept VALUES (1)")
        program.tell("kill")
        program.tell("start")
        assert _numbers(url) == [1]
        program.tell("freeze")
        assert program.end() == 0
    assert not (postgres_folder / "data" / "postmaster.pid").exists()
    with _running(postgres_folder) as (program, url):
        assert _numbers(url) == [1]


def test_data_that_a_killed_initdb_left_half_made_is_made_anew(postgres_folder):
    draft = postgres_folder / "data.draft"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("15\n", encoding="utf-8")
    with _running(postgres_folder) as (_, url):
        _run(url, "CREATE TABLE kept (number int)")
        assert _numbers(url) == []

"""`python -m infra.postgres` as a person uses it: its folder goes on, it obeys, and it leaves no server behind."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from adbc_driver_postgresql import dbapi

from tests.servers.programs import Program

pytestmark = pytest.mark.postgres


def _started(folder: Path) -> tuple[Program, str]:
    program = Program("infra.postgres", "--folder", str(folder))
    (url,) = program.wait_for("Ctrl-C ends it")
    return program, url


def _run(url: str, statement: str) -> None:
    with closing(dbapi.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        connection.commit()


def _numbers(url: str) -> list[int]:
    with closing(dbapi.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT number FROM kept")
        return [row[0] for row in cursor.fetchall()]


def test_the_server_obeys_ends_with_the_program_and_keeps_what_was_committed(postgres_folder):
    program, url = _started(postgres_folder)
    with program:
        _run(url, "CREATE TABLE kept (number int)")
        _run(url, "INSERT INTO kept VALUES (1)")
        program.tell("kill")
        program.tell("start")
        assert _numbers(url) == [1]
        program.tell("freeze")
        assert program.end() == 0
    assert not (postgres_folder / "data" / "postmaster.pid").exists()
    program, url = _started(postgres_folder)
    with program:
        assert _numbers(url) == [1]


def test_data_that_a_killed_initdb_left_half_made_is_made_anew(postgres_folder):
    draft = postgres_folder / "data.draft"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("15\n", encoding="utf-8")
    program, url = _started(postgres_folder)
    with program:
        _run(url, "CREATE TABLE kept (number int)")
        assert _numbers(url) == []

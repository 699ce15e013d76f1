"""The PostgreSQL server of `infra.postgres`: what was committed outlives a kill -9."""

from __future__ import annotations

import pytest
from adbc_driver_postgresql import dbapi

pytestmark = pytest.mark.postgres


def test_what_was_committed_outlives_the_server_and_what_was_not_does_not(postgres_server, postgres):
    with dbapi.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (number int)")
        cursor.execute("INSERT INTO kept VALUES (1)")
        connection.commit()
        cursor.execute("INSERT INTO kept VALUES (2)")
        postgres_server.kill()
    postgres_server.start()
    with dbapi.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT number FROM kept")
        assert cursor.fetchall() == [(1,)]

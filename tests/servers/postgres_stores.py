"""Fresh PostgreSQL stores for tests: each in a schema of its own, dropped at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count

from storage.postgres import PostgresStore
from storage.postgres_session import Session
from tests.contracts.stores import Alternating

_numbers = count()


def in_schema(url: str, schema: str) -> str:
    """The address with all tables in a schema."""
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}"


@contextmanager
def empty_schema(url: str) -> Iterator[str]:
    """Address of a schema without tables."""
    schema = f"xiaona_test_{next(_numbers)}"
    with closing(Session(url, patience_s=5.0)) as session:
        session.run(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        session.run(f"CREATE SCHEMA {schema}")
    yield in_schema(url, schema)
    with closing(Session(url, patience_s=5.0)) as session:
        session.run("SET client_min_messages = warning")
        session.run(f"DROP SCHEMA {schema} CASCADE")


@contextmanager
def in_postgres(url: str) -> Iterator[PostgresStore]:
    """A fresh store."""
    with empty_schema(url) as place, closing(PostgresStore(place, patience_s=5.0)) as store:
        yield store


@contextmanager
def two_in_postgres(url: str) -> Iterator[Alternating]:
    """Two open stores on one database take turns; each must see what the other wrote."""
    with (
        empty_schema(url) as place,
        closing(PostgresStore(place, patience_s=5.0)) as one,
        closing(PostgresStore(place, patience_s=5.0)) as other,
    ):
        yield Alternating([one, other])

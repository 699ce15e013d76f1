"""Stores by their address: a directory holds an embedded one, `postgresql://...` names one on a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gridcore.errors import BadInputError
from gridcore.ports import Store
from storage.address import is_server
from storage.altered import Finding


@dataclass(frozen=True)
class Care:
    """What an operator does with a store that no process needs to have open."""

    check: Callable[[], list[Finding]]
    """All contradictions; empty where the store is sound."""

    seal: Callable[[], int]
    """Put closed periods into their lasting form; gives the number of readings."""

    export: Callable[[Path], None]
    """Write readings, revisions, dead letters and offsets as Parquet into a directory."""

    migrate: Callable[[], int]
    """Bring the tables to this program's version; gives the version."""


def open_store(where: str | Path) -> Store:
    """The store of a directory or an address, made where there is none; the caller closes it.

    Raises:
        BadInputError: The store was made by another version, or can't be opened.
        StoreUnreachableError: The server does not answer.
        StoreDamagedError: The embedded database can't be read.
    """
    if is_server(where):
        with needing_postgres():
            from storage.postgres import PostgresStore
        return PostgresStore(str(where))
    from storage.embedded import EmbeddedStore

    return EmbeddedStore(Path(where))


@contextmanager
def needing_postgres() -> Iterator[None]:
    """Say which extra is lacking, where an import says which package."""
    try:
        yield
    except ModuleNotFoundError as cause:
        what, wanted = "PostgreSQL's driver is not installed", "the extra: pip install 'xiaona[postgres]'"
        raise BadInputError(what, got=cause, wanted=wanted) from cause


def care_of(where: str | Path) -> Care:
    """The care of an existing store.

    Raises:
        BadInputError: There is nothing at the directory.
    """
    if is_server(where):
        with needing_postgres():
            from storage import postgres_care
        url = str(where)
        return Care(
            partial(postgres_care.check, url),
            partial(postgres_care.seal, url),
            partial(postgres_care.export, url),
            partial(postgres_care.migrate, url),
        )
    from storage import maintenance

    path = Path(where)
    if not path.exists():
        raise BadInputError("no store", file=path, wanted="the directory of a store, or postgresql://...")
    return Care(
        partial(maintenance.check, path),
        partial(maintenance.seal, path),
        partial(maintenance.export, path),
        partial(maintenance.migrate, path),
    )

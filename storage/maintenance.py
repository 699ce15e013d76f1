"""The store's care: check, seal, export, migrate; each takes the store's directory and leaves it closed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gridcore.errors import BadInputError
from storage.altered import Finding
from storage.analysis import analysis_of
from storage.check import check
from storage.columns import instant_of
from storage.database import (
    DATABASE_FILE,
    MIGRATIONS,
    SCHEMA_VERSION,
    add_functions,
    schema_version,
    told_apart,
    written,
)
from storage.embedded import EmbeddedStore
from storage.export import DEAD_LETTER_SCHEMA, LETTERS, OFFSET_SCHEMA, reading_files, write_rows

__all__ = ["Finding", "check", "export", "migrate", "seal"]


@contextmanager
def _opened(path: Path) -> Iterator[EmbeddedStore]:
    """The store in a directory; none is made where there is none."""
    if not (path / DATABASE_FILE).is_file():
        raise BadInputError("no store", file=path, wanted=f"a directory with {DATABASE_FILE}")
    with closing(EmbeddedStore(path)) as store:
        yield store


def seal(path: Path) -> int:
    """Move the readings and official values of closed days into segments, and sweep up what broken writes left.

    A day is closed when a reading of a later one is stored.

    Returns:
        Number of readings moved.
    """
    with _opened(path) as store:
        newest = store.rows("SELECT max(newest) FROM series WHERE kind = 'reading'")[0][0]
        if newest is None:
            return 0
        day = instant_of(newest).replace(hour=0, minute=0, second=0, microsecond=0)
        return store.seal(day)


def export(path: Path, out: Path) -> None:
    """Write readings, revisions, dead_letters and offsets as Parquet; see `storage.export`."""
    with _opened(path) as store, told_apart(out):
        with reading_files(out) as files, analysis_of(store) as analysis:
            files.add(analysis)
        write_rows(out / "dead_letters.parquet", DEAD_LETTER_SCHEMA, store.rows(LETTERS))
        write_rows(out / "offsets.parquet", OFFSET_SCHEMA, sorted(store.offsets().items()))


def migrate(path: Path) -> int:
    """Bring the store's tables to this program's version, step by step, each in one transaction; gives the version.

    Raises:
        BadInputError: There is no store, or a newer program made it.
    """
    file = path / DATABASE_FILE
    if not file.is_file():
        raise BadInputError("no store", file=path, wanted=f"a directory with {DATABASE_FILE}")
    with told_apart(path), closing(sqlite3.connect(file, isolation_level=None)) as connection:
        add_functions(connection)
        while (found := schema_version(connection)) in MIGRATIONS:
            with written(connection, path):
                for statement in MIGRATIONS[found].split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {found + 1}")
        if found != SCHEMA_VERSION:
            wanted = f"at most {SCHEMA_VERSION}"
            raise BadInputError("the store was made by another program", file=path, got=found, wanted=wanted)
        return found

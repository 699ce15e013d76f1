"""The tables of a PostgreSQL store, by numbered SQL files that are applied in their order, in one transaction."""

from __future__ import annotations

from importlib import resources

from gridcore.errors import BadInputError
from storage.postgres_session import Session

MIGRATING = 5_318_008_422
"""Key of the advisory lock under which the tables are made: any number, the same for all programs."""


def migrations() -> dict[int, str]:
    """The SQL of each version of the tables; `0001_tables.sql` makes the first."""
    files = resources.files("storage").joinpath("migrations").iterdir()
    return {int(file.name[:4]): file.read_text("utf-8") for file in files if file.name.endswith(".sql")}


def statements(text: str) -> list[str]:
    """The statements of a file; each ends with a semicolon at the end of a line."""
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    parts = "\n".join(lines).split(";\n")
    return [part for part in (part.strip().removesuffix(";") for part in parts) if part]


def version_of(session: Session) -> int:
    """Version of the tables; 0 where there are none."""
    # Not to_regclass: within a transaction it may still say what was so before the lock was had.
    there = "relname = 'schema_version' AND relnamespace = to_regnamespace(current_schema())"
    if not session.rows(f"SELECT 1 FROM pg_class WHERE {there}"):
        return 0
    return int(session.rows("SELECT version FROM schema_version")[0][0])


def open_tables(session: Session, *, must_exist: bool = False) -> None:
    """Make the tables where there are none.

    Raises:
        BadInputError: They are older or newer than this program's, or must exist and don't.
    """
    newest, found = max(migrations()), version_of(session)
    if not found and must_exist:
        raise BadInputError("no store", file=session.where, wanted="a database with the tables of a store")
    found = found or migrate_tables(session)
    if found != newest:
        wanted = f"{newest}; an older one is brought up by `xiaona store migrate`"
        raise BadInputError("the store's tables have another version", file=session.where, got=found, wanted=wanted)


def migrate_tables(session: Session) -> int:
    """Bring the tables to this program's version in one transaction; gives the version.

    All steps at once: who opens the store meanwhile finds no tables and waits, or finds the newest ones.

    Raises:
        BadInputError: A newer program made them.
    """
    steps = migrations()
    with session.transaction():
        session.rows("SELECT pg_advisory_xact_lock(?)::text", (MIGRATING,))
        found = version_of(session)
        if not found:
            session.run("CREATE TABLE schema_version (version integer NOT NULL)")
            session.run("INSERT INTO schema_version VALUES (0)")
        for number in sorted(number for number in steps if number > found):
            for statement in statements(steps[number]):
                session.run(statement)
            session.run("UPDATE schema_version SET version = ?", (number,))
    found = version_of(session)
    if found > max(steps):
        wanted = f"at most {max(steps)}"
        raise BadInputError("the store was made by another program", file=session.where, got=found, wanted=wanted)
    return found

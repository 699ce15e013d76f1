"""Care of a PostgreSQL store: check, seal, export, migrate; each takes the store's address and leaves it closed.

Check and export see one state of the database, whatever is written meanwhile, and hold a few channels in memory at a
time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from gridcore.errors import StoreDamagedError
from storage.altered import Finding, altered, unconserved
from storage.analysis import analysis_over
from storage.database import told_apart
from storage.export import DEAD_LETTER_SCHEMA, EXPORT_ROWS, LETTERS, OFFSET_SCHEMA, reading_files, write_rows
from storage.postgres import PostgresStore
from storage.postgres_history import PostgresHistory, ranks
from storage.postgres_schema import migrate_tables
from storage.postgres_session import Session
from storage.segments import claim_table

PATIENCE_S = 5.0
"""How long a lost server is waited for: somebody sits before the screen [s]."""


def check(url: str) -> list[Finding]:
    """All contradictions in a store; empty where it is sound.

    Raises:
        BadInputError: There is no store.
    """
    with _seen(url) as store:
        found = list(_unconserved(store))
        return [*found, *altered(store)]


def export(url: str, out: Path) -> None:
    """Write readings, revisions, dead_letters and offsets as Parquet; see `storage.export`."""
    with _seen(url) as store, told_apart(out):
        with reading_files(out) as files:
            for labels in _portions(store.readings):
                with analysis_over(labels, _log(store.readings, labels)) as analysis:
                    files.add(analysis)
        write_rows(out / "dead_letters.parquet", DEAD_LETTER_SCHEMA, store.rows(LETTERS))
        write_rows(out / "offsets.parquet", OFFSET_SCHEMA, sorted(store.offsets().items()))


def migrate(url: str) -> int:
    """Bring the store's tables to this program's version, from none too; gives the version.

    Raises:
        BadInputError: A newer program made them.
    """
    with closing(Session(url, patience_s=PATIENCE_S)) as session:
        return migrate_tables(session)


def seal(url: str) -> int:
    """Put the rows of closed months in the order of series and time, so that a channel's month lies in few pages.

    A month is closed when a reading of a later one is stored; one that has not changed since it was sealed is left
    alone. A partition that is being put in order takes no reader and no writer meanwhile (1,000,000 rows: 14 s on a
    machine at load 20).

    Returns:
        Number of readings in the months that were put in order.
    """
    with closing(PostgresStore(url, patience_s=PATIENCE_S, must_exist=True)) as store:
        store.session.run("SET statement_timeout = 0")
        filled = {kind: _filled(store, kind) for kind in ("reading", "official")}
        newest = max((name.removeprefix("reading_") for name in filled["reading"]), default="")
        moved = 0
        for kind, sizes in filled.items():
            closed = [name for name in sizes if name.removeprefix(f"{kind}_") < newest]
            sealed = dict(store.rows("SELECT partition, rows FROM sealed"))
            for name in (name for name in closed if sealed.get(name) != sizes[name]):
                _put_in_order(store.session, name, sizes[name])
                moved += sizes[name] if kind == "reading" else 0
        return moved


def _filled(store: PostgresStore, kind: str) -> dict[str, int]:
    """Rows of each month's partition that has any; the two outermost ones are no months."""
    history = store.readings if kind == "reading" else store.official
    months = [name for name in history.months.attached() if name not in {f"{kind}_before", f"{kind}_after"}]
    sizes = {name: int(store.rows(f"SELECT count(*) FROM {name}")[0][0]) for name in months}
    return {name: size for name, size in sizes.items() if size}


def _put_in_order(session: Session, name: str, rows: int) -> None:
    query = """SELECT indexrelid::regclass::text FROM pg_index
               WHERE indrelid = ?::text::regclass ORDER BY indexrelid LIMIT 1"""
    index = session.rows(query, (name,))[0][0].rsplit(".", maxsplit=1)[-1]
    session.run(f"CLUSTER {name} USING {index}")
    session.run(f"VACUUM (ANALYZE) {name}")
    insert = "INSERT INTO sealed VALUES (?, ?) ON CONFLICT (partition) DO UPDATE SET rows = excluded.rows"
    session.run(insert, (name, rows))


@contextmanager
def _seen(url: str) -> Iterator[PostgresStore]:
    """An existing store, in one state for all that is asked of it."""
    one_state = "ISOLATION LEVEL REPEATABLE READ READ ONLY"
    with (
        closing(PostgresStore(url, patience_s=PATIENCE_S, must_exist=True)) as store,
        store.session.transaction(one_state),
    ):
        store.session.run("SET LOCAL statement_timeout = 0")
        yield store


def _unconserved(store: PostgresStore) -> Iterator[Finding]:
    """Counts of what came against what is there, and claims that are not those that were written."""
    claims = cells = official = 0
    try:
        for labels in _portions(store.readings):
            with analysis_over(labels, _log(store.readings, labels)) as analysis:
                row = analysis.execute("SELECT count(*), count(*) FILTER (place = 1) FROM reading").fetchall()[0]
            claims, cells = claims + row[0], cells + row[1]
        for labels in _portions(store.official):
            official += len(store.official.claims_of(labels.column("number").to_pylist()))
    except StoreDamagedError as damage:
        yield Finding(f"{damage.what}, {damage.file}", damage.got, "those that were written")
        return
    tally = {
        name: int(amount) for name, amount in store.rows("SELECT name, sum(amount)::bigint FROM tally GROUP BY name")
    }
    yield from unconserved(store, tally, claims=claims, cells=cells, official=official)


def _portions(history: PostgresHistory) -> Iterator[pa.Table]:
    """Labels of the series by name, in portions of at most `EXPORT_ROWS` claims, or of a single series."""
    labels, sizes = history.series.table(), history.sizes()
    begin = rows = 0
    for place, number in enumerate(labels.column("number").to_pylist()):
        size = sizes.get(number, 0)
        if place > begin and rows + size > EXPORT_ROWS:
            yield labels.slice(begin, place - begin)
            begin, rows = place, 0
        rows += size
    if begin < labels.num_rows:
        yield labels.slice(begin)


def _log(history: PostgresHistory, labels: pa.Table) -> pa.Table:
    """All claims of some series, with the columns of a segment."""
    series = labels.column("number").to_pylist()
    claims = history.claims_of(series)
    renumbered = replace(claims, series=ranks(claims.series, series).astype("int32"))
    return claim_table(history.kind, renumbered, labels.column("name").to_pylist())

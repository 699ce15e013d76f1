"""Analysis: the store's history as SQL views in an in-memory DuckDB, which reads the segments where they lie.

For questions that look at all of history: exports, checks, an analyst's own query. A tick's reads take the columns in
memory instead: 9 ms where DuckDB 2.0.0 takes 30 (3 days of 64 channels at 5 min), 0.3 s where it takes 1.1 (110 days;
CPU time, one thread). The law of `storage.claims` stands here a second time, as SQL; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from gridcore.reading import UNUSABLE, Quality
from storage.embedded import EmbeddedStore
from storage.folder_lock import stays
from storage.history import History
from storage.segments import COLUMNS, SEGMENT_FOLDER, claim_table

_CLAIMS = """
CREATE VIEW {kind}_claim AS
    SELECT {name}, valid_time, {version}, {value}, best.available_at AS available_at, best.quality AS quality,
           best.is_unusable AS is_unusable
    FROM (
        SELECT {name}, valid_time, {version}, {value}, min(struct_pack(
                   is_unusable := NOT isfinite({value}) OR quality & {unusable} <> 0,
                   available_at := available_at, quality := quality)) AS best
        FROM {kind}_log GROUP BY {name}, valid_time, {version}, {value}
    )
"""
"""Each value once: usable where it has come so, with the earliest it was had."""

_RANKED = """
CREATE VIEW ranked_{kind} AS
    SELECT *, row_number() OVER (
               PARTITION BY {name}, valid_time
               ORDER BY {version} DESC, is_unusable,
                        CASE WHEN isnan({value}) THEN '-infinity'::DOUBLE ELSE {value} END DESC
           ) AS place,
           count(*) OVER (PARTITION BY {name}, valid_time, {version}) > 1 AS is_contested
    FROM {kind}_claim
"""
"""Each claim with its place in its cell; 1 is the current one."""

_READINGS = f"""
CREATE VIEW reading AS
    SELECT available_at, valid_time, site, channel, quantity, value, unit, revision::INTEGER AS revision,
           CASE WHEN is_contested THEN quality | {int(Quality.CONFLICT)} ELSE quality END AS quality, place
    FROM ranked_reading JOIN label USING (channel)
"""
"""`READING_SCHEMA` and each reading's place; `WHERE place = 1` gives the current readings."""


@contextmanager
def analysis_of(store: EmbeddedStore) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB with the views `reading`, `reading_claim`, `official_claim`, `ranked_official`, of all that is stored.

    It shows the store as it is now; what is stored later is not in it.
    """
    # The files are read one by one as the caller asks: none may be merged away before the end.
    with stays(store.path / SEGMENT_FOLDER), _in_memory() as connection:
        store.refresh()
        for history in (store.readings, store.official):
            _add_log(connection, store, history)
            _add_law(connection, history.kind)
        _add_readings(connection, store.readings.series.table())
        yield connection


@contextmanager
def analysis_over(labels: pa.Table, log: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB with the views `reading` and `reading_claim` of some claims, those of a store on a server.

    Args:
        labels: Columns name, site, quantity, unit of the channels.
        log: All claims of these channels, with the columns of a segment.
    """
    with _in_memory() as connection:
        connection.register("reading_log", log)
        _add_law(connection, "reading")
        _add_readings(connection, labels)
        yield connection


@contextmanager
def _in_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(config={"threads": 1})
    try:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _add_law(connection: duckdb.DuckDBPyConnection, kind: str) -> None:
    """The views of one kind of claims over KIND_log."""
    name, _, version, _, value, _ = COLUMNS[kind]
    words = {"kind": kind, "name": name, "version": version, "value": value, "unusable": int(UNUSABLE)}
    for view in (_CLAIMS, _RANKED):
        connection.execute(view.format(**words))


def _add_readings(connection: duckdb.DuckDBPyConnection, labels: pa.Table) -> None:
    connection.register("label", labels.rename_columns({"name": "channel"}))
    connection.execute(_READINGS)


def _add_log(connection: duckdb.DuckDBPyConnection, store: EmbeddedStore, history: History) -> None:
    """The view KIND_log: all claims as they were written, some of them twice."""
    hot = claim_table(history.kind, history.hot_claims(), history.series.names)
    connection.register(f"hot_{history.kind}", hot)
    files = [str(store.path / SEGMENT_FOLDER / segment.file) for segment in history.segments]
    parts = [f"SELECT * FROM hot_{history.kind}"]
    if files:
        quoted = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        parts.append(f"SELECT * FROM read_parquet([{quoted}])")
    connection.execute(f"CREATE VIEW {history.kind}_log AS {' UNION ALL BY NAME '.join(parts)}")

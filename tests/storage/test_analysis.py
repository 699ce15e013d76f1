"""The SQL of the analysis says the same as the columns of the tick."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from gridcore.reading import READING_SCHEMA
from storage.analysis import analysis_of
from tests.contracts.store_arrivals import arrivals, batches_of, taken_in
from tests.contracts.store_content import ASSETS, CHANNELS, LONG_AGO, NEVER_REACHED, rows_of
from tests.contracts.stores import embedded, embedded_in_pieces

READING_COLUMNS = "channel, valid_time, value, quality, revision, available_at"
OFFICIAL_COLUMNS = "asset, valid_time, power_mw, issue_time, available_at"


@settings(max_examples=25)
@given(rows=arrivals)
def test_the_law_in_sql_is_the_law_in_columns(rows: list[tuple[str, Any]]) -> None:
    current = f"SELECT {READING_COLUMNS} FROM reading WHERE place = 1 ORDER BY channel, valid_time"
    newest = f"SELECT {OFFICIAL_COLUMNS} FROM ranked_official WHERE place = 1 ORDER BY asset, valid_time"
    with embedded_in_pieces() as store:
        taken_in(store, batches_of(rows, (4, 11)))
        known = store.known_at(NEVER_REACHED)
        with analysis_of(store) as analysis:
            found = analysis.sql(current).to_arrow_table(), analysis.sql(newest).to_arrow_table()
        assert rows_of(found[0]) == rows_of(known.readings(CHANNELS, LONG_AGO, NEVER_REACHED))
        assert rows_of(found[1]) == rows_of(known.official(ASSETS, LONG_AGO, NEVER_REACHED))


def test_a_reading_in_the_analysis_has_the_columns_of_the_contract() -> None:
    with embedded() as store, analysis_of(store) as analysis:
        table = analysis.sql("SELECT * EXCLUDE place FROM reading").to_arrow_table()
        assert table.schema.names == READING_SCHEMA.names

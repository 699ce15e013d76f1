"""What is encoded comes back, in every form, for readings, official values and outages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from ingest.avro_wire import encode_avro, read_avro
from ingest.channels import channels_of
from ingest.encode import encode_batch, encode_rows
from ingest.forms import OFFICIAL, OUTAGES, READINGS, Form
from ingest.given_wire import decode_official, decode_outages
from ingest.wire import decode_messages
from ingest.wire_parts import ARROW, AVRO, BATCH_READERS
from tests.ingest.builders import small_network

CHANNELS = channels_of(small_network(), timedelta(minutes=5))

instants = st.datetimes(datetime(1900, 1, 1), datetime(2200, 12, 31), timezones=st.just(UTC))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
values = st.floats(allow_infinity=False)
wholes = st.integers(0, 2**31 - 1)
names = st.sampled_from(["W/power", "S/soc", "north/load"])
ROWS = {
    READINGS: st.fixed_dictionaries(
        {"available_at": instants, "valid_time": instants, "site": texts, "channel": names, "value": values}
        | {"unit": texts, "revision": wholes, "quality": wholes}
    ),
    OFFICIAL: st.fixed_dictionaries(
        {"available_at": instants, "issue_time": instants, "valid_time": instants, "asset": texts, "power_mw": values}
    ),
    OUTAGES: st.fixed_dictionaries({"available_at": instants, "asset": texts, "from": instants, "until": instants}),
}
SCHEMAS = {READINGS: READING_SCHEMA, OFFICIAL: OFFICIAL_SCHEMA, OUTAGES: OUTAGE_SCHEMA}


def table_of(form: Form, rows: list[dict[str, Any]]) -> pa.Table:
    told = [row | ({"quantity": CHANNELS[row["channel"]].quantity} if form is READINGS else {}) for row in rows]
    return pa.Table.from_pylist(told, schema=SCHEMAS[form])


def back(form: Form, values: list[bytes], content_type: str) -> pa.Table:
    """The rows of messages as a feed that honours recordings decodes them, in the plain schema."""
    types, count = [content_type] * len(values), len(values)
    rest = types, np.zeros(count, np.int64), np.arange(count), "t/0"
    if form is READINGS:
        readers = {**BATCH_READERS, AVRO: read_avro}
        found = decode_messages(values, *rest, CHANNELS, honours_recorded_arrival=True, readers=readers)
        assert found.undecodable == ()
        return found.readings.cast(READING_SCHEMA)
    decode = decode_official if form is OFFICIAL else decode_outages
    given_rows = decode(values, *rest, honours_recorded_arrival=True)
    assert given_rows.undecodable == ()
    return given_rows.rows.cast(SCHEMAS[form])


forms = pytest.mark.parametrize("form", list(ROWS), ids=[form.name for form in ROWS])


@forms
@given(data=st.data())
def test_what_is_encoded_comes_back(form: Form, data: st.DataObject) -> None:
    table = table_of(form, data.draw(st.lists(ROWS[form], max_size=5)))
    assert repr(back(form, list(encode_rows(table, form, is_recorded=True)), "").to_pylist()) == repr(table.to_pylist())
    assert repr(back(form, [encode_batch(table, form, is_recorded=True)], ARROW).to_pylist()) == repr(table.to_pylist())


@given(st.lists(ROWS[READINGS], max_size=5))
def test_avro_brings_readings_back(rows: list[dict[str, Any]]) -> None:
    table = table_of(READINGS, rows)
    assert repr(back(READINGS, [encode_avro(table, is_recorded=True)], AVRO).to_pylist()) == repr(table.to_pylist())


@forms
def test_a_live_message_tells_no_arrival(form: Form) -> None:
    at = datetime(2025, 1, 1, tzinfo=UTC)
    row = {field.name: at for field in SCHEMAS[form] if pa.types.is_timestamp(field.type)}
    table = table_of(form, [row | {"channel": "W/power"}])
    (message,) = encode_rows(table, form)
    assert b"available_at" not in message
    assert b"available_at" not in encode_batch(table, form)

"""docs/asyncapi.yaml is what the code speaks: the same topics, and messages that fit the payload schemas."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml  # type: ignore[import-untyped]
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from gridcore import topics
from gridcore.forecast import FORECAST_SCHEMA
from gridcore.plan import PLAN_SCHEMA, SETPOINT_SCHEMA
from ingest.arrow_stream import LARGEST_ARROW, MOST_ROWS
from ingest.avro_wire import LARGEST_AVRO, SCHEMA
from ingest.channels import channels_of
from ingest.decode import LARGEST_JSON
from ingest.encode import encode_rows
from ingest.forms import OFFICIAL, OUTAGES, READINGS, Form
from ingest.given_wire import decode_official, decode_outages
from ingest.wire import decode_messages
from ingest.wire_parts import ARROW, AVRO, JSON
from storage import documents
from tests.ingest.builders import batch_of, reading, small_network

FILE = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
PAGE: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
"""The page; a YAML timestamp or an unknown tag would raise."""

SCHEMAS = PAGE["components"]["schemas"]


def resolved(part: Any) -> Any:
    """The part with what its references point to in their place; a word beside a reference stays."""
    if isinstance(part, list):
        return [resolved(one) for one in part]
    if not isinstance(part, dict):
        return part
    told = {name: resolved(one) for name, one in part.items() if name != "$ref"}
    if "$ref" in part:
        target: Any = PAGE
        for name in part["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        told = {**resolved(target), **told}
    return told


def validator(name: str) -> Draft202012Validator:
    schema = resolved(SCHEMAS[name])
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


CHANNELS = channels_of(small_network(), timedelta(minutes=5))
READING_TABLE = batch_of([reading(), reading(value=float("nan"), revision=3)]).readings
AT = READING_TABLE.column("available_at")[0].as_py()
OFFICIAL_TABLE = pa.table(
    {"available_at": [AT], "issue_time": [AT], "valid_time": [AT], "asset": ["W"], "power_mw": [3.5]}
)
OUTAGE_TABLE = pa.table({"available_at": [AT], "asset": ["A-B"], "from": [AT], "until": [AT + timedelta(hours=1)]})


def undecodable(form: Form, message: bytes) -> int:
    """Dead letters of a message."""
    rest = [message], [""], np.zeros(1, np.int64), np.zeros(1, np.int64), "t/0"
    if form is READINGS:
        return len(decode_messages(*rest, CHANNELS).undecodable)
    return len((decode_official if form is OFFICIAL else decode_outages)(*rest).undecodable)


INCOMING = [
    (READINGS, "reading", READING_TABLE),
    (OFFICIAL, "official_value", OFFICIAL_TABLE),
    (OUTAGES, "outage", OUTAGE_TABLE),
]
incoming = pytest.mark.parametrize(("form", "name", "table"), INCOMING, ids=[name for _, name, _ in INCOMING])


def test_the_topics_are_those_of_the_code() -> None:
    addresses = {name: channel["address"] for name, channel in PAGE["channels"].items()}
    named = {value for name, value in vars(topics).items() if name.isupper() and isinstance(value, str)}
    assert set(addresses.values()) == named == {*topics.INCOMING, *topics.OUTGOING}
    assert {addresses[kind] for kind in documents.TOPICS} == set(documents.TOPICS.values())
    actions = {resolved(one["channel"])["address"]: one["action"] for one in PAGE["operations"].values()}
    told = dict.fromkeys(topics.INCOMING, "receive") | dict.fromkeys(topics.OUTGOING, "send")
    assert actions == told


def test_every_reference_leads_somewhere_and_every_message_has_a_key() -> None:
    for name, message in resolved(PAGE)["components"]["messages"].items():
        assert message["bindings"]["kafka"]["key"]["type"] == "string", name
        assert message["contentType"] in {JSON, ARROW, AVRO}
    used = {
        ref for channel in PAGE["channels"].values() for one in channel["messages"].values() for ref in one.values()
    }
    assert used == {f"#/components/messages/{name}" for name in PAGE["components"]["messages"]}


@incoming
@pytest.mark.parametrize("is_recorded", [False, True])
def test_messages_of_the_code_fit_the_page(form: Form, name: str, table: pa.Table, is_recorded: bool) -> None:
    for message in encode_rows(table, form, is_recorded=is_recorded):
        validator(name).validate(json.loads(message))
        assert undecodable(form, message) == 0


@incoming
def test_a_message_without_a_field_fits_neither_the_page_nor_the_code(form: Form, name: str, table: pa.Table) -> None:
    whole = json.loads(next(iter(encode_rows(table, form))))
    required = SCHEMAS[name]["required"]
    assert {column.name for column in form.columns if column.is_needed} | {"v"} == set(required)
    for field in required:
        lacking = {key: value for key, value in whole.items() if key != field}
        assert not validator(name).is_valid(lacking), field
        assert undecodable(form, json.dumps(lacking).encode()) == 1, field


@incoming
def test_the_fields_of_the_page_are_those_of_the_code(form: Form, name: str, table: pa.Table) -> None:
    wire_only = {"v", "sent_at"} if form is READINGS else {"v"}
    assert set(SCHEMAS[name]["properties"]) == {column.name for column in form.columns} | wire_only


@pytest.mark.parametrize(
    ("name", "schema", "one_for"),
    [
        ("forecast", FORECAST_SCHEMA, {"quantile": "quantiles"}),
        ("plan", PLAN_SCHEMA, {}),
        ("setpoint", SETPOINT_SCHEMA, {}),
    ],
)
def test_outgoing_messages_tell_every_column(name: str, schema: pa.Schema, one_for: dict[str, str]) -> None:
    properties = dict(SCHEMAS[name]["properties"])
    if name == "setpoint":
        properties |= properties.pop("setpoints")["items"]["properties"]
    assert set(properties) == {one_for.get(column, column) for column in schema.names} | {"v"}


def test_the_limits_of_the_page_are_the_codes() -> None:
    words = " ".join(PAGE["info"]["description"].split())
    for told in (
        f"at most {LARGEST_ARROW >> 20} MiB and {MOST_ROWS:,} rows",
        f"codec null, at most {LARGEST_AVRO >> 20} MiB",
        f"A JSON message has at most {LARGEST_JSON >> 20} MiB",
    ):
        assert told in words
    avro = {field["name"] for field in SCHEMA["fields"]}
    assert avro == {column.name for column in READINGS.columns}


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_every_schema_is_one_and_none_takes_everything(name: str) -> None:
    assert not validator(name).is_valid(None)

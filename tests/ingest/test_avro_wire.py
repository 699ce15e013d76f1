"""Avro messages: a writer's schema may grow and shrink where ours has defaults, and no bytes raise."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.avro_wire import SCHEMA, encode_avro, read_avro
from ingest.decode import Undecodable
from tests.ingest.builders import batch_of, reading

NAMES = ["site", "channel", "valid_time", "value", "unit", "revision"]
ROW = {
    "site": "B",
    "channel": "W/power",
    "valid_time": 1_717_243_200_000_000,
    "value": 1.5,
    "unit": "MW",
    "revision": 2,
}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
BASE = {"site": "string", "channel": "string", "valid_time": MICROS, "value": ["null", "double"], "unit": "string"}


def container(fields: dict[str, Any], rows: list[dict[str, Any]], codec: str = "null", version: str = "1") -> bytes:
    """A message of a writer whose schema has these fields."""
    schema = {"type": "record", "name": SCHEMA["name"], "namespace": SCHEMA["namespace"]}
    told = fastavro.parse_schema(schema | {"fields": [{"name": name, "type": kind} for name, kind in fields.items()]})
    sink = io.BytesIO()
    fastavro.writer(sink, told, rows, codec=codec, metadata={"v": version})
    return sink.getvalue()


def read(message: bytes | None) -> list[dict[str, Any]]:
    found = read_avro(message, NAMES)
    assert isinstance(found, pa.Table), found
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def reason(message: bytes | None) -> str:
    found = read_avro(message, NAMES)
    assert isinstance(found, Undecodable)
    assert "wanted" in found.detail
    return found.reason


def test_an_added_field_passes_and_one_left_out_takes_its_default() -> None:
    (row,) = read(container({**BASE, "firmware": "string", "flags": "long"}, [{**ROW, "firmware": "x", "flags": 9}]))
    assert row["revision"] == 0
    assert (row["channel"], row["value"]) == ("W/power", 1.5)


def test_milliseconds_and_narrow_numbers_are_promoted() -> None:
    millis = {"type": "long", "logicalType": "timestamp-millis"}
    (row,) = read(
        container({**BASE, "valid_time": millis, "value": "float"}, [{**ROW, "valid_time": 1_717_243_200_000}])
    )
    assert row["valid_time"].isoformat() == "2024-06-01T12:00:00+00:00"


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (None, "empty_message"),
        (b"", "empty_message"),
        (b"Obj\x01", "not_avro"),
        (b"{}", "not_avro"),
        (container(BASE, [ROW], codec="deflate"), "not_avro"),
        (container(BASE, [ROW], version="2"), "wrong_version"),
        (container({name: kind for name, kind in BASE.items() if name != "unit"}, [ROW]), "missing_field"),
        (container({**BASE, "valid_time": "long"}, [ROW]), "wrong_type"),
        (container({**BASE, "site": "long"}, [{**ROW, "site": 1}]), "not_avro"),
        (container({**BASE, "x": {"type": "array", "items": "null"}}, [{**ROW, "x": [None]}]), "not_avro"),
        (container(BASE, [ROW])[:-20], "not_avro"),
        (b"Obj\x01" + b"\0" * (16 << 20), "too_large"),
    ],
    ids=[
        "tombstone",
        "empty",
        "start",
        "JSON",
        "deflate",
        "version",
        "missing",
        "no unit",
        "type",
        "array",
        "cut",
        "big",
    ],
)
def test_what_is_no_sound_container_says_why(message: bytes | None, why: str) -> None:
    assert reason(message) == why


GOOD = encode_avro(batch_of([reading(), reading(value=float("nan"))]).readings)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=4), st.integers(0, len(GOOD)))
def test_no_bytes_raise(changes: list[tuple[int, int]], cut: int) -> None:
    message = bytearray(GOOD)
    for place, byte in changes:
        message[place] = byte
    for told in (bytes(message), bytes(message[:cut])):
        assert isinstance(read_avro(told, NAMES), pa.Table | Undecodable)

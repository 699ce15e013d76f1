"""Avro messages of readings: an object container of many, by `reading.avsc`; needs the extra `avro`.

A container carries its writer's schema, so that a field that the writer adds passes and one that it lacks takes our
default. Only records of plain fields are read, without compression: a schema from outside may else ask for a million
million empty items, and a few bytes may unpack to gigabytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa

from gridcore.timeline import TIMESTAMP
from ingest.arrow_stream import MOST_ROWS, VERSION
from ingest.decode import Undecodable
from ingest.forms import READINGS
from ingest.reasons import EMPTY_MESSAGE, MISSING_FIELD, NOT_AVRO, TOO_LARGE, WRONG_TYPE, WRONG_VERSION

LARGEST_AVRO = 16 << 20
"""Bytes of an Avro message at most; reading makes an object for each row."""

MOST_FIELDS = 100
"""Fields of a writer's record at most."""

PLAIN = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
"""Types of fields that are read, alone or in a union."""

SCHEMA = json.loads(Path(__file__).with_name("reading.avsc").read_text(encoding="utf-8"))
"""The reader's schema."""

_PARSED = fastavro.parse_schema(SCHEMA)

TYPES = {
    "valid_time": TIMESTAMP,
    "available_at": TIMESTAMP,
    "value": pa.float64(),
    "revision": pa.int64(),
    "quality": pa.int64(),
}
"""Arrow types of the columns that are not text."""

INSTANTS = frozenset({"timestamp-micros", "timestamp-millis"})
"""Logical types of an instant; without one a number could be of any unit."""


def read_avro(payload: bytes | None, names: Collection[str]) -> pa.Table | Undecodable:
    """The columns of these names of a container; never raises for what it holds."""
    if not payload:
        return Undecodable(EMPTY_MESSAGE, "got no bytes; wanted an Avro container")
    if len(payload) > LARGEST_AVRO:
        return Undecodable(TOO_LARGE, f"got {len(payload)} bytes; wanted {LARGEST_AVRO} at most")
    try:
        return _table(payload, names)
    except Exception as cause:  # fastavro lets whatever its reading of foreign bytes runs into come through
        return Undecodable(NOT_AVRO, f"got {type(cause).__name__} {ascii(str(cause))[:200]}; wanted an Avro container")


def encode_avro(readings: pa.Table, *, is_recorded: bool = False) -> bytes:
    """One message of all rows of a `READING_SCHEMA` table; a recorded one tells available_at and quality as well."""
    sink = io.BytesIO()
    names = [column.name for column in READINGS.columns if is_recorded or not column.is_recorded]
    fastavro.writer(sink, _PARSED, readings.select(names).to_pylist(), metadata={"v": VERSION.decode()})
    return sink.getvalue()


def _table(payload: bytes, names: Collection[str]) -> pa.Table | Undecodable:
    """The columns of a container; raises whatever fastavro does."""
    # With the writer's schema alone first: it must be looked at before any row is read.
    opened = fastavro.reader(io.BytesIO(payload))
    if opened.codec != "null":
        return Undecodable(NOT_AVRO, f"got codec {opened.codec[:80]!a}; wanted null")
    if (version := opened.metadata.get("v")) != VERSION.decode():
        return Undecodable(WRONG_VERSION, f"got v {version!a:.80}; wanted {VERSION.decode()} in the metadata")
    if (wrong := _schema_fault(opened.writer_schema)) is not None:
        return wrong
    rows: list[Any] = list(islice(fastavro.reader(io.BytesIO(payload), _PARSED), MOST_ROWS + 1))
    if len(rows) > MOST_ROWS:
        return Undecodable(TOO_LARGE, f"got more than {MOST_ROWS} rows; wanted so many at most")
    return pa.table({name: pa.array([row[name] for row in rows], TYPES.get(name, pa.string())) for name in names})


def _schema_fault(schema: Any) -> Undecodable | None:
    """What is wrong with a writer's schema."""
    fields = schema.get("fields") if isinstance(schema, dict) and schema.get("type") == "record" else None
    if fields is None or len(fields) > MOST_FIELDS or not all(_is_plain(field["type"]) for field in fields):
        return Undecodable(NOT_AVRO, f"got schema {ascii(schema)[:200]}; wanted a record of plain fields")
    written = {field["name"]: field["type"] for field in fields}
    missing = [field["name"] for field in SCHEMA["fields"] if "default" not in field and field["name"] not in written]
    if missing:
        return Undecodable(MISSING_FIELD, f"got {ascii(sorted(written))[:200]}; wanted {', '.join(missing)}")
    for name in ("valid_time", "available_at"):
        if name in written and not _is_instant(written[name]):
            got = f"got {name} of {ascii(written[name])[:100]}"
            return Undecodable(WRONG_TYPE, f"{got}; wanted {' or '.join(sorted(INSTANTS))}")
    return None


def _is_instant(kind: Any) -> bool:
    """A type is an instant of a known unit, or a union of one and null."""
    kinds = [one for one in (kind if isinstance(kind, list) else [kind]) if one != "null"]
    return bool(kinds) and all(isinstance(one, dict) and one.get("logicalType") in INSTANTS for one in kinds)


def _is_plain(kind: Any) -> bool:
    """A type is read: plain, plain with a logical meaning, or a union of such."""
    if isinstance(kind, list):
        return all(_is_plain(one) for one in kind)
    return (kind["type"] if isinstance(kind, dict) else kind) in PLAIN

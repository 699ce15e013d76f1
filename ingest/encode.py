"""Tables to messages, in the forms that `ingest.wire` and `ingest.given_wire` decode; what is encoded comes back.

JSON is for whoever sends one value at a time, Arrow for gateways and recordings. A recorded message tells when its row
was first had, and its flags, which only a feed that honours them reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa

from ingest.arrow_stream import VERSION, VERSION_KEY
from ingest.decode import VERSION as JSON_VERSION
from ingest.forms import Form


def encode_rows(table: pa.Table, form: Form, *, is_recorded: bool = False) -> Iterator[bytes]:
    """One JSON message for each row; a value that is not a number becomes null.

    Args:
        table: The form's schema, texts plain or numbered.
        form: What the topic's messages hold.
        is_recorded: Tell available_at and quality as well.
    """
    encode = msgspec.json.Encoder().encode
    for row in _wire_table(table, form, is_recorded=is_recorded).to_pylist():
        words: dict[str, Any] = {"v": JSON_VERSION, **row}
        yield encode(words)


def encode_batch(table: pa.Table, form: Form, *, is_recorded: bool = False) -> bytes:
    """One Arrow message of all rows, of which `ingest.arrow_stream` takes a million at most; arguments as above."""
    chosen = _wire_table(table, form, is_recorded=is_recorded).combine_chunks()
    schema = chosen.schema.with_metadata({VERSION_KEY: VERSION})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        # Numbered texts are written once for each table.
        writer.write_table(chosen.replace_schema_metadata(schema.metadata))
    told: bytes = sink.getvalue().to_pybytes()
    return told


def _wire_table(table: pa.Table, form: Form, *, is_recorded: bool) -> pa.Table:
    """The columns that travel."""
    names = [column.name for column in form.columns if is_recorded or not column.is_recorded]
    chosen = table.select(names)
    fields = [form.schema.field(name) for name in names]
    return chosen.cast(pa.schema(fields))

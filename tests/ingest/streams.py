"""Arrow messages, good and spoilt, for the tests of the decoders."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from gridcore.timeline import TIMESTAMP

NOON_US = 1_717_243_200_000_000
"""2024-06-01 12:00 UTC."""


def table(rows: int = 3, **changes: Any) -> pa.Table:
    """Readings of the small network's farm as a gateway sends them; a column of None is left out."""
    columns: dict[str, Any] = {
        "site": pa.array(["B"] * rows),
        "channel": pa.array(["W/power"] * rows).dictionary_encode(),
        "valid_time": pa.array([NOON_US + 300_000_000 * row for row in range(rows)]).cast(TIMESTAMP),
        "value": pa.array([float(row) for row in range(rows)]),
        "unit": pa.array(["MW"] * rows),
    }
    columns |= changes
    return pa.table({name: column for name, column in columns.items() if column is not None})


def stream(readings: pa.Table, version: str | None = "1", **options: Any) -> bytes:
    """The message of a table."""
    told = readings.replace_schema_metadata(None if version is None else {"v": version})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, told.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(told)
    message: bytes = sink.getvalue().to_pybytes()
    return message


@st.composite
def spoilt_streams(draw: st.DrawFn) -> bytes:
    """A good message with a few bytes set to others, cut off or put in."""
    message = bytearray(stream(table(draw(st.integers(0, 5)))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(message) - 1))
        message[at] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        first = draw(st.integers(0, len(message)))
        message[first : first + draw(st.integers(0, 16))] = draw(st.binary(max_size=16))
    return bytes(message)

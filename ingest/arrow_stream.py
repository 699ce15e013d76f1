"""An Arrow IPC stream from anyone: read only if it is sound, and only at a cost that its size bounds.

Arrow verifies a message's metadata and, asked to, its buffers. What it does not refuse is looked at first: compressed
bodies (a few bytes that claim to be gigabytes; Kafka compresses a batch of messages anyway), dictionaries that grow
piece by piece (each piece copies the whole), more rows than a batch may have, a stream that breaks off between two
batches, and bytes behind its end, which Arrow would drop without a word.

Source: Apache Arrow columnar format, "IPC Streaming Format"; format/Message.fbs and format/Schema.fbs for the places of
fields; FlatBuffers internals for tables and vtables.
"""

from __future__ import annotations

import struct
from collections.abc import Collection

import pyarrow as pa

from ingest.decode import Undecodable
from ingest.reasons import EMPTY_MESSAGE, NOT_ARROW, TOO_LARGE, WRONG_VERSION

LARGEST_ARROW = 64 << 20
"""Bytes of an Arrow message at most: a million readings of 64 bytes each."""

MOST_ROWS = 1_000_000
"""Rows of a message at most."""

MOST_PARTS = 1_000
"""Record batches and dictionaries of a message at most."""

END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""How a stream ends. Arrow reads one that breaks off between two batches as if it were whole."""

VERSION_KEY, VERSION = b"v", b"1"
"""Schema metadata that tells the version of the wire form."""

HEADER, RECORD_BATCH_HEADER, DICTIONARY_HEADER = 2, 3, 2
"""Place of `Message.header`; values of `Message.header_type`, whose place is 1."""

LENGTH, COMPRESSION, DATA, IS_DELTA = 0, 3, 1, 2
"""Places of `RecordBatch.length`, `RecordBatch.compression`, `DictionaryBatch.data` and `DictionaryBatch.isDelta`."""


def read_stream(payload: bytes | None, names: Collection[str]) -> pa.Table | Undecodable:
    """The columns of these names of a stream, validated in full, its schema with it; never raises for what it holds."""
    if not payload:
        return Undecodable(EMPTY_MESSAGE, "got no bytes; wanted an Arrow IPC stream")
    if len(payload) > LARGEST_ARROW:
        return Undecodable(TOO_LARGE, f"got {len(payload)} bytes; wanted {LARGEST_ARROW} at most")
    try:
        if (wrong := _unsound(payload)) is not None:
            return wrong
        return _table(payload, names)
    except (pa.ArrowException, ValueError, KeyError, IndexError, OSError, struct.error, OverflowError) as cause:
        return Undecodable(NOT_ARROW, f"got {ascii(str(cause))[:200]}; wanted an Arrow IPC stream")


def _table(payload: bytes, names: Collection[str]) -> pa.Table | Undecodable:
    """The columns of a stream that `_unsound` finds nothing wrong with."""
    with pa.ipc.open_stream(payload) as reader:
        schema = reader.schema
    version = (schema.metadata or {}).get(VERSION_KEY)
    if version != VERSION:
        wanted = f"{VERSION.decode()} in the schema's metadata"
        return Undecodable(WRONG_VERSION, f"got v {version!r}"[:100] + f"; wanted {wanted}")
    wanted_fields = [place for place, name in enumerate(schema.names) if name in names]
    options = pa.ipc.IpcReadOptions(included_fields=wanted_fields)
    with pa.ipc.open_stream(payload, options=options) as reader:
        batches = list(reader) if wanted_fields else []
        for batch in batches:
            batch.validate(full=True)
            for column in batch.columns:
                if pa.types.is_dictionary(column.type):
                    column.dictionary.validate(full=True)
        return pa.Table.from_batches(batches, reader.schema)


def _unsound(payload: bytes) -> Undecodable | None:
    """What Arrow would take and we don't; reads the metadata of each part and none of the data."""
    if not payload.endswith(END_OF_STREAM):
        return Undecodable(NOT_ARROW, f"got {payload[-8:]!r} at the end; wanted the end of a stream")
    source = pa.BufferReader(payload)
    reader = pa.ipc.MessageReader.open_stream(source)
    rows = 0
    for part in range(MOST_PARTS + 2):
        try:
            message = reader.read_next_message()
        except StopIteration:
            left = len(payload) - source.tell()
            return Undecodable(NOT_ARROW, f"got {left} bytes behind the end; wanted one stream") if left else None
        if part == 0:
            continue
        table = _Table.root(message.metadata.to_pybytes())
        header, kind = table.table(HEADER), table.byte(HEADER - 1)
        if kind == DICTIONARY_HEADER and header is not None:
            if header.byte(IS_DELTA):
                return Undecodable(NOT_ARROW, "got a dictionary in pieces; wanted it whole")
            header = header.table(DATA)
        if header is None or kind not in {DICTIONARY_HEADER, RECORD_BATCH_HEADER}:
            return Undecodable(NOT_ARROW, f"got a part of kind {kind}; wanted record batches and dictionaries")
        if header.table(COMPRESSION) is not None:
            return Undecodable(NOT_ARROW, "got a compressed body; wanted it plain")
        rows += header.long(LENGTH) if kind == RECORD_BATCH_HEADER else 0
        if not 0 <= header.long(LENGTH) <= MOST_ROWS or rows > MOST_ROWS:
            return Undecodable(TOO_LARGE, f"got {max(rows, header.long(LENGTH))} rows; wanted {MOST_ROWS} at most")
    return Undecodable(TOO_LARGE, f"got more than {MOST_PARTS} parts; wanted so many at most")


class _Table:
    """A table of a FlatBuffer; a field that is not written is 0 or None.

    Args:
        buffer: The whole buffer.
        place: Where the table begins.
    """

    def __init__(self, buffer: bytes, place: int) -> None:
        self._buffer, self._place = buffer, place
        self._vtable = place - struct.unpack_from("<i", buffer, place)[0]
        if not 0 <= self._vtable <= len(buffer):
            raise ValueError("a vtable outside its buffer")

    @classmethod
    def root(cls, buffer: bytes) -> _Table:
        """The root table."""
        return cls(buffer, struct.unpack_from("<I", buffer)[0])

    def _field(self, number: int) -> int | None:
        """Where a field stands; None where it is not written."""
        size = struct.unpack_from("<H", self._buffer, self._vtable)[0]
        at = 4 + 2 * number
        if at + 2 > size:
            return None
        offset = struct.unpack_from("<H", self._buffer, self._vtable + at)[0]
        return self._place + offset if offset else None

    def byte(self, number: int) -> int:
        """A field of one byte."""
        at = self._field(number)
        return 0 if at is None else self._buffer[at]

    def long(self, number: int) -> int:
        """A field of eight bytes with a sign."""
        at = self._field(number)
        return 0 if at is None else int(struct.unpack_from("<q", self._buffer, at)[0])

    def table(self, number: int) -> _Table | None:
        """A field that is a table of its own."""
        at = self._field(number)
        return None if at is None else _Table(self._buffer, at + struct.unpack_from("<I", self._buffer, at)[0])

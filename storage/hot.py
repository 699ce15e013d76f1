"""The hot log: claims that are not in a segment yet, in the database as one blob of columns for each batch.

A row for each claim costs SQLite 2 us; a blob of 10,000 costs 0.05 us a claim and as much again to squeeze. The bytes
of each column are put in order of their significance first: neighbours' high bytes are mostly equal, so that a reading
takes about 11 bytes instead of 40.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.errors import StoreDamagedError
from storage.claims import Claims

DTYPES: tuple[np.dtype[Any], ...] = tuple(np.dtype(name) for name in ("<i4", "<i8", "<i8", "<i8", "<f8", "<i4"))
"""Types of the columns of `Claims`, in their order."""

CLAIM_BYTES = sum(dtype.itemsize for dtype in DTYPES)
"""Bytes of a claim in memory."""

_CODEC = "lz4_raw"


def pack(claims: Claims) -> bytes:
    """The claims as bytes."""
    columns = (np.asarray(getattr(claims, field.name)) for field in fields(claims))
    typed = (column.astype(dtype, copy=False) for column, dtype in zip(columns, DTYPES, strict=True))
    shuffled = [_shuffled(np.ascontiguousarray(column)) for column in typed]
    packed: bytes = pa.Codec(_CODEC).compress(b"".join(shuffled), asbytes=True)
    return packed


def unpack(rows: int, content: bytes) -> Claims:
    """The claims that were packed; `rows` is their number."""
    whole = np.frombuffer(pa.Codec(_CODEC).decompress(content, rows * CLAIM_BYTES, asbytes=True), np.uint8)
    columns, place = [], 0
    for dtype in DTYPES:
        size = rows * dtype.itemsize
        by_significance = whole[place : place + size].reshape(dtype.itemsize, rows)
        columns.append(np.ascontiguousarray(by_significance.T).view(dtype).reshape(rows))
        place += size
    return Claims(*columns)


def append(connection: sqlite3.Connection, kind: str, claims: Claims) -> int:
    """Write claims to the log; runs inside a transaction. Gives the number of their blob."""
    content = pack(claims)
    values = (kind, len(claims), blob_checksum(kind, len(claims), content), content)
    cursor = connection.execute("INSERT INTO hot (kind, rows, checksum, content) VALUES (?, ?, ?, ?)", values)
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def read_after(connection: sqlite3.Connection, kind: str, seq: int) -> Iterator[tuple[int, Claims]]:
    """The blobs after a number, in order.

    Raises:
        StoreDamagedError: A blob is not the one that was written.
    """
    query = "SELECT seq, rows, checksum, content FROM hot WHERE kind = ? AND seq > ? ORDER BY seq"
    for number, rows, checksum, content in connection.execute(query, (kind, seq)):
        if (found := blob_checksum(kind, rows, content)) != checksum:
            what = f"{rows} rows of the log have other bytes than were written"
            raise StoreDamagedError(what, file=f"{kind}, blob {number}", got=found, wanted=checksum)
        yield number, unpack(rows, content)


def delete_through(connection: sqlite3.Connection, kind: str, seq: int) -> None:
    """Delete the blobs up to a number; runs inside the transaction that names their segment."""
    connection.execute("DELETE FROM hot WHERE kind = ? AND seq <= ?", (kind, seq))


def blob_checksum(kind: str, rows: int, content: bytes) -> int:
    """A number below 2**32 for a blob, its kind and its number of rows."""
    return zlib.crc32(content, zlib.crc32(f"{kind}/{rows}".encode()))


def _shuffled(column: npt.NDArray[np.generic]) -> bytes:
    """All first bytes, then all second ones, and so on."""
    return column.view(np.uint8).reshape(len(column), column.dtype.itemsize).T.tobytes()

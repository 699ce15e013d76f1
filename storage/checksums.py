"""Checksums of what lies in the database: SQLite has none of its own, and a flipped bit would pass for a reading."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import fields

import numpy as np

from gridcore.errors import StoreDamagedError
from storage.claims import Claims, Int64s

_ODD = np.uint64(0x9E3779B97F4A7C15)
"""2**64 divided by the golden ratio, odd: Knuth's multiplier for hashing (The Art of Computer Programming 3, 6.4)."""


def claim_checksums(claims: Claims) -> Int64s:
    """A number below 2**32 for each claim, from all of its columns; shape (claims,)."""
    mixed = np.zeros(len(claims), np.uint64)
    for field in fields(claims):
        column = getattr(claims, field.name)
        bits = column.view(np.uint64) if column.dtype.itemsize == 8 else column.astype(np.int64).view(np.uint64)
        mixed = (mixed ^ bits) * _ODD
        mixed ^= mixed >> np.uint64(29)
    return (mixed >> np.uint64(32)).astype(np.int64)


def verify_claims(kind: str, claims: Claims, checksums: Int64s) -> None:
    """Raise `StoreDamagedError` where a claim is not the one that was written."""
    wrong = np.flatnonzero(claim_checksums(claims) != checksums)
    if len(wrong):
        raise StoreDamagedError(
            f"{len(wrong)} rows of the log have other bytes than were written", file=kind, got=wrong[0]
        )


def content_checksum(content: bytes) -> int:
    """A number below 2**32 for a document."""
    return zlib.crc32(content)


def row_checksum(row: Iterable[object]) -> int:
    """A number below 2**32 for a small row of words and integers."""
    return zlib.crc32(repr(tuple(row)).encode())


def verify_rows(kind: str, rows: Iterable[tuple[object, ...]]) -> None:
    """Raise `StoreDamagedError` where a row is not the one that was written; its last column is its checksum."""
    for *row, checksum in rows:
        if (found := row_checksum(row)) != checksum:
            raise StoreDamagedError(f"{kind} {row} has other bytes than were written", got=found, wanted=checksum)


def verified(what: str, content: bytes, checksum: int) -> bytes:
    """The content; raises `StoreDamagedError` where it is not the one that was written."""
    if (found := zlib.crc32(content)) != checksum:
        raise StoreDamagedError(f"{what} has other bytes than were written", got=found, wanted=checksum)
    return content

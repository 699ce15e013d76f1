"""Segments: sealed stretches of claims as Parquet files, each named with its hash in the store's manifest.

A segment is written and synced before the transaction that names it commits. A file that no manifest row names is left
over from a broken write: it is never read, and `sweep` deletes it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.errors import StoreDamagedError
from gridcore.timeline import TIMESTAMP
from storage.claims import Claims
from storage.durable import make_folder, sync

SEGMENT_FOLDER = "segments"
"""Folder of the segment files in a store's directory."""

ROW_GROUP_ROWS = 131_072
"""Rows of a Parquet row group: large enough to decode fast, small enough for a reader that wants few columns of few."""

COLUMNS = {
    "reading": ("channel", "valid_time", "revision", "available_at", "value", "quality"),
    "official": ("asset", "valid_time", "issue_time", "available_at", "power_mw", "quality"),
}
"""Column names of each kind, in the order of `Claims`: a segment can be read without the database."""


@dataclass(frozen=True)
class Segment:
    """A manifest row."""

    file: str
    """Name in the segment folder."""

    kind: str
    """`reading` or `official`."""

    rows: int
    """Number of claims."""

    sha256: str
    """Hash of the file's bytes."""

    first_valid_time: int
    """Smallest valid_time [us]."""

    last_valid_time: int
    """Largest valid_time [us]."""

    first_available_at: int
    """Smallest available_at [us]."""

    last_available_at: int
    """Largest available_at [us]."""


def write_segment(store: Path, kind: str, claims: Claims, names: Sequence[str]) -> Segment:
    """Write claims to a new file, synced; the caller holds the write lock and names the file in the manifest.

    Args:
        store: The store's directory.
        kind: `reading` or `official`.
        claims: At least one, sorted by series, valid_time.
        names: Name of each series number.
    """
    folder = store / SEGMENT_FOLDER
    make_folder(folder)
    partial = folder / f"{kind}.partial"
    columns = COLUMNS[kind]
    try:
        pq.write_table(
            claim_table(kind, claims, names),
            partial,
            row_group_size=ROW_GROUP_ROWS,
            compression="zstd",
            compression_level=1,
            use_dictionary=[columns[0], columns[2], columns[5]],
            column_encoding={columns[1]: "DELTA_BINARY_PACKED", columns[3]: "DELTA_BINARY_PACKED"},
        )
        sync(partial)
        sha256 = file_sha256(partial)
        # Named by its content, so that two stores forked from one can never give one name to different rows.
        path = partial.rename(folder / f"{kind}-{sha256[:24]}.parquet")
        sync(folder)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    valid, available = claims.valid_time, claims.available_at
    ends = (int(valid.min()), int(valid.max()), int(available.min()), int(available.max()))
    return Segment(path.name, kind, len(claims), sha256, *ends)


def claim_table(kind: str, claims: Claims, names: Sequence[str]) -> pa.Table:
    """Claims as a table with a segment's columns; `names` holds the name of each series number."""
    series, valid_time, version, available_at, value, quality = (
        pa.array(getattr(claims, f.name)) for f in fields(claims)
    )
    arrays = [
        pa.DictionaryArray.from_arrays(series, pa.array(names, pa.string())),
        valid_time.view(TIMESTAMP),
        version if kind == "reading" else version.view(TIMESTAMP),
        available_at.view(TIMESTAMP),
        value,
        quality,
    ]
    return pa.Table.from_arrays(arrays, names=list(COLUMNS[kind]))


def read_segment(store: Path, segment: Segment, numbers: Mapping[str, int]) -> Claims:
    """The segment's claims, sorted by series, valid_time as they were written.

    Args:
        store: The store's directory.
        segment: Its manifest row.
        numbers: Series number of each name.

    Raises:
        StoreDamagedError: The file is missing, or its bytes are not those that were written.
    """
    verify_segment(store, segment)
    columns = COLUMNS[segment.kind]
    path = store / SEGMENT_FOLDER / segment.file
    table = pq.read_table(path, columns=list(columns), read_dictionary=[columns[0]], use_threads=False)
    named = table.column(0).unify_dictionaries().combine_chunks()
    words = named.dictionary.to_pylist()
    if unknown := sorted(set(words) - set(numbers)):
        raise StoreDamagedError("a segment has a series that the database lacks", file=path, asset=unknown[0])
    number_of = np.array([numbers[name] for name in words], dtype=np.int32)
    valid_time, version, available_at = (_column(table, place).view(pa.int64()).to_numpy() for place in (1, 2, 3))
    value, quality = (_column(table, place).to_numpy() for place in (4, 5))
    return Claims(number_of[named.indices.to_numpy()], valid_time, version, available_at, value, quality)


def _column(table: pa.Table, place: int) -> pa.Array:
    return table.column(place).combine_chunks()


def verify_segment(store: Path, segment: Segment) -> None:
    """Raise `StoreDamagedError` where the file is missing or has not the bytes that were written."""
    path = store / SEGMENT_FOLDER / segment.file
    if not path.is_file():
        raise StoreDamagedError("a segment is missing", file=path, wanted=f"{segment.rows} rows")
    if (found := file_sha256(path)) != segment.sha256:
        raise StoreDamagedError(
            "a segment has other bytes than were written", file=path, got=found, wanted=segment.sha256
        )


def add_to_manifest(connection: sqlite3.Connection, segment: Segment) -> None:
    """Name a segment in the manifest."""
    values = tuple(getattr(segment, field.name) for field in fields(segment))
    connection.execute(f"INSERT INTO segment VALUES ({', '.join('?' * len(values))})", values)


def manifest(connection: sqlite3.Connection, kind: str) -> tuple[Segment, ...]:
    """The segments of a kind, by their first valid_time."""
    names = ", ".join(field.name for field in fields(Segment))
    query = f"SELECT {names} FROM segment WHERE kind = ? ORDER BY first_valid_time, file"
    return tuple(Segment(*row) for row in connection.execute(query, (kind,)))


def sweep(connection: sqlite3.Connection, store: Path) -> list[str]:
    """Delete files that no manifest row names; the caller holds the write lock, so that no other writes one now."""
    named = {row[0] for row in connection.execute("SELECT file FROM segment")}
    orphans = sorted(path for path in (store / SEGMENT_FOLDER).glob("*") if path.name not in named)
    for path in orphans:
        path.unlink()
    return [path.name for path in orphans]


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

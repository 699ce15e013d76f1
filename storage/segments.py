"""Segments: sealed claims as Parquet files, each named with its hash in the store's manifest.

A segment is written and synced before the transaction that names it commits. A file that no manifest row names is left
over from a broken write or a merge: it is never read, and `sweep` deletes it once no one needs the folder to stay.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.errors import StoreDamagedError
from gridcore.timeline import TIMESTAMP
from storage.checksums import row_checksum
from storage.claims import Claims, concat, heads
from storage.durable import make_folder, sync
from storage.folder_lock import alone_with
from storage.groups import Groups, bounds_of, indexed, unpacked

SEGMENT_FOLDER = "segments"
"""Folder of the segment files in a store's directory."""

ROW_GROUP_ROWS = 16_384
"""Rows of a Parquet row group, the least that a read decodes; see docs/decisions/0003 for how it was chosen."""

COLUMNS = {
    "reading": ("channel", "valid_time", "revision", "available_at", "value", "quality"),
    "official": ("asset", "valid_time", "issue_time", "available_at", "power_mw", "quality"),
}
"""Column names of each kind, in the order of `Claims`; the file has the number `series` besides, so that it can be read
without the database by people and without its words by the store."""


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

    footer_checksum: int
    """CRC-32 of the bytes after the last row group."""

    row_groups: bytes
    """`Groups`, packed."""

    @property
    def groups(self) -> Groups:
        """The row groups."""
        return unpacked(self.row_groups)


def write_segment(store: Path, kind: str, pieces: Iterable[Claims], names: Sequence[str]) -> Segment:
    """Write claims to a new file, synced; the caller names it in the manifest, or leaves it to `sweep`.

    Args:
        store: The store's directory.
        kind: `reading` or `official`.
        pieces: At least one claim in all, sorted by series, valid_time across all pieces.
        names: Name of each series number.
    """
    folder = store / SEGMENT_FOLDER
    make_folder(folder)
    # Two processes may write at a time: each has a name of its own until the content gives one.
    partial = folder / f"{uuid4().hex}.partial"
    try:
        bounds = _write_file(partial, kind, pieces, names)
        sync(partial)
        places, footer_checksum = _places(partial)
        sha256 = file_sha256(partial)
        # Named by its content, so that two stores forked from one can never give one name to different rows.
        path = partial.rename(folder / f"{kind}-{sha256[:24]}.parquet")
        sync(folder)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    groups = indexed(bounds, places)
    return Segment(
        file=path.name,
        kind=kind,
        rows=int(groups.rows.sum()),
        sha256=sha256,
        first_valid_time=int(groups.first_valid_time.min()),
        last_valid_time=int(groups.last_valid_time.max()),
        first_available_at=int(groups.first_available_at.min()),
        last_available_at=int(groups.last_available_at.max()),
        footer_checksum=footer_checksum,
        row_groups=groups.packed(),
    )


def _write_file(path: Path, kind: str, pieces: Iterable[Claims], names: Sequence[str]) -> list[tuple[int, ...]]:
    """Write the row groups; gives the bounds of each."""
    columns, bounds = COLUMNS[kind], []
    with pq.ParquetWriter(
        path,
        segment_schema(kind),
        compression="zstd",
        compression_level=1,
        write_statistics=False,
        use_dictionary=[columns[0], columns[2], columns[5]],
        column_encoding={
            "series": "DELTA_BINARY_PACKED",
            columns[1]: "DELTA_BINARY_PACKED",
            columns[3]: "DELTA_BINARY_PACKED",
            columns[4]: "BYTE_STREAM_SPLIT",
        },
    ) as writer:
        for group in _cut(pieces):
            bounds.append(bounds_of(group))
            writer.write_table(claim_table(kind, group, names), row_group_size=ROW_GROUP_ROWS)
    return bounds


def _cut(pieces: Iterable[Claims]) -> Iterator[Claims]:
    """The same claims cut into row groups."""
    rest: list[Claims] = []
    for piece in pieces:
        whole = concat([*rest, piece])
        full = len(whole) - len(whole) % ROW_GROUP_ROWS
        for first in range(0, full, ROW_GROUP_ROWS):
            yield whole.take(slice(first, first + ROW_GROUP_ROWS))
        rest = [whole.take(slice(full, None))] if full < len(whole) else []
    if rest:
        yield rest[0]


def _places(path: Path) -> tuple[list[tuple[int, int, int]], int]:
    """First byte, byte after the last and checksum of each row group, and the footer's checksum."""
    content = memoryview(path.read_bytes())
    found = pq.read_metadata(path)
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    first_columns = [found.row_group(number).column(0) for number in range(found.num_row_groups)]
    # A column begins with its dictionary where it has one.
    starts = [column.dictionary_page_offset or column.data_page_offset for column in first_columns]
    places = [(a, b, zlib.crc32(content[a:b])) for a, b in zip(starts, [*starts[1:], footer], strict=True)]
    return places, zlib.crc32(content[footer:])


def segment_schema(kind: str) -> pa.Schema:
    """Columns of a segment file; none is ever null."""
    name, valid_time, version, available_at, value, quality = COLUMNS[kind]
    types = {
        name: pa.dictionary(pa.int32(), pa.string()),
        "series": pa.int32(),
        valid_time: TIMESTAMP,
        version: pa.int64() if kind == "reading" else TIMESTAMP,
        available_at: TIMESTAMP,
        value: pa.float64(),
        quality: pa.int32(),
    }
    return pa.schema([pa.field(column, dtype, nullable=False) for column, dtype in types.items()])


def claim_table(kind: str, claims: Claims, names: Sequence[str]) -> pa.Table:
    """Claims, sorted by series, as a table with a segment's columns; `names` holds the name of each series number."""
    # The words that occur alone: a row group would else carry the names of all channels there are.
    head = heads(claims.series)
    place = np.cumsum(head, dtype=np.int32) - 1
    words = pa.array([names[number] for number in claims.series[head].tolist()], pa.string())
    columns = [pa.array(getattr(claims, field.name)) for field in fields(claims)]
    named = pa.DictionaryArray.from_arrays(pa.array(place.astype(np.int32, copy=False)), words)
    schema = segment_schema(kind)
    typed = [column.view(field.type) for column, field in zip(columns, list(schema)[1:], strict=True)]
    return pa.Table.from_arrays([named, *typed], schema=schema)


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
    marks = ", ".join("?" * (len(values) + 1))
    connection.execute(f"INSERT INTO segment VALUES ({marks})", (*values, row_checksum(values)))


def manifest(connection: sqlite3.Connection, kind: str) -> tuple[Segment, ...]:
    """The segments of a kind, by their first valid_time.

    Raises:
        StoreDamagedError: A row is not the one that was written.
    """
    names = ", ".join(field.name for field in fields(Segment))
    query = f"SELECT {names}, checksum FROM segment WHERE kind = ? ORDER BY first_valid_time, file"
    found = []
    for *values, checksum in connection.execute(query, (kind,)):
        if row_checksum(values) != checksum:
            what = "a segment's row of the manifest has other bytes than were written"
            raise StoreDamagedError(what, file=values[0], got=row_checksum(values), wanted=checksum)
        found.append(Segment(*values))
    return tuple(found)


def sweep(connection: sqlite3.Connection, store: Path) -> list[str]:
    """Delete files that no manifest row names, unless someone needs the folder to stay as it is.

    Args:
        connection: The store's database, in a transaction that no other process can write beside.
        store: The store's directory.
    """
    with alone_with(store / SEGMENT_FOLDER) as is_alone:
        if not is_alone:
            return []
        named = {row[0] for row in connection.execute("SELECT file FROM segment")}
        orphans = sorted(path for path in (store / SEGMENT_FOLDER).glob("*") if path.name not in named)
        for path in orphans:
            path.unlink(missing_ok=True)
        return [path.name for path in orphans]


def delete(store: Path, files: Sequence[str]) -> list[str]:
    """Delete files that were taken out of the manifest; gives those that someone needs to stay, to be tried again."""
    if not files:
        return []
    with alone_with(store / SEGMENT_FOLDER) as is_alone:
        if not is_alone:
            return list(files)
        for file in files:
            (store / SEGMENT_FOLDER / file).unlink(missing_ok=True)
    return []


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

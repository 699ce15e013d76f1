"""Segment files as they are read: row group by row group, each checked by its checksum, the last used kept decoded.

The memory they take is bounded in bytes, and so is the number of open files, however many segments there are.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Container, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.errors import StoreDamagedError
from storage.claims import Claims
from storage.groups import Groups
from storage.hot import CLAIM_BYTES
from storage.runs import Run
from storage.segments import COLUMNS, SEGMENT_FOLDER, Segment

CACHED_BYTES = 320_000_000
"""Decoded row groups kept in memory: two years of 15-minute readings of 100 channels."""

OPEN_FILES = 32
"""Files kept open, with their footers: a footer takes 2 kB for each row group."""


class SegmentMissingError(StoreDamagedError):
    """A segment's file is not there: it was merged into another one since the manifest was read, or it is lost."""


class SegmentFiles:
    """The decoded row groups of a store's segments.

    Args:
        store: The store's directory.
        cached_bytes: Limit of what is kept decoded; 0 keeps nothing.
    """

    def __init__(self, store: Path, cached_bytes: int | None = None) -> None:
        self._folder = store / SEGMENT_FOLDER
        self._limit = CACHED_BYTES if cached_bytes is None else cached_bytes
        self._open: OrderedDict[str, _File] = OrderedDict()
        self._decoded: OrderedDict[tuple[str, int], Run] = OrderedDict()
        self._bytes = 0

    @property
    def cached_bytes(self) -> int:
        """Bytes of the row groups that are kept decoded."""
        return self._bytes

    def runs(self, segment: Segment, groups: Sequence[int]) -> Iterator[Run]:
        """Some row groups of a segment, one after the other.

        Raises:
            SegmentMissingError: The file is not there.
            StoreDamagedError: What is read is not what was written.
        """
        for number in groups:
            yield self._run(segment, number)

    def keep_only(self, files: Container[str]) -> None:
        """Let go of all files but these; an open one that was deleted would keep its place on the disk."""
        for name in [name for name in self._open if name not in files]:
            del self._open[name]
        for key in [key for key in self._decoded if key[0] not in files]:
            self._bytes -= CLAIM_BYTES * len(self._decoded.pop(key))

    def _run(self, segment: Segment, number: int) -> Run:
        key = segment.file, number
        run = self._decoded.pop(key, None)
        if run is None:
            run = Run(self._file(segment).read(number))
            self._bytes += CLAIM_BYTES * len(run)
        self._decoded[key] = run
        while self._bytes > self._limit and self._decoded:
            self._bytes -= CLAIM_BYTES * len(self._decoded.popitem(last=False)[1])
        return run

    def _file(self, segment: Segment) -> _File:
        file = self._open.pop(segment.file, None) or _File(self._folder / segment.file, segment)
        self._open[segment.file] = file
        if len(self._open) > OPEN_FILES:
            self._open.popitem(last=False)
        return file


class _File:
    """An open segment. It is not mapped into memory: a file cut short under a map ends the process (SIGBUS)."""

    def __init__(self, path: Path, segment: Segment) -> None:
        self._path, self._groups = path, segment.groups
        self._columns = ["series", *COLUMNS[segment.kind][1:]]
        try:
            self._content = pa.OSFile(str(path))
        except FileNotFoundError as cause:
            raise SegmentMissingError("a segment is missing", file=path, wanted=f"{segment.rows} rows") from cause
        self._verify(int(self._groups.end[-1]), self._content.size(), segment.footer_checksum)
        self._parquet = pq.ParquetFile(self._content)

    def read(self, number: int) -> Claims:
        """The claims of a row group."""
        groups: Groups = self._groups
        self._verify(int(groups.offset[number]), int(groups.end[number]), int(groups.checksum[number]))
        return to_claims(self._parquet.read_row_group(number, columns=self._columns, use_threads=False))

    def _verify(self, start: int, end: int, checksum: int) -> None:
        found = zlib.crc32(self._content.read_at(max(end - start, 0), start))
        if found != checksum:
            what = "a segment has other bytes than were written"
            raise StoreDamagedError(what, file=self._path, got=found, wanted=checksum)


def to_claims(table: pa.Table) -> Claims:
    """Claims of a table with the columns series, valid_time, version, available_at, value, quality."""
    arrays = []
    for place in range(len(fields(Claims))):
        column = table.column(place)
        array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        arrays.append(array.view(pa.int64()) if pa.types.is_timestamp(array.type) else array)
    return Claims(*(array.to_numpy() for array in arrays))

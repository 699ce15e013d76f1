"""A history's files: Parquet read by the stretch of time asked for, CSV read at once; Parquet written in row groups."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from gridcore.errors import BadInputError, NoSpaceError
from gridcore.timeline import TIMESTAMP, from_numpy, to_numpy

SUFFIXES = (".parquet", ".csv", ".csv.gz")
"""Kinds of files a table can lie in."""

ROW_GROUP = 131_072
"""Rows of a Parquet row group: a day of a large grid is read without decoding the year."""

Columns = Callable[[pa.Table], pa.Table]
"""From a table as read to the project's schema, sorted."""


class History:
    """One table of a history, cut by valid_time.

    Args:
        file: Parquet, CSV or gzipped CSV; None for a table that the grid has not.
        schema: What it becomes.
        columns: How it becomes so.
    """

    def __init__(self, file: Path | None, schema: pa.Schema, columns: Columns) -> None:
        self.file, self._schema, self._columns = file, schema, columns
        self._is_lazy = file is not None and file.suffix == ".parquet" and _has_instants(file)

    def between(self, start: datetime, end: datetime) -> pa.Table:
        """Rows with valid_time in [start, end), sorted.

        Raises:
            BadInputError: The file is unreadable or holds what it must not.
        """
        if self.file is None:
            return self._schema.empty_table()
        first, last = pa.scalar(to_numpy(start)).cast(TIMESTAMP), pa.scalar(to_numpy(end)).cast(TIMESTAMP)
        if self._is_lazy:
            inside = (pc.field("valid_time") >= first) & (pc.field("valid_time") < last)
            return self._columns(_read(self.file, inside))
        valid = self._whole.column("valid_time")
        return self._whole.filter(pc.and_(pc.greater_equal(valid, first), pc.less(valid, last)))

    @cached_property
    def span(self) -> tuple[datetime, datetime] | None:
        """First and last valid_time; None where there is no row."""
        if self.file is None:
            return None
        if self._is_lazy and (told := _told_span(self.file)) is not None:
            return told
        whole = _read(self.file) if self._is_lazy else self._whole
        if not len(whole):
            return None
        least = pc.min_max(whole.column("valid_time").cast(TIMESTAMP)).as_py()
        return _utc(least["min"]), _utc(least["max"])

    def names(self) -> tuple[str, ...]:
        """Columns as they stand in the file."""
        if self.file is None:
            return ()
        if self.file.suffix == ".parquet":
            return tuple(pq.read_schema(self.file).names)
        return tuple(_read(self.file).column_names)

    @cached_property
    def _whole(self) -> pa.Table:
        return self._schema.empty_table() if self.file is None else self._columns(_read(self.file))


def find_file(directory: Path, stem: str) -> Path | None:
    """The file of a table, whatever its kind; raises `BadInputError` where two kinds lie side by side."""
    found = [directory / f"{stem}{suffix}" for suffix in SUFFIXES if (directory / f"{stem}{suffix}").exists()]
    if len(found) > 1:
        got = ", ".join(file.name for file in found)
        raise BadInputError("a table in two files", file=directory, got=got, wanted=f"one {stem} file")
    return found[0] if found else None


def read_whole(file: Path) -> pa.Table:
    """A Parquet or CSV file as it stands; raises `BadInputError` where it can't be read."""
    return _read(file)


def write_parquet(tables: Iterable[pa.Table], file: Path, schema: pa.Schema) -> int:
    """Write tables one after the other and return the number of rows; equal tables give equal bytes.

    Each page carries its checksum: altered bytes can decode to other values without any error else. The file is there
    whole or not at all.

    Raises:
        NoSpaceError: The disk is full; nothing is left of the file.
    """
    rows, draft = 0, file.with_name(f"{file.name}.partial")
    try:
        with pq.ParquetWriter(
            draft, schema, compression="zstd", compression_level=3, write_page_checksum=True
        ) as writer:
            for table in tables:
                rows += len(table)
                if len(table):
                    writer.write_table(table.combine_chunks(), row_group_size=ROW_GROUP)
        draft.replace(file)
    except OSError as cause:
        if cause.errno != errno.ENOSPC:
            raise
        raise NoSpaceError("the disk is full; nothing of this file was kept", file=file) from cause
    finally:
        draft.unlink(missing_ok=True)
    return rows


def stretches(start: datetime, end: datetime, step: timedelta) -> Iterable[tuple[datetime, datetime]]:
    """[start, end) in stretches of at most `step`."""
    at = start
    while at < end:
        yield at, min(at + step, end)
        at += step


def _has_instants(file: Path) -> bool:
    """The Parquet file's valid_time is of the project's own type, so that it can be cut while it is read."""
    try:
        schema = pq.read_schema(file)
    except (OSError, pa.ArrowException) as cause:
        raise BadInputError("an unreadable file", file=file, got=cause, wanted="Parquet") from cause
    place = schema.get_field_index("valid_time")
    return place >= 0 and bool(schema.field(place).type == TIMESTAMP)


def _told_span(file: Path) -> tuple[datetime, datetime] | None:
    """First and last valid_time as the file's own statistics tell them; None where they don't."""
    facts = pq.read_metadata(file)
    place = facts.schema.to_arrow_schema().get_field_index("valid_time")
    groups = [facts.row_group(group).column(place).statistics for group in range(facts.num_row_groups)]
    if not groups or any(group is None or not group.has_min_max for group in groups):
        return None
    return _utc(min(group.min for group in groups)), _utc(max(group.max for group in groups))


def _read(file: Path, inside: pc.Expression | None = None) -> pa.Table:
    """A file as it stands; every CSV cell is text, so that what is wrong can be quoted."""
    try:
        if file.suffix == ".parquet":
            return pq.read_table(file, filters=inside, use_threads=False, page_checksum_verification=True)
        if not file.stat().st_size:
            raise BadInputError("an empty file", file=file, got="0 bytes", wanted="a header and rows")
        names = csv.open_csv(str(file)).schema.names
        options = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
        table = csv.read_csv(str(file), csv.ReadOptions(use_threads=False), convert_options=options)
    except (OSError, pa.ArrowException) as cause:
        raise BadInputError(
            "an unreadable file", file=file, got=cause, wanted="Parquet, or CSV with a header"
        ) from cause
    return table.rename_columns([name.strip().lstrip("\ufeff") for name in table.column_names])


def _utc(instant: datetime) -> datetime:
    return from_numpy(np.datetime64(instant.replace(tzinfo=None), "us"))

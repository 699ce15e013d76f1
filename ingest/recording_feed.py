"""A recording as a feed: rows in the order in which they became available, played up to the instant asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.errors import BadInputError
from gridcore.ports import Batch
from gridcore.timeline import to_numpy

RECORDING = "recording"
"""Name of the feed's only source."""

LARGEST_BATCH = 500_000
"""A backlog is handed over in batches of at most this many rows, so that one transaction stays small."""

Counts = npt.NDArray[np.int64]


class RecordingFeed:
    """The `Feed` of three tables; rows share one numbering.

    A row's offset counts the rows before it in the order of available_at, then outages, official values, readings. So a
    decision that may see a forecast has always seen the outages of the same instant.

    Args:
        readings: `READING_SCHEMA`, ascending available_at.
        official: `OFFICIAL_SCHEMA`, ascending available_at.
        outages: `OUTAGE_SCHEMA`, ascending available_at.
        source: Name of its source in batches and offsets.

    Raises:
        BadInputError: A table is not in the order of available_at.
    """

    def __init__(self, readings: pa.Table, official: pa.Table, outages: pa.Table, *, source: str = RECORDING) -> None:
        self._tables = (outages, official, readings)
        self._source, self._offset = source, 0
        arrivals = [_arrivals(table, source) for table in self._tables]
        self._instants = np.unique(np.concatenate([np.unique(column) for column in arrivals]))
        # Rows of each table that are there at each instant, with a leading row of zeros: shape (instants + 1, 3).
        counts = [np.searchsorted(column, self._instants, side="right") for column in arrivals]
        self._rows = np.vstack([np.zeros(3, np.int64), np.column_stack(counts).astype(np.int64)])
        self._total = self._rows.sum(axis=1)

    def next_until(self, due: datetime) -> Batch | None:
        """The next rows with available_at <= due, at most `LARGEST_BATCH`; None when there is none left."""
        last = int(self._total[np.searchsorted(self._instants, to_numpy(due), side="right")])
        if self._offset >= last:
            return None
        start, self._offset = self._offset, min(last, self._offset + LARGEST_BATCH)
        begin, end = self._rows_before(start), self._rows_before(self._offset)
        outages, official, readings = (
            table.slice(int(first), int(after - first))
            for table, first, after in zip(self._tables, begin, end, strict=True)
        )
        return Batch(self._source, start, self._offset, readings, official, outages)

    def seek(self, offsets: Mapping[str, int]) -> None:
        """Continue at the store's offset; raises `BadInputError` for one beyond the recording's end."""
        offset = offsets.get(self._source, 0)
        if not 0 <= offset <= self._total[-1]:
            wanted = f"0 to {self._total[-1]}, the recording's rows"
            raise BadInputError(
                "the store's offset is not of this recording", asset=self._source, got=offset, wanted=wanted
            )
        self._offset = offset

    def _rows_before(self, offset: int) -> Counts:
        """Rows of each table before an offset, shape (3,)."""
        group = int(np.searchsorted(self._total, offset, side="right")) - 1
        before: Counts = self._rows[group].copy()
        left = offset - int(self._total[group])
        if left:
            for table, size in enumerate(self._rows[group + 1] - self._rows[group]):
                taken = min(left, int(size))
                before[table] += taken
                left -= taken
        return before


def _arrivals(table: pa.Table, source: str) -> npt.NDArray[np.datetime64]:
    """The available_at column; raises `BadInputError` where it goes back."""
    column: npt.NDArray[np.datetime64] = table.column("available_at").to_numpy().astype("datetime64[us]")
    back = np.flatnonzero(np.diff(column) < np.timedelta64(0))
    if len(back):
        instant = str(column[back[0] + 1])
        raise BadInputError("a recording out of order", file=source, instant=instant, wanted="ascending available_at")
    return column

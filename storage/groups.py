"""Row groups: what each stretch of a segment can hold, so that a read decodes few of them and checks just these.

The index lies in the manifest, not in the file's footer: Python needs 10 us to read one column's statistics from a
footer, and a segment has some thousand groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from storage.claims import Claims, Int64s


@dataclass(frozen=True, eq=False)
class Groups:
    """Columns of equal length, shape (row groups,), in the file's order."""

    rows: Int64s
    """Number of claims."""

    offset: Int64s
    """First byte in the file."""

    end: Int64s
    """Byte after the last; the last group's is where the footer begins."""

    checksum: Int64s
    """CRC-32 of the bytes."""

    first_series: Int64s
    """Smallest series number, that of the first row."""

    last_series: Int64s
    """Largest series number, that of the last row."""

    head_valid_time: Int64s
    """valid_time of the first row [us]."""

    tail_valid_time: Int64s
    """valid_time of the last row [us]."""

    first_valid_time: Int64s
    """Smallest valid_time [us]."""

    last_valid_time: Int64s
    """Largest valid_time [us]."""

    first_available_at: Int64s
    """Smallest available_at [us]."""

    last_available_at: Int64s
    """Largest available_at [us]."""

    def __len__(self) -> int:
        """Number of row groups."""
        return len(self.rows)

    def touched(self, series: npt.NDArray[np.integer], start: int, end: int, instant: int) -> npt.NDArray[np.intp]:
        """Groups that can hold a claim of some series with valid_time in [start, end) and available_at <= instant.

        Args:
            series: Numbers, ascending.
            start: First valid_time [us].
            end: End of the valid_times [us].
            instant: Latest available_at [us].
        """
        from_first, to_last = np.searchsorted(series, self.first_series), np.searchsorted(series, self.last_series)
        past_first = np.searchsorted(series, self.first_series, side="right")
        past_last = np.searchsorted(series, self.last_series, side="right")
        # Of its first series a group holds no period before its first row's, of its last one none after its last row's.
        of_first = (past_first > from_first) & (self.head_valid_time < end)
        of_last = (past_last > to_last) & (self.tail_valid_time >= start)
        holds_series = of_first | of_last | (to_last > past_first)
        in_time = (self.first_valid_time < end) & (self.last_valid_time >= start)
        return np.flatnonzero(holds_series & in_time & (self.first_available_at <= instant))

    def packed(self) -> bytes:
        """The index as bytes."""
        return np.stack([getattr(self, field.name) for field in fields(self)]).astype("<i8").tobytes()


def unpacked(content: bytes) -> Groups:
    """The index that was packed."""
    return Groups(*np.frombuffer(content, "<i8").reshape(len(fields(Groups)), -1).astype(np.int64))


def indexed(pieces: Sequence[tuple[int, ...]], places: Sequence[tuple[int, int, int]]) -> Groups:
    """The index of a file's groups.

    Args:
        pieces: `bounds_of` each group.
        places: First byte, byte after the last, and checksum of each group.
    """
    bounds = np.array(pieces, np.int64).T
    offset, end, checksum = np.array(places, np.int64).T
    return Groups(bounds[0], offset, end, checksum, *bounds[1:])


def bounds_of(claims: Claims) -> tuple[int, ...]:
    """What the index says of a group's claims, sorted by series, valid_time."""
    series, valid_time, available_at = claims.series, claims.valid_time, claims.available_at
    order = (int(series[0]), int(series[-1]), int(valid_time[0]), int(valid_time[-1]))
    spans = (valid_time.min(), valid_time.max(), available_at.min(), available_at.max())
    return len(claims), *order, *(int(edge) for edge in spans)

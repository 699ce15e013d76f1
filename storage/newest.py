"""Newest: the latest period that each series has a claim of, so that what is plainly new is told without a search."""

from __future__ import annotations

import sqlite3

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.checksums import content_checksum, verified
from storage.claims import Claims, Int64s, Mask

NEVER = -(2**62)
"""An instant before all others [us]."""


class Newest:
    """Largest valid_time of each series [us]; a series without a claim has `NEVER`."""

    def __init__(self) -> None:
        self._valid_time = np.full(1024, NEVER)

    def is_past(self, claims: Claims) -> Mask:
        """Claims of a period not after their series' newest: only these can be known already."""
        self._reach(claims.series)
        past: Mask = claims.valid_time <= self._valid_time[claims.series]
        return past

    def raise_to(self, claims: Claims) -> None:
        """Take in claims, sorted by series, valid_time."""
        if not len(claims):
            return
        self._reach(claims.series)
        last = np.append(claims.series[1:] != claims.series[:-1], True)
        series = claims.series[last]
        self._valid_time[series] = np.maximum(self._valid_time[series], claims.valid_time[last])

    def latest(self) -> int | None:
        """The latest of all series; None without one."""
        latest = int(self._valid_time.max())
        return None if latest == NEVER else latest

    def write(self, connection: sqlite3.Connection, kind: str, count: int) -> None:
        """Write those of the first `count` series; runs inside a transaction."""
        self._reach(np.array([count]))
        content = pa.Codec("lz4").compress(self._valid_time[:count].tobytes(), asbytes=True)
        replace = "INSERT OR REPLACE INTO newest VALUES (?, ?, ?, ?)"
        connection.execute(replace, (kind, count, content_checksum(content), content))

    def read(self, connection: sqlite3.Connection, kind: str) -> None:
        """Read what the last sealing wrote; the claims of the log are to be taken in besides."""
        query = "SELECT series, checksum, content FROM newest WHERE kind = ?"
        for count, checksum, content in connection.execute(query, (kind,)):
            whole = verified(f"newest periods of {kind}", content, checksum)
            read = np.frombuffer(pa.Codec("lz4").decompress(whole, 8 * count, asbytes=True), np.int64)
            self._valid_time = np.concatenate([read, np.full(1024, NEVER)])

    def _reach(self, series: npt.NDArray[np.integer]) -> None:
        """Make room for the largest of some series."""
        wanted = int(series.max(initial=0)) + 1
        if wanted > len(self._valid_time):
            grown: Int64s = np.full(max(wanted, 2 * len(self._valid_time)), NEVER)
            grown[: len(self._valid_time)] = self._valid_time
            self._valid_time = grown

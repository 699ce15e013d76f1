"""Upkeep of the embedded store: what was sealed or merged beside gets its name, and old files go.

Everything here is a transaction of its own. A batch comes before or after it, never together with it: a disk that is
full for a segment keeps the log as it was.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from storage import hot
from storage.claims import Claims
from storage.database import told_apart
from storage.history import History
from storage.merging import sealed
from storage.runs import HotRuns
from storage.sealing import Sealer, Work
from storage.segment_files import SegmentMissingError
from storage.segments import SEGMENT_FOLDER, Segment, delete, sweep, write_segment

if TYPE_CHECKING:
    from storage.embedded import EmbeddedStore


class Upkeep:
    """Keeps a store's log small and its segments few.

    Args:
        store: The store; it calls `settle` before and `begin` after each batch.
        connection: Its database.
    """

    def __init__(self, store: EmbeddedStore, connection: sqlite3.Connection) -> None:
        self._store, self._connection, self._path = store, connection, Path(store.path)
        self._sealer = Sealer(self._path)
        self._replaced: list[str] = []
        self._is_swept = False

    def begin(self) -> bool:
        """Begin what is due; gives whether anything is under way."""
        return self._sealer.start(self._store.histories)

    def settle(self, *, wait: bool = False) -> None:
        """Name the files that were written beside, if they are there; wait for all of them, if asked.

        Raises:
            NoSpaceError: The disk was full for one; what it was to hold is still in the log or in other segments.
            StoreDamagedError: A segment that was to be merged is not what was written.
        """
        if not self._is_swept:
            # Before the first file is begun here, so that none of these is taken for one that a kill left behind.
            self.sweep()
        while (work := self._sealer.take(self._store.histories, wait=wait)) is not None:
            segment = None
            try:
                segment = self._named(work)
            finally:
                _show(work, segment)
            self._replaced += [replaced.file for replaced in work.replaced if segment is not None]
        with told_apart(self._path):
            self._replaced = delete(self._path, self._replaced)

    def seal(self, before: int) -> int:
        """Move the log's claims with valid_time before an instant [us] into segments, merge, and sweep.

        Returns:
            Number of readings in the new segment.
        """
        self.settle(wait=True)
        with self._store.transaction():
            moved = {history.kind: self._seal_now(history, before) for history in self._store.histories}
            was, became = moved["official"]
            self._store.add_to_tally({"generation": 1, "official": became - was})
        self._store.reload()
        while self.begin():
            self.settle(wait=True)
        self.sweep()
        return moved["reading"][1]

    def sweep(self) -> None:
        """Delete the files that no one knows of: a kill or a merge left them."""
        with self._store.transaction():
            sweep(self._connection, self._path)
        self._is_swept = True

    def stop(self) -> None:
        """Break off what is under way."""
        self._sealer.stop()

    def _named(self, work: Work) -> Segment | None:
        """The file, now in the manifest; None where another process made it worthless."""
        try:
            with told_apart(self._path):
                segment = work.written.result()
        except (FileNotFoundError, SegmentMissingError) as cause:
            # Another process swept the file up before it had its name, or merged the same segments first.
            self._store.refresh()
            if work.is_wanted and isinstance(cause, SegmentMissingError):
                raise
            return None
        with self._store.transaction():
            if not work.is_wanted or not (self._path / SEGMENT_FOLDER / segment.file).is_file():
                return None
            self._name(work, segment)
        self._store.count_own_sealing()
        return segment

    def _name(self, work: Work, segment: Segment) -> None:
        """Name a file in the manifest and take out what it replaces; runs inside a transaction."""
        for replaced in work.replaced:
            self._connection.execute("DELETE FROM segment WHERE file = ?", (replaced.file,))
        if not work.replaced:
            hot.delete_through(self._connection, work.history.kind, work.last_seq)
        work.history.name_segments([segment])
        # A value that was logged twice is sealed once.
        dropped = {"official": segment.rows - work.rows} if work.history.kind == "official" else {}
        self._store.add_to_tally({"generation": 1} | dropped)

    def _seal_now(self, history: History, before: int) -> tuple[int, int]:
        """Move old claims of the log into a segment inside a transaction: how many there were, and are."""
        claims: Claims = history.hot_claims()
        is_old = claims.valid_time < before
        if not is_old.any():
            return 0, 0
        old = sealed([claims.take(is_old)])
        hot.delete_through(self._connection, history.kind, history.last_seq)
        if not is_old.all():
            hot.append(self._connection, history.kind, claims.take(~is_old))
        history.name_segments([write_segment(self._path, history.kind, [old], history.series.names)])
        return int(is_old.sum()), len(old)


def _show(work: Work, segment: Segment | None) -> None:
    """Read from a file that was named from now on; without one, keep the claims where they are.

    A history that was loaded since has its claims in the log already.
    """
    history = work.history
    if not work.is_wanted:
        return
    if not work.replaced:
        for claims in history.sealing.parts() if segment is None else ():
            history.hot.add(claims)
        history.sealing = HotRuns()
    if segment is not None:
        gone = {replaced.file for replaced in work.replaced}
        history.list_segments([*(s for s in history.segments if s.file not in gone), segment])

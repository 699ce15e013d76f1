"""The history of one kind of claims (readings or official series): log in SQLite, segments, columns in memory.

The database holds the truth; the columns are a copy for reads, brought up to date when another process has written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from storage import hot
from storage.claims import Claims, Sifted, by_cell, concat, current, no_claims, sift
from storage.columns import Arrived
from storage.folder_lock import stays
from storage.groups import Groups
from storage.newest import Newest
from storage.runs import HotRuns, Run, earliest_valid_time
from storage.segment_files import SegmentFiles, SegmentMissingError
from storage.segments import SEGMENT_FOLDER, Segment, add_to_manifest, manifest, write_segment
from storage.series import Series

SEGMENT_ROWS = 500_000
"""A batch that adds at least so many claims becomes a segment at once: they would be written to the log, and soon after
to a segment, for nothing."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Intake:
    """What a transaction has written, to be added to the columns once it is committed."""

    sifted: Sifted
    """What the batch added."""

    last_seq: int
    """Last blob of the log."""

    segment: Segment | None
    """The segment that holds the claims; None where the log does."""


class History:
    """Claims of one kind.

    Args:
        connection: The store's database.
        store: The store's directory.
        kind: `reading` or `official`.
        reload: Reads the store's state anew where another process has changed the manifest.
    """

    def __init__(self, connection: sqlite3.Connection, store: Path, kind: str, reload: Callable[[], None]) -> None:
        self.connection, self._store, self.kind, self._reload = connection, store, kind, reload
        self.files = SegmentFiles(store)
        self.series = Series(kind)
        self.loads = 0
        self.load()

    def load(self) -> None:
        """Read manifest and log anew."""
        self.loads += 1
        self.newest = Newest()
        self.hot, self.sealing, self.last_seq = HotRuns(), HotRuns(), 0
        self.newest.read(self.connection, self.kind)
        self.segments: tuple[Segment, ...] = ()
        self._groups: dict[str, Groups] = {}
        self.list_segments(manifest(self.connection, self.kind))
        self.catch_up()

    def catch_up(self) -> None:
        """Add what another process has appended; after a seal `load` is wanted instead."""
        self.series.catch_up(self.connection)
        known = {segment.file for segment in self.segments}
        files = [row[0] for row in self.connection.execute("SELECT file FROM segment WHERE kind = ?", (self.kind,))]
        if set(files) != known:
            self.list_segments(manifest(self.connection, self.kind))
            self.newest.read(self.connection, self.kind)
        for seq, claims in hot.read_after(self.connection, self.kind, self.last_seq):
            self.hot.add(claims)
            self.newest.raise_to(claims)
            self.last_seq = seq

    def write(self, arrived: Arrived) -> Intake:
        """Write what is new in a batch; runs inside a transaction, and `undo` takes back what it changed in memory."""
        known = len(self.series)
        batch = by_cell(arrived.numbered(self.series.place(arrived.labels)))
        sifted = sift(self._twins(batch), batch)
        self.series.write(self.connection, known)
        if len(sifted.kept) >= SEGMENT_ROWS:
            segment = write_segment(self._store, self.kind, [sifted.kept], self.series.names)
            self.newest.raise_to(sifted.kept)
            self.name_segments([segment])
            return Intake(sifted, self.last_seq, segment)
        last_seq = hot.append(self.connection, self.kind, sifted.kept) if len(sifted.kept) else self.last_seq
        return Intake(sifted, last_seq, None)

    def take_over(self, intake: Intake) -> None:
        """Add to the columns what a committed transaction has written."""
        self.newest.raise_to(intake.sifted.kept)
        self.last_seq = intake.last_seq
        if intake.segment is None:
            self.hot.add(intake.sifted.kept)
        else:
            self.list_segments([*self.segments, intake.segment])

    def name_segments(self, segments: Sequence[Segment]) -> None:
        """Name new segments in the manifest, and how far the claims of each series reach; inside a transaction."""
        for segment in segments:
            add_to_manifest(self.connection, segment)
        self.newest.write(self.connection, self.kind, len(self.series))

    def list_segments(self, segments: Iterable[Segment]) -> None:
        """Read from these segments from now on."""
        self.segments = tuple(sorted(segments, key=lambda s: (s.first_valid_time, s.file)))
        self._groups = {s.file: self._groups.get(s.file) or s.groups for s in self.segments}
        self.files.keep_only(self._groups)

    def select(
        self, names: Sequence[str], start: int, end: int, instant: int, *, every_version: bool = False
    ) -> tuple[tuple[str, ...], Claims, npt.NDArray[np.intp]]:
        """Current claims of some series with valid_time in [start, end), as known at an instant [us].

        Returns:
            The known ones of the names, sorted; claims sorted by name, valid_time; the place of each claim's name.
        """
        wanted = tuple(sorted(name for name in set(names) if name in self.series.numbers))
        numbers = np.array([self.series.numbers[name] for name in wanted], dtype=np.int32)
        order = np.argsort(numbers)
        claims = self._again_if_moved(lambda: self._between(numbers[order], start, end, instant))
        rank = order[np.searchsorted(numbers[order], claims.series)] if wanted else np.zeros(0, np.intp)
        chosen, ranks = current(claims, rank, every_version=every_version)
        return wanted, chosen, ranks

    def first_valid_time(self, instant: int) -> int | None:
        """Smallest valid_time known at an instant [us]; None where nothing is known."""
        return self._again_if_moved(lambda: self._first_valid_time(instant))

    def hot_claims(self) -> Claims:
        """The claims of the log."""
        return concat([*self.sealing.parts(), *self.hot.parts()])

    def _twins(self, batch: Claims) -> Claims:
        """All claims that share series and valid_time with a row of the batch, which is sorted by these."""
        past = self.newest.is_past(batch)
        if not past.any():
            return no_claims()
        old = batch.take(past)
        found = [run.twins(old) for run in self._hot_runs()]
        for segment in self.segments:
            near = old.take((old.valid_time >= segment.first_valid_time) & (old.valid_time <= segment.last_valid_time))
            if not len(near):
                continue
            span = int(near.valid_time.min()), int(near.valid_time.max()) + 1
            touched = self._groups[segment.file].touched(near.series, *span, 2**62)
            found += [run.twins(near) for run in self.files.runs(segment, touched.tolist())]
        return concat([claims for claims in found if len(claims)])

    def _between(self, series: npt.NDArray[np.int32], start: int, end: int, instant: int) -> Claims:
        """Claims of some series, ascending, with valid_time in [start, end) and available_at <= instant."""
        found = []
        for segment in self.segments:
            if segment.first_valid_time < end and segment.last_valid_time >= start:
                touched = self._groups[segment.file].touched(series, start, end, instant)
                for run in self.files.runs(segment, touched.tolist()):
                    found.append(run.between(series, start, end, instant))
        found += [run.between(series, start, end, instant) for run in self._hot_runs()]
        return concat([claims for claims in found if len(claims)])

    def _first_valid_time(self, instant: int) -> int | None:
        found = [earliest_valid_time(run.claims, instant) for run in self._hot_runs()]
        for segment in self.segments:
            groups = self._groups[segment.file]
            whole = groups.last_available_at <= instant
            found += groups.first_valid_time[whole].tolist()
            for number in np.flatnonzero(~whole & (groups.first_available_at <= instant)).tolist():
                best = min((valid_time for valid_time in found if valid_time is not None), default=2**62)
                if groups.first_valid_time[number] < best:
                    found += [earliest_valid_time(r.claims, instant) for r in self.files.runs(segment, [number])]
        return min((valid_time for valid_time in found if valid_time is not None), default=None)

    def _hot_runs(self) -> list[Run]:
        return [*self.sealing.runs, *self.hot.runs]

    def _again_if_moved(self, read: Callable[[], _T]) -> _T:
        """What a read gives; where a file of it was merged away meanwhile, once more, while none can be."""
        try:
            return read()
        except SegmentMissingError:
            with stays(self._store / SEGMENT_FOLDER):
                self._reload()
                return read()

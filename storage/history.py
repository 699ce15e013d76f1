"""The history of one kind of claims (readings or official series): log in SQLite, segments, columns in memory.

The database holds the truth; the columns are a copy for reads, brought up to date when another process has written.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gridcore.errors import BrokenInvariantError, StoreDamagedError
from storage.checksums import claim_checksums, verify_claims
from storage.claims import Claims, Int64s, Sifted, concat, current, no_claims, sift
from storage.columns import Arrived, Label
from storage.runs import HotRuns, Run, earliest_valid_time, gather
from storage.segments import Segment, add_to_manifest, manifest, read_segment, write_segment

SEGMENT_ROWS = 20_000
"""A batch that adds at least so many claims becomes a segment at once: SQLite takes 2 us a row, Parquet 0.3 us;
a file below this size costs more in syncs and open files than it saves."""

CACHED_ROWS = 8_000_000
"""Decoded rows of segments kept in memory, 40 bytes each: two years of 15-minute readings of 100 channels."""

NEVER = -(2**62)
"""An instant before all others [us]."""

_COLUMNS = "series, valid_time, version, available_at, value, quality, checksum"


@dataclass(frozen=True)
class Intake:
    """What a transaction has written, to be added to the columns once it is committed."""

    labels: tuple[Label, ...]
    """New series, in the order of their numbers."""

    sifted: Sifted
    """What the batch added."""

    newest: Int64s
    """Largest valid_time of each series [us], new ones included."""

    last_seq: int
    """Last row of the log."""

    segment: Segment | None
    """The segment that holds the claims; None where the log does."""


class History:
    """Claims of one kind.

    Args:
        connection: The store's database.
        store: The store's directory.
        kind: `reading` or `official`.
    """

    def __init__(self, connection: sqlite3.Connection, store: Path, kind: str) -> None:
        self._connection, self._store, self.kind = connection, store, kind
        self._decoded: OrderedDict[str, Run] = OrderedDict()
        self.load()

    def load(self) -> None:
        """Read labels, manifest and log anew."""
        self.labels: list[Label] = []
        self.numbers: dict[str, int] = {}
        self._newest = np.zeros(0, np.int64)
        self._hot, self._last_seq = HotRuns(), 0
        self.catch_up()

    def catch_up(self) -> None:
        """Add what another process has appended; after a seal `load` is wanted instead."""
        query = "SELECT name, site, quantity, unit, newest FROM series WHERE kind = ? ORDER BY number"
        rows = self._connection.execute(query, (self.kind,)).fetchall()
        self._learn([Label(*row[:4]) for row in rows[len(self.labels) :]])
        self._newest = _integers([row[4] for row in rows])
        self.segments = manifest(self._connection, self.kind)
        log = f"SELECT {_COLUMNS}, seq FROM {self.kind} WHERE seq > ? ORDER BY seq"
        rows = self._connection.execute(log, (self._last_seq,)).fetchall()
        if rows:
            claims, checksums = _to_claims(rows)
            verify_claims(self.kind, claims, checksums)
            self._hot.add(claims)
            self._last_seq = rows[-1][-1]

    def write(self, arrived: Arrived) -> Intake:
        """Write what is new in a batch; runs inside a transaction and leaves the columns in memory alone."""
        labels, number_of = self._place(arrived.labels)
        batch = arrived.numbered(number_of)
        newest = np.append(self._newest, np.full(len(labels), NEVER))
        sifted = sift(self._possible_twins(batch, newest), batch)
        if not len(sifted.kept):
            return Intake((), sifted, newest, self._last_seq, None)
        raised = newest.copy()
        np.maximum.at(raised, sifted.kept.series, sifted.kept.valid_time)
        self._write_series(labels, raised, newest)
        if len(sifted.kept) >= SEGMENT_ROWS:
            segment = write_segment(self._store, self.kind, sifted.kept, self._names(labels))
            add_to_manifest(self._connection, segment)
            return Intake(labels, sifted, raised, self._last_seq, segment)
        last_seq = self._append(sifted.kept)
        return Intake(labels, sifted, raised, last_seq, None)

    def take_over(self, intake: Intake) -> None:
        """Add to the columns what a committed transaction has written."""
        self._learn(intake.labels)
        self._newest, self._last_seq = intake.newest, intake.last_seq
        if intake.segment is None:
            self._hot.add(intake.sifted.kept)
        else:
            by_start = (*self.segments, intake.segment)
            self.segments = tuple(sorted(by_start, key=lambda s: (s.first_valid_time, s.file)))
            self._keep(intake.segment.file, Run(intake.sifted.kept))

    def select(
        self, names: Sequence[str], start: int, end: int, instant: int, *, every_version: bool = False
    ) -> tuple[tuple[str, ...], Claims, npt.NDArray[np.intp]]:
        """Current claims of some series with valid_time in [start, end), as known at an instant [us].

        Returns:
            The known ones of the names, sorted; claims sorted by name, valid_time; the place of each claim's name.
        """
        wanted = tuple(sorted(name for name in set(names) if name in self.numbers))
        series = [self.numbers[name] for name in wanted]
        claims, rank = gather(self._runs(start, end, instant), series, start, end, instant)
        chosen, ranks = current(claims, rank, every_version=every_version)
        return wanted, chosen, ranks

    def first_valid_time(self, instant: int) -> int | None:
        """Smallest valid_time known at an instant [us]; None where nothing is known."""
        found = [earliest_valid_time(run.claims, instant) for run in self._hot.runs]
        for segment in self.segments:
            if segment.last_available_at <= instant:
                found.append(segment.first_valid_time)
            elif segment.first_available_at <= instant:
                found.append(earliest_valid_time(self._run_of(segment).claims, instant))
        return min((valid_time for valid_time in found if valid_time is not None), default=None)

    def hot_claims(self) -> Claims:
        """The claims of the log."""
        return concat([run.claims for run in self._hot.runs])

    def seal(self, before: int) -> int:
        """Move the log's claims with valid_time before an instant [us] into a segment; runs inside a transaction.

        The columns in memory are to be loaded anew afterwards.

        Returns:
            Number of claims in the segment.
        """
        claims = self.hot_claims()
        old = claims.take(claims.valid_time < before)
        if not len(old):
            return 0
        sealed = sift(no_claims(), old).kept
        segment = write_segment(self._store, self.kind, sealed, self._names(()))
        add_to_manifest(self._connection, segment)
        self._connection.execute(f"DELETE FROM {self.kind} WHERE valid_time < ?", (before,))
        return segment.rows

    def _names(self, new: Sequence[Label]) -> list[str]:
        return [label.name for label in (*self.labels, *new)]

    def _learn(self, labels: Sequence[Label]) -> None:
        for label in labels:
            self.numbers[label.name] = len(self.labels)
            self.labels.append(label)

    def _place(self, labels: Sequence[Label]) -> tuple[tuple[Label, ...], npt.NDArray[np.int32]]:
        """New labels, and the series number of each label."""
        new: dict[str, Label] = {}
        numbers = []
        for label in labels:
            number = self.numbers.get(label.name)
            known = new.setdefault(label.name, label) if number is None else self.labels[number]
            if known != label:
                raise BrokenInvariantError("a series changed what it is", asset=label.name, got=label, wanted=known)
            numbers.append(len(self.labels) + len(new) - 1 if number is None else number)
        return tuple(new.values()), np.array(numbers, dtype=np.int32)

    def _possible_twins(self, batch: Claims, newest: Int64s) -> Claims:
        """All claims that can share series and valid_time with a row of the batch."""
        old = batch.valid_time <= newest[batch.series]
        if not old.any():
            return no_claims()
        series, valid_time = np.unique(batch.series[old]).tolist(), batch.valid_time[old]
        start, end = int(valid_time.min()), int(valid_time.max()) + 1
        return gather(self._runs(start, end), series, start, end, 2**62)[0]

    def _write_series(self, labels: Sequence[Label], raised: Int64s, newest: Int64s) -> None:
        rows = [(self.kind, label.name, label.site, label.quantity, label.unit, NEVER) for label in labels]
        insert = "INSERT INTO series (kind, name, site, quantity, unit, newest) VALUES (?, ?, ?, ?, ?, ?)"
        self._connection.executemany(insert, rows)
        names = self._names(labels)
        changed = np.flatnonzero(raised > newest).tolist()
        moved = [(int(raised[number]), self.kind, names[number]) for number in changed]
        self._connection.executemany("UPDATE series SET newest = ? WHERE kind = ? AND name = ?", moved)

    def _append(self, claims: Claims) -> int:
        columns = [getattr(claims, field.name) for field in fields(claims)] + [claim_checksums(claims)]
        insert = f"INSERT INTO {self.kind} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._connection.executemany(insert, zip(*(column.tolist() for column in columns), strict=True))
        return int(self._connection.execute(f"SELECT max(seq) FROM {self.kind}").fetchone()[0])

    def _runs(self, start: int, end: int, instant: int = 2**62) -> list[Run]:
        """Runs that can hold claims with valid_time in [start, end) and available_at <= instant."""
        near = [s for s in self.segments if s.first_valid_time < end and s.last_valid_time >= start]
        known = [s for s in near if s.first_available_at <= instant]
        return [*(self._run_of(segment) for segment in known), *self._hot.runs]

    def _run_of(self, segment: Segment) -> Run:
        run = self._decoded.get(segment.file)
        if run is None:
            run = Run(read_segment(self._store, segment, self.numbers))
        self._keep(segment.file, run)
        return run

    def _keep(self, file: str, run: Run) -> None:
        """Keep a decoded segment as the newest used, and drop the longest unused ones over the limit."""
        self._decoded[file] = run
        self._decoded.move_to_end(file)
        rows = sum(len(kept.claims) for kept in self._decoded.values())
        while rows > CACHED_ROWS and len(self._decoded) > 1:
            rows -= len(self._decoded.popitem(last=False)[1].claims)


def _to_claims(rows: Sequence[tuple[object, ...]]) -> tuple[Claims, Int64s]:
    """Claims and checksums of rows of the log; a NULL value is NaN."""
    columns = list(zip(*rows, strict=True))
    series, quality = (_integers(columns[place]).astype(np.int32) for place in (0, 5))
    valid_time, version, available_at, checksums = (_integers(columns[place]) for place in (1, 2, 3, 6))
    if not all(isinstance(number, float | None) for number in columns[4]):
        raise StoreDamagedError("a row of the database holds what is no number", got=set(map(type, columns[4])))
    value = np.array(columns[4], dtype=np.float64)
    return Claims(series, valid_time, version, available_at, value, quality), checksums


def _integers(column: Sequence[object]) -> Int64s:
    """A column of the database; a type that the table does not allow can only come from damage."""
    if not all(isinstance(number, int) for number in column):
        raise StoreDamagedError("a row of the database holds what is no number", got=set(map(type, column)))
    return np.array(column, dtype=np.int64)

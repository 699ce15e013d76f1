"""Sealing: the writer moves its log into segments and merges these by itself, in a thread beside the taking in.

The thread only writes a file that no one knows of. The store names it in a transaction of its own, which takes what the
file replaces out of the log or the manifest: after a kill at any point either all of that is there or nothing, and a
file without a name is swept up later. Nothing that is asked of the store depends on when, or whether, it was sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from storage import hot, merging
from storage.claims import Claims
from storage.durable import make_folder
from storage.folder_lock import stays
from storage.history import History
from storage.merging import due_merge, merged
from storage.runs import HotRuns
from storage.segment_files import SegmentFiles
from storage.segments import SEGMENT_FOLDER, Segment, write_segment

HOT_LIMIT = 2
"""Times `HOT_ROWS` that the log may reach before the taking in waits for the sealing: 80 MB in memory."""

MERGE_BYTES = 64_000_000
"""Decoded row groups that a merge keeps: those that reach into the next window."""


@dataclass(frozen=True)
class Work:
    """A file that is being written to take the place of claims."""

    history: History
    """Whose claims."""

    generation: int
    """State of the manifest that it began from; another one makes the file worthless."""

    loads: int
    """How often the history had been loaded; a later load has put the claims back into the log."""

    replaced: tuple[Segment, ...]
    """Segments that it takes the place of; none for a sealing."""

    last_seq: int
    """Last blob of the log that it takes the place of; 0 for a merge."""

    rows: int
    """Claims that it takes the place of."""

    written: Future[Segment]
    """The file, once it is there."""

    lock: ExitStack
    """Keeps others from sweeping it up."""

    def is_of(self, generation: int) -> bool:
        """Nothing has been sealed or loaded since it began."""
        return (self.generation, self.loads) == (generation, self.history.loads)


class Sealer:
    """One thread that seals and merges for a store, one work after the other.

    Args:
        store: The store's directory.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._thread: ThreadPoolExecutor | None = None
        self._work: Work | None = None
        self._is_stopped = Event()

    def start(self, histories: Iterable[History], generation: int) -> bool:
        """Begin what is due, unless something is under way; sealing comes before merging."""
        if self._work is not None:
            return True
        waiting = list(histories)
        for history in waiting:
            if len(history.hot) >= merging.HOT_ROWS:
                self._begin_to_seal(history, generation)
                return True
        for history in waiting:
            if segments := due_merge(history.segments):
                self._begin_to_merge(history, generation, segments)
                return True
        return False

    def take(self, *, wait: bool) -> Work | None:
        """The work under way if its file is there, or when it is; the caller names the file or leaves it unnamed."""
        work = self._work
        if work is None or not (wait or work.written.done() or self._is_behind(work.history)):
            return None
        self._work = None
        return work

    def stop(self) -> None:
        """Break off what is under way; its file, if it came to one, is left to be swept up."""
        self._is_stopped.set()
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        if self._work is not None:
            self._work.lock.close()

    def _is_behind(self, history: History) -> bool:
        return len(history.hot) >= HOT_LIMIT * merging.HOT_ROWS

    def _begin_to_seal(self, history: History, generation: int) -> None:
        history.sealing, history.hot = history.hot, HotRuns()
        parts = history.sealing.parts()
        self._begin(history, generation, (), len(history.sealing), lambda: iter([merging.sealed(parts)]))

    def _begin_to_merge(self, history: History, generation: int, segments: tuple[Segment, ...]) -> None:
        files, rows = SegmentFiles(self._store, MERGE_BYTES), sum(segment.rows for segment in segments)
        self._begin(history, generation, segments, rows, lambda: merged(files, segments))

    def _begin(
        self,
        history: History,
        generation: int,
        replaced: tuple[Segment, ...],
        rows: int,
        pieces: Callable[[], Iterator[Claims]],
    ) -> None:
        folder, lock = self._store / SEGMENT_FOLDER, ExitStack()
        make_folder(folder)
        lock.enter_context(stays(folder))
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="sealing")
        written = self._thread.submit(self._write, history.kind, pieces, history.series.names)
        last_seq = 0 if replaced else history.last_seq
        self._work = Work(history, generation, history.loads, replaced, last_seq, rows, written, lock)

    def _write(self, kind: str, pieces: Callable[[], Iterator[Claims]], names: Sequence[str]) -> Segment:
        return write_segment(self._store, kind, self._unless_stopped(pieces()), names)

    def _unless_stopped(self, pieces: Iterator[Claims]) -> Iterator[Claims]:
        for piece in pieces:
            if self._is_stopped.is_set():
                raise InterruptedError("the store was closed")
            yield piece


def name(work: Work, segment: Segment) -> None:
    """Name a file in the manifest and take out what it replaces; runs inside a transaction."""
    history = work.history
    for replaced in work.replaced:
        history.connection.execute("DELETE FROM segment WHERE file = ?", (replaced.file,))
    if not work.replaced:
        hot.delete_through(history.connection, history.kind, work.last_seq)
    history.name_segments([segment])


def show(work: Work, segment: Segment) -> None:
    """Read from the new file from now on; its transaction is committed."""
    history, gone = work.history, {replaced.file for replaced in work.replaced}
    if not work.replaced:
        history.sealing = HotRuns()
    history.list_segments([*(s for s in history.segments if s.file not in gone), segment])


def put_back(work: Work) -> None:
    """Keep the claims in the log: their file can't be used. A load has done so already."""
    history = work.history
    if not work.replaced and work.loads == history.loads:
        for claims in history.sealing.parts():
            history.hot.add(claims)
        history.sealing = HotRuns()

"""Sealing: the writer moves its log into segments and merges these by itself, in threads beside the taking in.

A thread only writes a file that no one knows of. The store names it in a transaction of its own, which takes what the
file replaces out of the log or the manifest: after a kill at any point either all of that is there or nothing, and a
file without a name is swept up later. Nothing that is asked of the store depends on when, or whether, it was sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from storage import merging
from storage.claims import Claims
from storage.history import History
from storage.merging import due_merge, mergeable, merged
from storage.runs import HotRuns
from storage.segment_files import SegmentFiles
from storage.segments import Segment, write_segment

HOT_LIMIT = 3
"""Times `HOT_ROWS` that the log may reach before the taking in waits for the sealing: 120 MB in memory."""

SEGMENT_LIMIT = 48
"""Segments that may wait for merging before the taking in waits for it."""

MERGE_BYTES = 64_000_000
"""Decoded row groups that a merge keeps: those that reach into the next window."""


@dataclass(frozen=True)
class Work:
    """A file that is being written to take the place of claims."""

    history: History
    """Whose claims."""

    loads: int
    """How often the history had been loaded: another process's sealing makes it load again, and the file worthless."""

    replaced: tuple[Segment, ...]
    """Segments that it takes the place of; none for a sealing."""

    last_seq: int
    """Last blob of the log that it takes the place of; 0 for a merge."""

    rows: int
    """Claims that it takes the place of."""

    written: Future[Segment]
    """The file, once it is there."""

    @property
    def is_wanted(self) -> bool:
        """The claims are still where they were when it began."""
        return self.loads == self.history.loads


class Sealer:
    """Two threads for a store, one that seals and one that merges: a long merge holds up no sealing.

    Args:
        store: The store's directory.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._threads: ThreadPoolExecutor | None = None
        self._seal: Work | None = None
        self._merge: Work | None = None
        self._is_stopped = Event()

    def start(self, histories: Sequence[History]) -> bool:
        """Begin what is due and not under way; gives whether anything is under way."""
        for history in histories:
            if self._seal is None and len(history.hot) >= merging.HOT_ROWS:
                self._seal = self._sealing(history)
            if self._merge is None and (segments := due_merge(history.segments)):
                self._merge = self._merging(history, segments)
        return self._seal is not None or self._merge is not None

    def take(self, histories: Sequence[History], *, wait: bool) -> Work | None:
        """A work that is done, or is to be waited for; the caller names its file or leaves it unnamed."""
        is_full = any(len(history.hot) >= HOT_LIMIT * merging.HOT_ROWS for history in histories)
        if self._seal is not None and (wait or is_full or self._seal.written.done()):
            taken, self._seal = self._seal, None
            return taken
        are_many = any(len(mergeable(history.segments)) >= SEGMENT_LIMIT for history in histories)
        if self._merge is not None and (wait or are_many or self._merge.written.done()):
            taken, self._merge = self._merge, None
            return taken
        return None

    def stop(self) -> None:
        """Break off what is under way; its file, if it came to one, is left to be swept up."""
        self._is_stopped.set()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def _sealing(self, history: History) -> Work:
        history.sealing, history.hot = history.hot, HotRuns()
        parts = history.sealing.parts()
        written = self._submit(history, lambda: iter([merging.sealed(parts)]))
        return Work(history, history.loads, (), history.last_seq, len(history.sealing), written)

    def _merging(self, history: History, segments: tuple[Segment, ...]) -> Work:
        files = SegmentFiles(self._store, MERGE_BYTES)
        written = self._submit(history, lambda: merged(files, segments))
        return Work(history, history.loads, segments, 0, sum(segment.rows for segment in segments), written)

    def _submit(self, history: History, pieces: Callable[[], Iterator[Claims]]) -> Future[Segment]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(2, thread_name_prefix="sealing")
        names = history.series.names
        return self._threads.submit(
            lambda: write_segment(self._store, history.kind, self._unless_stopped(pieces()), names)
        )

    def _unless_stopped(self, pieces: Iterator[Claims]) -> Iterator[Claims]:
        for piece in pieces:
            if self._is_stopped.is_set():
                raise InterruptedError("the store was closed")
            yield piece

"""Check: does the store hold what it says it holds? Checksums, conservation of readings, decisions as they were made.

A check finds and repairs nothing, and opens the store to read alone: what is damaged is the operator's to judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from gridcore.errors import BadInputError, StoreDamagedError
from storage.altered import Finding, altered, unconserved
from storage.claims import no_claims, sift
from storage.database import DATABASE_FILE, connect_to_read, told_apart
from storage.embedded import OFFICIAL_ROWS, EmbeddedStore
from storage.folder_lock import stays
from storage.merging import windows
from storage.sealing import MERGE_BYTES
from storage.segment_files import SegmentFiles
from storage.segments import SEGMENT_FOLDER, verify_segment


def check(path: Path) -> list[Finding]:
    """All contradictions in the store of a directory; empty where it is sound.

    Raises:
        BadInputError: There is no store.
        StoreDamagedError: The database is so damaged that it can't be asked.
    """
    if not (path / DATABASE_FILE).is_file():
        raise BadInputError("no store", file=path, wanted=f"a directory with {DATABASE_FILE}")
    # The file is looked at before the store is opened, which reads all of it.
    found = list(_damaged_pages(path))
    if found:
        return found
    # One state of the store, whose files stay, while another process goes on writing.
    with closing(EmbeddedStore(path, is_read_only=True)) as store, stays(path / SEGMENT_FOLDER), store.snapshot():
        store.refresh()
        found += _damaged_segments(store)
        # What the segments hold can be counted only where they are whole.
        found += [] if found else _unconserved(store)
        return [*found, *altered(store)]


def _damaged_pages(path: Path) -> Iterator[Finding]:
    with told_apart(path), closing(connect_to_read(path)) as connection:
        for (line,) in connection.execute("PRAGMA integrity_check"):
            if line != "ok":
                yield Finding(f"database {path / DATABASE_FILE}", line, "ok")


def _damaged_segments(store: EmbeddedStore) -> list[Finding]:
    found = []
    for segment in (*store.readings.segments, *store.official.segments):
        try:
            verify_segment(store.path, segment)
        except StoreDamagedError as damage:
            found.append(Finding(f"{damage.what}, {damage.file}", damage.got, damage.wanted))
    return found


def _unconserved(store: EmbeddedStore) -> Iterator[Finding]:
    """Counts of what came against what is there."""
    claims = cells = 0
    history = store.readings
    for piece in windows(SegmentFiles(store.path, MERGE_BYTES), history.segments, history.hot_claims()):
        found = sift(no_claims(), piece)
        cells += found.stored
        claims += found.stored + found.revised + found.conflict
    tally = dict(store.rows("SELECT name, amount FROM tally"))
    return unconserved(store, tally, claims=claims, cells=cells, official=store.rows(OFFICIAL_ROWS)[0][0])

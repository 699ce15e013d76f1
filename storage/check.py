"""Check: does the store hold what it says it holds? Checksums, conservation of readings, decisions as they were made.

A check finds and repairs nothing, and opens the store to read alone: what is damaged is the operator's to judge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gridcore.errors import BadInputError, StoreDamagedError
from storage.analysis import analysis_of
from storage.checksums import content_checksum, row_checksum
from storage.columns import instant_of
from storage.database import DATABASE_FILE, connect_to_read, told_apart
from storage.documents import Document, content_sha256
from storage.embedded import OFFICIAL_ROWS, EmbeddedStore
from storage.segments import verify_segment


@dataclass(frozen=True)
class Finding:
    """One contradiction."""

    what: str
    """What is wrong, with the place and the instant."""

    got: object
    """What is there."""

    wanted: object
    """What should be."""

    def __str__(self) -> str:
        """One line."""
        return f"{self.what}: got {self.got}; wanted {self.wanted}"


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
    with closing(EmbeddedStore(path, is_read_only=True)) as store:
        found += _damaged_segments(store)
        # What the segments hold can be counted only where they are whole.
        found += [] if found else _unconserved(store)
        return [*found, *_altered_rows(store), *_altered_decisions(store), *_altered_models(store)]


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
    tally = dict(store.rows("SELECT name, amount FROM tally"))
    received, stored, duplicate, revised, conflict, letters = (
        tally.get(name, 0) for name in ("received", "stored", "duplicate", "revised", "conflict", "dead_letter")
    )
    with analysis_of(store) as analysis:
        claims, cells = analysis.execute("SELECT count(*), count(*) FILTER (place = 1) FROM reading").fetchall()[0]
    kept_letters = store.rows("SELECT count(*) FROM dead_letter")[0][0]
    laws = [
        ("readings received", stored + duplicate + revised + conflict + letters, received),
        ("readings current", cells, stored),
        ("readings revised or in conflict", claims - cells, revised + conflict),
        ("dead letters", kept_letters, letters),
        ("rows of official values", store.rows(OFFICIAL_ROWS)[0][0], tally.get("official", 0)),
    ]
    yield from (Finding(what, got, wanted) for what, got, wanted in laws if got != wanted)


def _altered_rows(store: EmbeddedStore) -> Iterator[Finding]:
    """Outages, offsets and receipts that are not those that were written."""
    tables = {"outage": "asset, begins, ends, available_at", "source_offset": "source, next_offset"}
    tables["receipt"] = "key, body_sha256, received_at, answer"
    for table, columns in tables.items():
        for *row, checksum in store.rows(f"SELECT {columns}, checksum FROM {table}"):
            if (found := row_checksum(row)) != checksum:
                yield Finding(f"checksum of {table.replace('_', ' ')} {row}", found, checksum)


def _altered_decisions(store: EmbeddedStore) -> Iterator[Finding]:
    """Decisions whose documents, messages or checkpoint are not those that were published."""
    query = """SELECT d.kind, d.place, coalesce(message_id, ''), layer, content, checksum
               FROM document d LEFT JOIN outbox USING (issue_time, kind, place)
               WHERE d.issue_time = ? ORDER BY d.kind, d.place"""
    for issue_time, sha256, checkpoint in store.rows("SELECT issue_time, sha256, checkpoint FROM decision"):
        rows = store.rows(query, (issue_time,))
        at = instant_of(issue_time).isoformat()
        got = content_sha256(instant_of(issue_time), [Document(*row[:-1]) for row in rows], checkpoint)
        if got != sha256:
            yield Finding(f"decision of {at}", got, sha256)
        for *_, content, checksum in rows:
            if content_checksum(content) != checksum:
                yield Finding(f"checksum of a document of {at}", checksum, content_checksum(content))


def _altered_models(store: EmbeddedStore) -> Iterator[Finding]:
    for name, fitted_as_of, sha256, payload in store.rows("SELECT name, fitted_as_of, sha256, payload FROM model"):
        got = hashlib.sha256(payload).hexdigest()
        if got != sha256:
            yield Finding(f"model {name} fitted as of {instant_of(fitted_as_of).isoformat()}", got, sha256)

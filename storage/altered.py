"""What a check finds in any store with a database: counts that do not agree, and rows that are not those written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from storage.checksums import content_checksum, row_checksum
from storage.columns import instant_of
from storage.documents import Document, content_sha256
from storage.sql import Sql


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


def unconserved(store: Sql, tally: Mapping[str, int], *, claims: int, cells: int, official: int) -> Iterator[Finding]:
    """Counts of what came against what is there.

    Args:
        store: Holds the dead letters.
        tally: Sums of the counts of all batches.
        claims: Readings there are, each value of a version once.
        cells: (channel, valid_time) there are.
        official: Rows of official values there are.
    """
    received, stored, duplicate, revised, conflict, letters = (
        tally.get(name, 0) for name in ("received", "stored", "duplicate", "revised", "conflict", "dead_letter")
    )
    kept_letters = store.rows("SELECT count(*) FROM dead_letter")[0][0]
    laws = [
        ("readings received", stored + duplicate + revised + conflict + letters, received),
        ("readings current", cells, stored),
        ("readings revised or in conflict", claims - cells, revised + conflict),
        ("dead letters", kept_letters, letters),
        ("rows of official values", official, tally.get("official", 0)),
    ]
    yield from (Finding(what, got, wanted) for what, got, wanted in laws if got != wanted)


def altered(store: Sql) -> list[Finding]:
    """Outages, offsets, receipts, decisions and models that are not those that were written."""
    return [*_altered_rows(store), *_altered_decisions(store), *_altered_models(store)]


def _altered_rows(store: Sql) -> Iterator[Finding]:
    """Outages, offsets and receipts that are not those that were written."""
    tables = {"outage": "asset, begins, ends, available_at", "source_offset": "source, next_offset"}
    tables["receipt"] = "key, body_sha256, received_at, answer"
    for table, columns in tables.items():
        for *row, checksum in store.rows(f"SELECT {columns}, checksum FROM {table}"):
            if (found := row_checksum(row)) != checksum:
                yield Finding(f"checksum of {table.replace('_', ' ')} {row}", found, checksum)


def _altered_decisions(store: Sql) -> Iterator[Finding]:
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


def _altered_models(store: Sql) -> Iterator[Finding]:
    for name, fitted_as_of, sha256, payload in store.rows("SELECT name, fitted_as_of, sha256, payload FROM model"):
        got = hashlib.sha256(payload).hexdigest()
        if got != sha256:
            yield Finding(f"model {name} fitted as of {instant_of(fitted_as_of).isoformat()}", got, sha256)

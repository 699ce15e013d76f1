"""The embedded store: a directory with a SQLite database and Parquet segments; no server.

One process writes, others may read meanwhile. All of a step is one transaction: rows, dead letters and the next offset
of a batch; forecasts, plans, setpoints, checkpoint and outbox of a decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from gridcore.errors import StoreConflictError
from gridcore.ports import Batch, Counts, DeadLetter, Decision, Known, Receipt, RegisteredModel
from storage.columns import arrived_official, arrived_readings, micros
from storage.counting import amounts, count
from storage.database import connect, connect_to_read, told_apart, written
from storage.documents import Document, content_sha256, documents_of
from storage.history import History
from storage.known import StoreKnown
from storage.receipts import write_receipt
from storage.small_tables import (
    SmallTables,
    demand_same_decision,
    demand_same_model,
    document_rows,
    model_row,
    outbox_rows,
    two_plans,
)
from storage.upkeep import Upkeep


class EmbeddedStore(SmallTables):
    """What was known, and when, in a directory.

    Args:
        path: The store's directory; made where there is none.
        synchronous: SQLite's setting: NORMAL survives `kill -9`, FULL a loss of power as well (see `storage.database`).
        is_read_only: No file is changed; there must be a store.

    Raises:
        BadInputError: The store was made by another version.
        StoreDamagedError: The database can't be read.
    """

    def __init__(self, path: Path, *, synchronous: str = "NORMAL", is_read_only: bool = False) -> None:
        super().__init__()
        self.path = path
        self._connection = connect_to_read(path) if is_read_only else connect(path, synchronous=synchronous)
        self._upkeep = Upkeep(self, self._connection)
        try:
            # One snapshot: a commit between the columns and the number that dates them would never be seen.
            with told_apart(path), self.snapshot():
                self._generation, self._data_version = self._read_generation(), self._read_data_version()
                self.readings = History(self._connection, path, "reading", self.reload)
                self.official = History(self._connection, path, "official", self.reload)
        except BaseException:
            self._connection.close()
            raise

    def accept(self, batch: Batch, dead_letters: Sequence[DeadLetter], receipt: Receipt | None = None) -> Counts:
        """Keep a checked batch in one transaction.

        Letters of `batch.undecodable` that are not among `dead_letters` are kept as well.

        Raises:
            StoreConflictError: The batch does not start at the store's offset of its source, or the receipt is kept.
            NoSpaceError: The disk is full; nothing of the batch was kept.
            BrokenInvariantError: A row lacks a key, or a channel changed its site, quantity or unit.
        """
        letters = tuple(dict.fromkeys([*batch.undecodable, *dead_letters]))
        self._upkeep.settle()
        with self.transaction():
            self._move_offset(batch)
            readings = self.readings.write(arrived_readings(batch.readings))
            official = self.official.write(arrived_official(batch.official))
            self._write_outages(batch.outages)
            self._write_letters(letters)
            counts = count(batch, letters, readings.sifted)
            self.add_to_tally({"official": len(official.sifted.kept)} | amounts(counts))
            if receipt is not None:
                write_receipt(self.rows, receipt, counts)
        self.readings.take_over(readings)
        self.official.take_over(official)
        self._upkeep.begin()
        return counts

    def known_at(self, instant: datetime) -> Known:
        """The only door to history."""
        return StoreKnown(self, instant)

    def register(self, model: RegisteredModel) -> None:
        """Keep a fitted model; the same name and instant with equal payload is a no-op.

        Raises:
            BrokenInvariantError: Another model has that name and instant.
        """
        row = model_row(model)
        with self.transaction():
            query = "SELECT model_id, payload FROM model WHERE name = ? AND fitted_as_of = ?"
            if found := self._connection.execute(query, row[:2]).fetchone():
                demand_same_model(found, model)
                return
            self._connection.execute("INSERT INTO model VALUES (?, ?, ?, ?, ?)", row)

    def publish(self, decision: Decision) -> None:
        """Keep a decision and its outbox messages in one transaction; publishing it again is a no-op.

        Raises:
            BrokenInvariantError: Another decision of that issue time was published, or another plan of one's name.
        """
        documents, issue_time = documents_of(decision), micros(decision.issue_time)
        sha256 = content_sha256(decision.issue_time, documents, decision.checkpoint)
        with self.transaction():
            query = "SELECT sha256 FROM decision WHERE issue_time = ?"
            if found := self._connection.execute(query, (issue_time,)).fetchone():
                demand_same_decision(found[0], sha256, decision)
                return
            row = (issue_time, sha256, decision.checkpoint)
            self._connection.execute("INSERT INTO decision VALUES (?, ?, ?)", row)
            self._write_documents(issue_time, documents)

    def seal(self, before: datetime) -> int:
        """Move readings and official values of periods before an instant into segments, and merge the small ones.

        Files that a broken write or a merge left behind are swept up.

        Returns:
            Number of readings in the new segment.
        """
        return self._upkeep.seal(micros(before))

    def close(self) -> None:
        """Release files and connections; a sealing under way is broken off."""
        self._upkeep.stop()
        self._connection.close()

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query on the database; for the other files of this room."""
        with told_apart(self.path):
            return self._connection.execute(query, values).fetchall()

    def execute(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        """Run a statement for each of the values in one transaction; for the other files of this room."""
        with self.transaction():
            self._connection.executemany(statement, values)

    def refresh(self, *, anew: bool = False) -> None:
        """Bring the columns in memory up to what other processes have committed."""
        if self._read_data_version() == self._data_version and not anew:
            return
        with told_apart(self.path), self.snapshot():
            data_version, generation = self._read_data_version(), self._read_generation()
            for history in self.histories:
                history.catch_up() if generation == self._generation and not anew else history.load()
        self._generation, self._data_version = generation, data_version

    def reload(self) -> None:
        """Read the columns in memory anew."""
        self.refresh(anew=True)

    @property
    def histories(self) -> tuple[History, History]:
        """Readings and official values."""
        return self.readings, self.official

    def count_own_sealing(self) -> None:
        """The manifest changed by our own hand: nothing is to be loaded."""
        self._generation += 1

    def add_to_tally(self, amounts: dict[str, int]) -> None:
        """Add to the sums of all that came; inside a transaction."""
        self._connection.executemany(_ADD_TO_TALLY, [(name, amount) for name, amount in amounts.items() if amount])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A write transaction on what all processes have committed so far; series that it brings go with it."""
        known: list[int] | None = None
        try:
            with written(self._connection, self.path):
                self.refresh()
                known = [len(history.series) for history in self.histories]
                yield
        except BaseException:
            for history, count_before in zip(self.histories, known or (), strict=known is not None):
                history.series.forget_after(count_before)
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """One state of the database for several queries."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    def _read_generation(self) -> int:
        found = self.rows("SELECT amount FROM tally WHERE name = 'generation'")
        return int(found[0][0]) if found else 0

    def _read_data_version(self) -> int:
        """A number that changes when another connection has committed."""
        return int(self.rows("PRAGMA data_version")[0][0])

    def _move_offset(self, batch: Batch) -> None:
        expected = self.offsets().get(batch.source, 0)
        if batch.start_offset != expected:
            what = "a batch does not start where its source stands"
            raise StoreConflictError(what, file=batch.source, got=batch.start_offset, wanted=expected)
        replace = "INSERT OR REPLACE INTO source_offset VALUES (?1, ?2, row_checksum(?1, ?2))"
        self._connection.execute(replace, (batch.source, batch.next_offset))

    def _write_outages(self, outages: pa.Table) -> None:
        rows = [
            (r["asset"], micros(r["from"]), micros(r["until"]), micros(r["available_at"])) for r in outages.to_pylist()
        ]
        earliest = """ON CONFLICT DO UPDATE SET available_at = excluded.available_at, checksum = excluded.checksum
                      WHERE excluded.available_at < available_at"""
        insert = "INSERT INTO outage VALUES (?1, ?2, ?3, ?4, row_checksum(?1, ?2, ?3, ?4))"
        self._connection.executemany(f"{insert} {earliest}", rows)

    def _write_letters(self, letters: Sequence[DeadLetter]) -> None:
        rows = [(micros(le.available_at), le.source, le.offset, le.reason, le.detail, le.payload) for le in letters]
        columns = "available_at, source, source_offset, reason, detail, payload"
        self._connection.executemany(f"INSERT INTO dead_letter ({columns}) VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _write_documents(self, issue_time: int, documents: Sequence[Document]) -> None:
        rows = document_rows(issue_time, documents)
        self._connection.executemany("INSERT INTO document VALUES (?, ?, ?, ?, ?, ?)", rows)
        insert = "INSERT OR IGNORE INTO outbox (message_id, topic, issue_time, kind, place) VALUES (?, ?, ?, ?, ?)"
        for message in outbox_rows(issue_time, documents):
            if self._connection.execute(insert, message).rowcount == 0:
                raise two_plans(issue_time, message[0])


OFFICIAL_ROWS = """SELECT (SELECT coalesce(sum(rows), 0) FROM hot WHERE kind = 'official')
                   + (SELECT coalesce(sum(rows), 0) FROM segment WHERE kind = 'official')"""
"""Number of rows of official values, in the log and in segments."""

_ADD_TO_TALLY = "INSERT INTO tally VALUES (?, ?) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount"

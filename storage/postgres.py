"""The PostgreSQL store: the same knowledge as the embedded one, on a server that many processes share.

Each step is one transaction. A batch takes its locks in one order, so that no two writers wait for each other in a
ring: its source's offset, months to be made, series to be numbered, the series it brings values of.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from gridcore.clock import Clock
from gridcore.errors import StoreConflictError
from gridcore.ports import Batch, Counts, DeadLetter, Decision, Known, Receipt, RegisteredModel
from storage.checksums import row_checksum
from storage.columns import arrived_official, arrived_readings, micros
from storage.counting import count
from storage.documents import Document, content_sha256, documents_of
from storage.known import StoreKnown
from storage.postgres_history import PostgresHistory
from storage.postgres_schema import open_tables
from storage.postgres_series import lock_series
from storage.postgres_session import PATIENCE_S, Session
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

TALLIED = ("received", "stored", "duplicate", "revised", "conflict")
"""Counts of readings that `check` holds against what is there."""


class PostgresStore(SmallTables):
    """What was known, and when, in a PostgreSQL database.

    One object belongs to one thread; any number of them, in any process, may work on one database. Each source has one
    owner at a time: who comes second is refused by its offset.

    Args:
        url: Address, `postgresql://user@host:port/database`; libpq's parameters may follow.
        patience_s: How long a lost server is waited for, at each step [s].
        clock: Waits between two tries to connect.
        must_exist: Make no tables where there are none.

    Raises:
        StoreUnreachableError: The server does not answer.
        BadInputError: It refuses the connection, or the tables are another version's.
    """

    def __init__(
        self, url: str, *, patience_s: float = PATIENCE_S, clock: Clock | None = None, must_exist: bool = False
    ) -> None:
        super().__init__()
        self.session = Session(url, patience_s=patience_s, clock=clock)
        try:
            open_tables(self.session, must_exist=must_exist)
        except BaseException:
            self.session.close()
            raise
        self.readings, self.official = (PostgresHistory(self.session, kind) for kind in ("reading", "official"))

    def accept(self, batch: Batch, dead_letters: Sequence[DeadLetter], receipt: Receipt | None = None) -> Counts:
        """Keep a checked batch in one transaction.

        Letters of `batch.undecodable` that are not among `dead_letters` are kept as well.

        Raises:
            StoreConflictError: The batch does not start at the store's offset of its source, or the receipt is kept.
            StoreUnreachableError: The server was lost; `offsets` tells whether the batch was kept.
            NoSpaceError: The server's disk is full; nothing of the batch was kept.
            BrokenInvariantError: A row lacks a key, or a channel changed its site, quantity or unit.
        """
        letters = tuple(dict.fromkeys([*batch.undecodable, *dead_letters]))
        histories = self.official, self.readings
        arrived = arrived_official(batch.official), arrived_readings(batch.readings)
        with self.session.transaction():
            self._move_offset(batch)
            for history, brought in zip(histories, arrived, strict=True):
                history.make_months(brought)
            official, readings = (h.number(brought) for h, brought in zip(histories, arrived, strict=True))
            lock_series(self.session, [official.series, readings.series])
            given, sifted = self.official.write(official), self.readings.write(readings)
            self._write_outages(batch.outages)
            self._write_letters(letters)
            counts = count(batch, letters, sifted)
            self._write_tally(batch.source, counts, len(given.kept))
            if receipt is not None:
                write_receipt(self.session.rows, receipt, counts)
        for history in histories:
            history.keep()
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
        with self.session.transaction():
            self.session.run("INSERT INTO model VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row)
            query = "SELECT model_id, payload FROM model WHERE name = ? AND fitted_as_of = ?"
            demand_same_model(self.session.rows(query, row[:2])[0], model)

    def publish(self, decision: Decision) -> None:
        """Keep a decision and its outbox messages in one transaction; publishing it again is a no-op.

        Raises:
            BrokenInvariantError: Another decision of that issue time was published, or another plan of one's name.
        """
        documents, issue_time = documents_of(decision), micros(decision.issue_time)
        sha256 = content_sha256(decision.issue_time, documents, decision.checkpoint)
        with self.session.transaction():
            insert = "INSERT INTO decision VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1"
            if self.session.rows(insert, (issue_time, sha256, decision.checkpoint)):
                self._write_documents(issue_time, documents)
                return
            found = self.session.rows("SELECT sha256 FROM decision WHERE issue_time = ?", (issue_time,))[0][0]
            demand_same_decision(found, sha256, decision)

    def close(self) -> None:
        """Release the connection."""
        self.session.close()

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query that changes nothing; for the other files of this room."""
        return self.session.rows(query, values)

    def execute(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        """Run a statement for each of the values in one transaction; for the other files of this room."""
        with self.session.transaction():
            self.session.run_each(statement, values)

    def refresh(self) -> None:
        """Nothing is kept in memory that another process could change."""

    def _move_offset(self, batch: Batch) -> None:
        """Compare and set: of two owners of a source one waits here for the other, and is refused then."""
        moved = (batch.next_offset, row_checksum((batch.source, batch.next_offset)))
        expected = (batch.start_offset, row_checksum((batch.source, batch.start_offset)))
        update = """UPDATE source_offset SET next_offset = ?, checksum = ?
                    WHERE source = ? AND next_offset = ? AND checksum = ? RETURNING 1"""
        if self.session.rows(update, (*moved, batch.source, *expected)):
            return
        if batch.start_offset == 0:
            insert = "INSERT INTO source_offset VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1"
            if self.session.rows(insert, (batch.source, *moved)):
                return
        what, stands_at = "a batch does not start where its source stands", self.offsets().get(batch.source, 0)
        raise StoreConflictError(what, file=batch.source, got=batch.start_offset, wanted=stands_at)

    def _write_outages(self, outages: pa.Table) -> None:
        rows = sorted(
            (r["asset"], micros(r["from"]), micros(r["until"]), micros(r["available_at"])) for r in outages.to_pylist()
        )
        insert = """INSERT INTO outage VALUES (?, ?, ?, ?, ?) ON CONFLICT (asset, begins, ends)
                    DO UPDATE SET available_at = excluded.available_at, checksum = excluded.checksum
                    WHERE excluded.available_at < outage.available_at"""
        self.session.run_each(insert, [(*row, row_checksum(row)) for row in rows])

    def _write_letters(self, letters: Sequence[DeadLetter]) -> None:
        columns = {
            "available_at": pa.array([micros(letter.available_at) for letter in letters], pa.int64()),
            "source": pa.array([letter.source for letter in letters], pa.string()),
            "source_offset": pa.array([letter.offset for letter in letters], pa.int64()),
            "reason": pa.array([letter.reason for letter in letters], pa.string()),
            # The one character that PostgreSQL's text does not take; the payload has it as it came.
            "detail": pa.array([letter.detail.replace("\0", "\\0") for letter in letters], pa.string()),
            "payload": pa.array([letter.payload for letter in letters], pa.binary()),
        }
        self.session.copy("dead_letter", pa.table(columns))

    def _write_tally(self, source: str, counts: Counts, official: int) -> None:
        amounts = {name: getattr(counts, name) for name in TALLIED}
        amounts |= {"dead_letter": sum(counts.dead_letters.values()), "official": official}
        insert = """INSERT INTO tally VALUES (?, ?, ?) ON CONFLICT (source, name)
                    DO UPDATE SET amount = tally.amount + excluded.amount"""
        self.session.run_each(insert, [(source, name, amount) for name, amount in amounts.items() if amount])

    def _write_documents(self, issue_time: int, documents: Sequence[Document]) -> None:
        self.session.run_each("INSERT INTO document VALUES (?, ?, ?, ?, ?, ?)", document_rows(issue_time, documents))
        insert = """INSERT INTO outbox (message_id, topic, issue_time, kind, place) VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT DO NOTHING RETURNING 1"""
        for message in outbox_rows(issue_time, documents):
            if not self.session.rows(insert, message):
                raise two_plans(issue_time, message[0])

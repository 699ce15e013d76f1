"""Receipts of pushed requests, kept in the transaction of their batch; the same statements on both databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gridcore.errors import StoreConflictError
from gridcore.ports import RECEIPTS_KEPT, Counts, Receipt
from storage.checksums import row_checksum, verify_rows
from storage.columns import instant_of, micros

Rows = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
"""Rows that a statement gives, with a question mark for each value."""


def write_receipt(rows: Rows, receipt: Receipt, counts: Counts) -> None:
    """Keep a receipt with its batch's counts for an answer, and forget those that are too old.

    Args:
        rows: Runs a statement within the batch's transaction.
        receipt: Its own answer is passed over.
        counts: What became of the batch.

    Raises:
        StoreConflictError: Its key is kept already.
    """
    rows("DELETE FROM receipt WHERE received_at < ? RETURNING 1", (micros(receipt.received_at - RECEIPTS_KEPT),))
    row = (receipt.key, receipt.body_sha256, micros(receipt.received_at), counts.to_json())
    insert = "INSERT INTO receipt VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1"
    if not rows(insert, (*row, row_checksum(row))):
        raise StoreConflictError("a request is kept already", got=receipt.key, wanted="a key that is new")


def read_receipt(rows: Rows, key: str) -> Receipt | None:
    """The receipt of a key; None where there is none.

    Raises:
        StoreDamagedError: It is not the one that was written.
    """
    columns = "key, body_sha256, received_at, answer, checksum"
    found = rows(f"SELECT {columns} FROM receipt WHERE key = ?", (key,))
    if not found:
        return None
    row = (*found[0][:3], bytes(found[0][3]), found[0][4])
    verify_rows("a receipt", [row])
    return Receipt(row[0], row[1], instant_of(row[2]), row[3])

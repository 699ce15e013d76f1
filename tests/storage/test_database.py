"""What the database's errors mean: damage only where the file's content is wrong; a bug of ours is not."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gridcore.errors import NoSpaceError, StoreConflictError, StoreDamagedError
from storage import database
from storage.database import told_apart
from storage.embedded import EmbeddedStore
from tests.contracts.store_content import decision


def test_a_store_that_was_closed_is_not_called_damaged(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    store.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        store.offsets()


@pytest.mark.parametrize("statement", ["SELEC 1", "SELECT ?", "INSERT INTO tally VALUES ('a', 1), ('a', 2)"])
def test_a_statement_that_is_wrong_is_a_bug_of_ours(tmp_path: Path, statement: str) -> None:
    with closing(EmbeddedStore(tmp_path)) as store, pytest.raises(sqlite3.Error):
        store.rows(statement)


@pytest.mark.parametrize("harm", ["DROP TABLE tally", "ALTER TABLE tally RENAME COLUMN amount TO other"])
def test_tables_that_lack_what_was_put_there_are_damaged(tmp_path: Path, harm: str) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        store.rows(harm)
    with pytest.raises(StoreDamagedError, match="damaged") as caught:
        EmbeddedStore(tmp_path)
    assert caught.value.exit_code == 4


def test_a_full_disk_is_five_and_a_lock_is_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoSpaceError) as full, told_apart(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert full.value.exit_code == 5
    with closing(EmbeddedStore(tmp_path)) as store:
        store.rows(f"PRAGMA max_page_count = {store.rows('PRAGMA page_count')[0][0]}")
        with pytest.raises(NoSpaceError, match="full"):
            store.publish(decision(0, checkpoint=bytes(100_000)))
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    with closing(EmbeddedStore(tmp_path)) as first, closing(EmbeddedStore(tmp_path)) as second:
        first.rows("BEGIN IMMEDIATE")
        with pytest.raises(StoreConflictError, match="another process keeps the store locked") as locked:
            second.publish(decision(15))
        assert locked.value.exit_code == 2
        first.rows("ROLLBACK")

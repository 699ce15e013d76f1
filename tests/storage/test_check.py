"""A check leaves every file as it is, and finds what was altered in small tables too; migration begins with what is."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gridcore.errors import BadInputError, StoreDamagedError
from storage import maintenance
from storage.check import check
from storage.embedded import EmbeddedStore
from tests.contracts.store_content import (
    LONG_AGO,
    NEVER_REACHED,
    answers,
    batch,
    decision,
    minutes,
    official,
    reading,
)
from tests.contracts.store_content import outage as out


def filled(path: Path) -> EmbeddedStore:
    """Official values, one of which came again earlier than known, an outage reported twice, a reading, a decision."""
    store = EmbeddedStore(path)
    values = [official("W1", 60 * hour, float(hour), 0, 5) for hour in range(4)]
    store.accept(batch(0, [reading("1/load", 0, 5.0, 6)], values, [out("W1", 0, 60, 9)]), ())
    store.accept(batch(1, (), [official("W1", 0, 0.0, 0, 3)], [out("W1", 0, 60, 7), out("W1", 0, 60, 8)]), ())
    store.publish(decision(0))
    return store


def files_of(path: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and time of change of each file; SQLite's shared index of the log is no content."""
    kept = [file for file in sorted(path.rglob("*")) if file.is_file() and file.suffix != ".sqlite-shm"]
    return {str(file.relative_to(path)): (file.read_bytes(), file.stat().st_mtime_ns) for file in kept}


def test_a_check_changes_no_file_not_even_the_log_of_a_killed_process(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        _open = filled(tmp_path)
        os._exit(0)
    os.waitpid(child, 0)
    before = files_of(tmp_path)
    assert len(before["store.sqlite-wal"][0]) > 0
    assert check(tmp_path) == []
    assert files_of(tmp_path) == before


def test_a_store_opened_to_read_can_not_be_written(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as store:
        before = answers(store.known_at(NEVER_REACHED))
    with closing(EmbeddedStore(tmp_path, is_read_only=True)) as store:
        assert answers(store.known_at(NEVER_REACHED)) == before
        with pytest.raises(BadInputError, match="written"):
            store.publish(decision(15))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("DELETE FROM hot WHERE seq = 3", "rows of official values: got 4; wanted 5"),
        ("INSERT INTO hot SELECT 99, 'official', rows, checksum, content FROM hot WHERE seq = 1", "other bytes"),
        ("UPDATE outage SET ends = ends + 1", "checksum of outage"),
        ("UPDATE source_offset SET next_offset = 0", "checksum of source offset"),
    ],
)
def test_official_values_outages_and_offsets_are_checked(tmp_path: Path, harm: str, words: str) -> None:
    with closing(filled(tmp_path)) as store:
        store.rows(harm)
    try:
        found = "\n".join(str(finding) for finding in check(tmp_path))
    except StoreDamagedError as damage:
        found = str(damage)
    assert words in found


@pytest.mark.parametrize(
    ("harm", "question"),
    [
        ("UPDATE outage SET begins = begins + 1", lambda s: s.known_at(NEVER_REACHED).outages(LONG_AGO, NEVER_REACHED)),
        ("UPDATE source_offset SET next_offset = 0", lambda s: s.offsets()),
        ("UPDATE source_offset SET next_offset = 0", lambda s: s.accept(batch(0, [reading("1/load", 5, 1.0, 11)]), ())),
    ],
)
def test_an_outage_or_offset_whose_bits_changed_is_refused(
    tmp_path: Path, harm: str, question: Callable[[EmbeddedStore], object]
) -> None:
    with closing(filled(tmp_path)) as store:
        store.rows(harm)
    with closing(EmbeddedStore(tmp_path)) as store, pytest.raises(StoreDamagedError, match="other bytes"):
        question(store)


def test_an_outage_keeps_its_first_report_and_a_seal_its_count(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as store:
        assert store.known_at(minutes(7)).outages(LONG_AGO, NEVER_REACHED)["available_at"].to_pylist() == [minutes(7)]
        store.accept(batch(1, [reading("1/load", 3 * 1440, 5.0, 3 * 1440 + 6)]), ())
    assert maintenance.seal(tmp_path) == 1
    with closing(EmbeddedStore(tmp_path)) as store:
        assert store.rows("SELECT rows FROM segment WHERE kind = 'official'") == [(4,)]
    assert check(tmp_path) == []

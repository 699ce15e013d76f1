"""The store's care: a check finds what was altered, seal and export lose nothing, migrations go step by step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gridcore.errors import BadInputError, StoreDamagedError
from gridcore.ports import DeadLetter, RegisteredModel
from gridcore.reading import READING_SCHEMA
from storage import maintenance
from storage.embedded import EmbeddedStore
from storage.outbox import pending
from tests.contracts.store_content import (
    LONG_AGO,
    NEVER_REACHED,
    answers,
    batch,
    minutes,
    official,
    reading,
    rows_of,
)
from tests.storage.telemetry import sealed_store

DAY = 1440


def filled(path: Path) -> EmbeddedStore:
    """Three days of hot readings with a revision and a conflict; a segment; a letter, a model, a decision."""
    store = sealed_store(path)
    rows = [reading("1/load", at, at, at + 6) for at in (0, DAY, 2 * DAY)]
    rows += [reading("1/load", 0, 7.0, 9, 1), reading("1/load", 0, 8.0, 9, 1), reading("1/load", 0, 0.0, 9)]
    letter = DeadLetter(minutes(1), "test/0", 6, "unknown_channel", "X", b"\xff\x00")
    store.accept(batch(0, rows, [official("W1", at, 1.0, 0, 0) for at in (0, 3 * DAY)]), (letter,))
    store.register(RegisteredModel("wind/intraday", minutes(0), "m", b"model"))
    return store


def test_a_sound_store_has_no_findings(tmp_path: Path) -> None:
    filled(tmp_path).close()
    assert maintenance.check(tmp_path) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("DELETE FROM hot WHERE seq = 1", ("current", "30000", "30003")),
        ("DELETE FROM hot WHERE seq = 1", ("revised", "0;", "3")),
        ("DELETE FROM dead_letter", ("dead letters", "0", "1")),
        ("UPDATE tally SET amount = amount + 1 WHERE name = 'received'", ("received",)),
        ("UPDATE decision SET checkpoint = x'00'", ("decision of 2020-04-18T08:00",)),
        ("UPDATE document SET content = x'00' WHERE kind = 'plan'", ("decision of 2020-04-18T08:00",)),
        ("DELETE FROM outbox WHERE seq = 1", ("decision of 2020-04-18T08:00",)),
        ("UPDATE model SET payload = x'00'", ("wind/intraday", "2020-04-18T08:00")),
    ],
)
def test_a_check_finds_what_was_altered_behind_the_stores_back(
    tmp_path: Path, damage: str, words: tuple[str, ...]
) -> None:
    with closing(filled(tmp_path)) as store:
        store.rows(damage)
    text = "\n".join(str(finding) for finding in maintenance.check(tmp_path))
    assert all(word in text for word in words), text


@pytest.mark.parametrize("harm", ["rows = rows + 1", "kind = 'official'", "content = zeroblob(length(content))"])
def test_a_log_whose_bits_changed_is_refused(tmp_path: Path, harm: str) -> None:
    with closing(filled(tmp_path)) as store:
        store.rows(f"UPDATE hot SET {harm} WHERE seq = 1")
    with pytest.raises(StoreDamagedError, match="rows of the log"):
        EmbeddedStore(tmp_path)


@pytest.mark.parametrize(
    "harm",
    [
        "segment SET first_valid_time = first_valid_time + 1",
        "segment SET row_groups = zeroblob(length(row_groups))",
        "series_block SET content = zeroblob(length(content))",
        "newest SET content = zeroblob(length(content))",
    ],
)
def test_a_manifest_or_list_of_series_whose_bits_changed_is_refused(tmp_path: Path, harm: str) -> None:
    with closing(filled(tmp_path)) as store:
        store.rows(f"UPDATE {harm}")
    with pytest.raises(StoreDamagedError, match="other bytes than were written"):
        EmbeddedStore(tmp_path)


def test_a_document_or_a_model_whose_bits_changed_is_refused(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as store:
        store.rows("UPDATE document SET content = x'00'")
        store.rows("UPDATE model SET payload = x'00'")
        known = store.known_at(NEVER_REACHED)
        questions = [
            lambda: known.plans("scuc", LONG_AGO),
            lambda: known.forecasts(LONG_AGO),
            lambda: pending(store, 9),
        ]
        for question in (*questions, lambda: known.model("wind/intraday")):
            with pytest.raises(StoreDamagedError, match="other bytes than were written"):
                question()


def test_a_seal_moves_closed_days_and_changes_no_answer(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as store:
        before = [answers(store.known_at(minutes(at))) for at in (5, 8, 9, 5 * DAY)]
        assert len(store.readings.hot_claims()) == 5
    orphan = tmp_path / "segments" / "reading-broken.parquet"
    orphan.write_bytes(b"left by a broken write")
    assert maintenance.seal(tmp_path) == 4
    assert not orphan.exists()
    with closing(EmbeddedStore(tmp_path)) as store:
        assert [answers(store.known_at(minutes(at))) for at in (5, 8, 9, 5 * DAY)] == before
        assert len(store.readings.hot_claims()) == 1
        assert store.accept(batch(6, [reading("1/load", 0, 7.0, 99, 1)]), ()).duplicate == 1
    assert maintenance.seal(tmp_path) == 0
    assert maintenance.check(tmp_path) == []


def test_a_reader_sees_the_same_before_and_after_another_process_seals(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as reader:
        before = answers(reader.known_at(NEVER_REACHED))
        maintenance.seal(tmp_path)
        assert answers(reader.known_at(NEVER_REACHED)) == before


def test_an_export_holds_every_reading_once(tmp_path: Path) -> None:
    filled(tmp_path / "store").close()
    maintenance.export(tmp_path / "store", tmp_path / "out")
    tables = {path.stem: pq.read_table(path) for path in sorted((tmp_path / "out").iterdir())}
    assert sorted(tables) == ["dead_letters", "offsets", "readings", "revisions"]
    assert tables["readings"].schema == tables["revisions"].schema == READING_SCHEMA
    # 30,000 of the plant and three periods of the load; below the winner 8.0 stand 7.0 and the first revision.
    assert tables["readings"].num_rows == 30_003
    load = [row for row in tables["readings"].to_pylist() if row["channel"] == "1/load"]
    assert [(row["value"], row["revision"]) for row in load] == [(8.0, 1), (DAY, 0), (2 * DAY, 0)]
    assert [(row["value"], row["revision"]) for row in tables["revisions"].to_pylist()] == [(7.0, 1), (0.0, 0)]
    assert tables["dead_letters"].to_pylist()[0]["payload"] == b"\xff\x00"
    offsets = [{"source": "plant/0", "next_offset": 30_000}, {"source": "test/0", "next_offset": 6}]
    assert tables["offsets"].to_pylist() == offsets


def test_an_export_of_an_empty_store_has_the_files_and_no_rows(tmp_path: Path) -> None:
    EmbeddedStore(tmp_path / "store").close()
    maintenance.export(tmp_path / "store", tmp_path / "out")
    assert [rows_of(pq.read_table(path)) for path in (tmp_path / "out").iterdir()] == [[]] * 4


@pytest.mark.parametrize("care", [maintenance.check, maintenance.seal, maintenance.migrate])
def test_where_there_is_no_store_none_is_made(tmp_path: Path, care: Callable[[Path], object]) -> None:
    with pytest.raises(BadInputError, match="no store"):
        care(tmp_path)
    assert list(tmp_path.iterdir()) == []

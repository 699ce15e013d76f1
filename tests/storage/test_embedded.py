"""The embedded store against the world: kill -9, a second process, a full disk, damaged files, forks."""

from __future__ import annotations

import errno
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest

from gridcore.errors import BadInputError, NoSpaceError, StoreConflictError, StoreDamagedError
from storage import database
from storage.check import check
from storage.embedded import EmbeddedStore
from storage.fork import fork
from storage.outbox import pending_count
from tests.contracts.store_content import (
    LONG_AGO,
    NEVER_REACHED,
    answers,
    batch,
    decision,
    minutes,
    official,
    outage,
    reading,
)
from tests.storage import writer
from tests.storage.telemetry import accept_sealed, channel_names, sealed_store, telemetry_batch


def filled(path: Path) -> EmbeddedStore:
    """A store with a segment of 30,000 readings, some hot ones, an official value, an outage and a decision."""
    store = sealed_store(path)
    store.accept(telemetry_batch("plant/0", 100, 300, 2), ())
    store.accept(batch(0, [reading("1/load", 0, 5.0, 6)], [official("W1", 0, 1.0, 0, 0)], [outage("W1", 0, 5, 0)]), ())
    return store


def values(store: EmbeddedStore, channels: int) -> npt.NDArray[np.float64]:
    """Values of all telemetry in the order of their numbers."""
    table = store.known_at(NEVER_REACHED).readings(channel_names(channels), LONG_AGO, NEVER_REACHED)
    return np.sort(table["value"].to_numpy())


def test_what_was_acknowledged_survives_kill_9_at_any_moment(tmp_path: Path) -> None:
    acknowledged: tuple[int, ...] = (0, -1)
    for moment in (1, 3, 8, 14):
        command = [sys.executable, "-m", "tests.storage.writer", str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(moment):
                acknowledged = tuple(int(word) for word in process.stdout.readline().split())
            process.kill()
            said = process.stdout.read().split("\n")
        # A last line may be cut in two by the kill.
        whole = [line for line in said[:-1] if line]
        acknowledged = tuple(int(word) for word in whole[-1].split()) if whole else acknowledged
        with closing(EmbeddedStore(tmp_path)) as store:
            offset = store.offsets()[writer.SOURCE]
            last = store.last_decision()
            assert offset >= acknowledged[0]
            assert last is not None
            assert int(last[1]) >= acknowledged[1]
            np.testing.assert_array_equal(values(store, writer.CHANNELS), np.arange(offset))
            assert pending_count(store) == 5 * (int(last[1]) + 1)
        assert check(tmp_path) == []


def test_a_second_process_reads_and_checks_while_one_writes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.storage.writer", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with closing(EmbeddedStore(tmp_path)) as store:
            for _ in range(10):
                seen = [int(word) for word in process.stdout.readline().split()]
                found = values(store, writer.CHANNELS)
                assert len(found) >= seen[0]
                np.testing.assert_array_equal(found, np.arange(len(found)))
                assert check(tmp_path) == []
        process.kill()


def test_a_store_opened_again_gives_the_same_answers(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as store:
        before = answers(store.known_at(NEVER_REACHED)), values(store, 100).tolist(), store.offsets()
        assert [segment.rows for segment in store.readings.segments] == [30_000]
    with closing(EmbeddedStore(tmp_path)) as store:
        assert (answers(store.known_at(NEVER_REACHED)), values(store, 100).tolist(), store.offsets()) == before


def test_readings_of_a_segment_are_still_known_as_duplicates_and_revisions(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as store:
        again = telemetry_batch("plant/1", 100, 0, 10)
        assert store.accept(again, ()).duplicate == 1000
        corrected = {**again.readings.slice(7, 1).to_pylist()[0], "revision": 1, "value": -1.0}
        other = {**corrected, "revision": 0, "value": 1e6}
        counts = store.accept(batch(1, [corrected, other]), ())
        assert (counts.revised, counts.conflict) == (1, 1)
        row = store.known_at(NEVER_REACHED).readings(["W7/power"], minutes(0), minutes(5)).to_pylist()
        assert [(r["value"], r["revision"]) for r in row] == [(-1.0, 1)]


def test_a_full_disk_keeps_what_was_committed_and_nothing_of_the_rest(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as store:
        before = answers(store.known_at(NEVER_REACHED)), store.offsets()
        pages = store.rows("PRAGMA page_count")[0][0]
        store.rows(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(NoSpaceError, match="full"):
            store.accept(telemetry_batch("plant/0", 100, 302, 190), ())
        with pytest.raises(NoSpaceError, match="full"):
            store.publish(decision(15, checkpoint=bytes(100_000)))
        assert (answers(store.known_at(NEVER_REACHED)), store.offsets()) == before
        store.rows("PRAGMA max_page_count = 1000000")
        assert store.accept(telemetry_batch("plant/0", 100, 302, 190), ()).stored == 19_000
        assert len(values(store, 100)) == 49_200
    assert check(tmp_path) == []


def test_a_disk_that_fills_while_a_segment_is_written_keeps_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with closing(filled(tmp_path)) as store:
        with monkeypatch.context() as broken:
            broken.setattr(pq, "ParquetWriter", full)
            with pytest.raises(NoSpaceError, match="full"):
                accept_sealed(store, telemetry_batch("plant/0", 100, 302, 300))
        assert store.offsets()["plant/0"] == 30_200
        assert len(list((tmp_path / "segments").iterdir())) == 1
        assert accept_sealed(store, telemetry_batch("plant/0", 100, 302, 300)).stored == 30_000


@pytest.mark.parametrize("part", range(12))
def test_a_segment_with_a_changed_byte_is_refused_by_who_reads_it(tmp_path: Path, part: int) -> None:
    filled(tmp_path).close()
    segment = next((tmp_path / "segments").iterdir())
    content = bytearray(segment.read_bytes())
    # From behind the four bytes that begin every Parquet file to the last byte.
    content[4 + (len(content) - 5) * part // 11] ^= 1
    segment.write_bytes(content)
    with closing(EmbeddedStore(tmp_path)) as store, pytest.raises(StoreDamagedError, match=segment.name):
        values(store, 100)
    assert [finding.what for finding in check(tmp_path)] == [f"a segment has other bytes than were written, {segment}"]


def test_a_segment_cut_short_or_lost_is_refused(tmp_path: Path) -> None:
    filled(tmp_path).close()
    segment = next((tmp_path / "segments").iterdir())
    whole = segment.read_bytes()
    for length in (0, 3, len(whole) // 2, len(whole) - 1):
        segment.write_bytes(whole[:length])
        with closing(EmbeddedStore(tmp_path)) as store, pytest.raises(StoreDamagedError, match=segment.name):
            values(store, 100)
    segment.unlink()
    with closing(EmbeddedStore(tmp_path)) as store, pytest.raises(StoreDamagedError, match="missing"):
        values(store, 100)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreDamagedError, match="database is damaged"):
        EmbeddedStore(tmp_path)


def test_a_store_of_another_version_is_refused_by_name(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as store:
        store.rows("PRAGMA user_version = 99")
    with pytest.raises(BadInputError, match=r"got 99; wanted 4"):
        EmbeddedStore(tmp_path)


def test_a_flipped_bit_anywhere_in_the_database_ends_in_an_error_of_ours_or_in_the_same_answers(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as store:
        before = answers(store.known_at(NEVER_REACHED))
    file = tmp_path / "store.sqlite"
    content, chance = file.read_bytes(), np.random.default_rng(7)
    refused = 0
    # Two pages in three are empty in a store so small: of 60 bits enough stand where something is written.
    for place in chance.integers(len(content), size=60).tolist():
        broken = bytearray(content)
        broken[place] ^= 1 << int(chance.integers(8))
        file.write_bytes(broken)
        try:
            if not check(tmp_path):
                with closing(EmbeddedStore(tmp_path)) as store:
                    assert answers(store.known_at(NEVER_REACHED)) == before
            else:
                refused += 1
        except StoreDamagedError:
            refused += 1
    assert refused >= 5


def test_a_directory_that_can_not_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(BadInputError, match="file"):
        EmbeddedStore(tmp_path / "file")


def test_a_writer_that_waits_too_long_for_another_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    with closing(filled(tmp_path)) as first, closing(EmbeddedStore(tmp_path)) as second:
        first.rows("BEGIN IMMEDIATE")
        with pytest.raises(StoreConflictError, match="locked"):
            second.publish(decision(15))
        first.rows("ROLLBACK")
        second.publish(decision(15))


def test_a_fork_and_its_source_go_their_own_ways(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "a")) as source:
        before = answers(source.known_at(NEVER_REACHED))
        fork(tmp_path / "a", tmp_path / "b")
        with closing(EmbeddedStore(tmp_path / "b")) as copy:
            assert answers(copy.known_at(NEVER_REACHED)) == before
            np.testing.assert_array_equal(values(copy, 100), values(source, 100))
            source.accept(telemetry_batch("plant/0", 100, 302, 300), ())
            copy.accept(telemetry_batch("plant/0", 100, 302, 1), ())
            copy.publish(decision(15))
            assert (len(values(source, 100)), len(values(copy, 100))) == (60_200, 30_300)
            assert source.last_decision() == (minutes(0), b"state")
    assert check(tmp_path / "a") == check(tmp_path / "b") == []


def test_a_fork_shares_the_segments_with_its_source(tmp_path: Path) -> None:
    filled(tmp_path / "a").close()
    fork(tmp_path / "a", tmp_path / "b")
    files = [next((tmp_path / name / "segments").iterdir()) for name in "ab"]
    assert files[0].samefile(files[1])


def test_a_fork_onto_a_store_or_of_none_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "a").close()
    fork(tmp_path / "a", tmp_path / "b")
    for source, target in (("a", "b"), ("nowhere", "c")):
        with pytest.raises(BadInputError, match=source):
            fork(tmp_path / source, tmp_path / target)


def test_a_value_of_a_far_off_instant_is_kept_and_found(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as store:
        far = minutes(60 * 24 * 365 * 900)
        row = {**reading("1/load", 0, 6.0, 6), "valid_time": far}
        store.accept(batch(1, [row]), ())
        found = store.known_at(NEVER_REACHED).readings(["1/load"], LONG_AGO, minutes(60 * 24 * 365 * 901))
        assert found["value"].to_pylist() == [5.0, 6.0]
        assert len(values(store, 100)) == 30_200


def test_a_large_batch_becomes_a_segment_and_a_small_one_a_blob(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        accept_sealed(store, telemetry_batch("plant/0", 100, 0, 200))
        accept_sealed(store, telemetry_batch("plant/0", 100, 200, 199))
        assert [segment.rows for segment in store.readings.segments] == [20_000]
        assert store.rows("SELECT kind, rows FROM hot") == [("reading", 19_900)]

"""The writer seals and merges by itself: no answer depends on when, the files stay few, and nothing is lost."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest

from gridcore.errors import NoSpaceError, StoreDamagedError
from storage import maintenance, merging, segment_files, segments
from storage.analysis import analysis_of
from storage.check import check
from storage.embedded import EmbeddedStore
from storage.hot import CLAIM_BYTES
from tests.contracts.store_content import LONG_AGO, NEVER_REACHED
from tests.storage.telemetry import channel_names, telemetry_batch

CHANNELS, STEPS = 20, 10
"""A batch of 200 readings; a log of so many is sealed."""

SOURCE = "plant/0"


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    """Logs of 200 claims are sealed, three segments of a size merged, in windows of 100 and row groups of 64 claims."""
    sizes = {"HOT_ROWS": CHANNELS * STEPS, "FANOUT": 3, "WINDOW_ROWS": 100}
    with ExitStack() as patched:
        for constant, value in sizes.items():
            patched.enter_context(patch.object(merging, constant, value))
        patched.enter_context(patch.object(segments, "ROW_GROUP_ROWS", 64))
        yield


def take_in(store: EmbeddedStore, batches: int) -> None:
    """The next batches, each sealed before the next one comes."""
    for _ in range(batches):
        first = store.offsets().get(SOURCE, 0) // CHANNELS
        assert store.accept(telemetry_batch(SOURCE, CHANNELS, first, STEPS), ()).stored == CHANNELS * STEPS
        store._upkeep.settle(wait=True)


def values(store: EmbeddedStore) -> list[float]:
    """Values of all telemetry, which are its numbers."""
    table = store.known_at(NEVER_REACHED).readings(channel_names(CHANNELS), LONG_AGO, NEVER_REACHED)
    return sorted(table["value"].to_pylist())


def files(path: Path) -> set[str]:
    return {file.name for file in (path / "segments").iterdir()}


def test_the_log_stays_small_and_the_segments_few(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        for batches in range(1, 30):
            take_in(store, 1)
            assert len(store.readings.hot) == 0
            # Two of each size below the largest, one that waits for its merge, and the largest ones of 1800 claims.
            assert len(store.readings.segments) <= 6 + batches // 9
            assert len(files(tmp_path)) == len(store.readings.segments)
        assert values(store) == list(range(29 * CHANNELS * STEPS))
        assert store.accept(telemetry_batch("plant/1", CHANNELS, 0, STEPS), ()).duplicate == CHANNELS * STEPS
    assert check(tmp_path) == []


def test_a_sealing_under_way_when_the_store_is_closed_is_done_later(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        store.accept(telemetry_batch(SOURCE, CHANNELS, 0, STEPS), ())
    (tmp_path / "segments").mkdir(exist_ok=True)
    (tmp_path / "segments" / "reading-orphan.parquet").write_bytes(b"left by a kill")
    with closing(EmbeddedStore(tmp_path)) as store:
        assert store.readings.segments == ()
        take_in(store, 2)
        assert values(store) == list(range(3 * CHANNELS * STEPS))
        assert files(tmp_path) == {segment.file for segment in store.readings.segments}
    assert check(tmp_path) == []


def test_a_disk_that_is_full_for_a_segment_is_told_and_costs_nothing(tmp_path: Path) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with closing(EmbeddedStore(tmp_path)) as store:
        take_in(store, 2)
        with patch.object(pq, "ParquetWriter", full):
            store.accept(telemetry_batch(SOURCE, CHANNELS, 2 * STEPS, STEPS), ())
            with pytest.raises(NoSpaceError, match="full"):
                store._upkeep.settle(wait=True)
        assert len(store.readings.hot) == CHANNELS * STEPS
        assert values(store) == list(range(3 * CHANNELS * STEPS))
        take_in(store, 1)
        assert values(store) == list(range(4 * CHANNELS * STEPS))
        assert len(store.readings.hot) == 0
    assert check(tmp_path) == []


def test_a_reader_whose_segments_were_merged_away_reads_those_that_took_their_place(tmp_path: Path) -> None:
    with (
        patch.object(segment_files, "CACHED_BYTES", 0),
        patch.object(segment_files, "OPEN_FILES", 0),
        closing(EmbeddedStore(tmp_path)) as store,
    ):
        take_in(store, 2)
        with closing(EmbeddedStore(tmp_path, is_read_only=True)) as reader:
            before = reader.readings.segments
            known = reader.known_at(NEVER_REACHED)
            with patch.object(reader, "refresh", lambda *, anew=False: EmbeddedStore.refresh(reader) if anew else None):
                take_in(store, 2)
                assert not files(tmp_path) & {segment.file for segment in before}
                table = known.readings(channel_names(CHANNELS), LONG_AGO, NEVER_REACHED)
            assert sorted(table["value"].to_pylist()) == list(range(4 * CHANNELS * STEPS))


def test_files_that_an_analysis_reads_stay_until_it_ends(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store, closing(EmbeddedStore(tmp_path, is_read_only=True)) as reader:
        take_in(store, 2)
        with analysis_of(reader) as analysis:
            before = files(tmp_path)
            take_in(store, 2)
            assert before < files(tmp_path)
            count = "SELECT count(*) FROM reading_log"
            assert analysis.execute(count).fetchall() == [(2 * CHANNELS * STEPS,)]
        take_in(store, 1)
        assert files(tmp_path) == {segment.file for segment in store.readings.segments}


def test_what_another_process_sealed_meanwhile_is_not_sealed_twice(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        store.accept(telemetry_batch(SOURCE, CHANNELS, 0, STEPS), ())
        with closing(EmbeddedStore(tmp_path)) as other:
            other.seal(NEVER_REACHED)
        store._upkeep.settle(wait=True)
        assert [segment.rows for segment in store.readings.segments] == [CHANNELS * STEPS]
        take_in(store, 1)
        assert values(store) == list(range(2 * CHANNELS * STEPS))
    assert check(tmp_path) == []


def test_a_segment_that_is_damaged_stops_the_merge_and_stays(tmp_path: Path) -> None:
    with closing(EmbeddedStore(tmp_path)) as store:
        take_in(store, 2)
    victim = sorted(files(tmp_path))[0]
    content = bytearray((tmp_path / "segments" / victim).read_bytes())
    content[100] ^= 1
    (tmp_path / "segments" / victim).write_bytes(content)
    with closing(EmbeddedStore(tmp_path)) as store:
        take_in(store, 1)
        store.accept(telemetry_batch(SOURCE, CHANNELS, 3 * STEPS, 1), ())
        with pytest.raises(StoreDamagedError, match=victim):
            store._upkeep.settle(wait=True)
        assert victim in files(tmp_path)


def test_a_seal_by_hand_merges_what_is_due(tmp_path: Path) -> None:
    with patch.object(merging, "HOT_ROWS", 10**9), closing(EmbeddedStore(tmp_path)) as store:
        for step in range(3):
            store.accept(telemetry_batch(SOURCE, CHANNELS, step * STEPS, STEPS), ())
            store.seal(NEVER_REACHED)
        assert [segment.rows for segment in store.readings.segments] == [3 * CHANNELS * STEPS]
    assert maintenance.seal(tmp_path) == 0
    assert len(files(tmp_path)) == 1


def test_decoded_row_groups_stay_below_their_limit(tmp_path: Path) -> None:
    limit = 300 * CLAIM_BYTES
    with patch.object(segment_files, "CACHED_BYTES", limit), closing(EmbeddedStore(tmp_path)) as store:
        take_in(store, 7)
        for _ in range(2):
            assert len(values(store)) == 7 * CHANNELS * STEPS
            assert 0 < store.readings.files.cached_bytes <= limit

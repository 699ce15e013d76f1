"""A recording is what the source had; dirt follows from its seed, and the ledger tells all of it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gridcore.errors import BadInputError
from gridcore.reading import READING_SCHEMA, Quality
from ingest.accept import check
from ingest.channels import channels_of
from ingest.dirt import Dirt
from ingest.dirty import DELAY, SHARES, dirtied
from ingest.history_columns import READING_ORDER, in_order
from ingest.recording import read_recording, write_recording
from ingest.recording_feed import RecordingFeed
from ingest.table_source import TableSource

Key = tuple[str, datetime]


@pytest.fixture(scope="module")
def clean(example: TableSource) -> pa.Table:
    return example.readings(example.first, example.last)


@pytest.fixture(scope="module")
def dirty(example: TableSource, clean: pa.Table) -> tuple[pa.Table, pa.Table]:
    return dirtied(clean, channels_of(example.network, example.reading_period), 7)


def keyed(table: pa.Table, valid: str = "valid_time") -> dict[Key, dict[str, Any]]:
    return {(row["channel"], row[valid]): row for row in table.to_pylist()}


def test_a_clean_recording_is_the_source(example: TableSource, tmp_path: Path) -> None:
    start, end = example.first + timedelta(days=29), example.first + timedelta(days=31)
    facts = write_recording(example, start, end, tmp_path / "rec")
    recording = read_recording(tmp_path / "rec")
    until = end + timedelta(days=3)
    assert recording.network == example.network
    assert (recording.first, recording.last) == (example.first, until)
    assert recording.readings(example.first, until).equals(example.readings(example.first, until))
    assert recording.official(example.first, until).equals(example.official(example.first, until))
    assert facts["readings"] == recording.readings(example.first, until).num_rows
    assert not (tmp_path / "rec" / "dirt.parquet").exists()
    assert pq.read_schema(tmp_path / "rec" / "readings.parquet").equals(READING_SCHEMA)


def test_history_may_be_cut(example: TableSource, tmp_path: Path) -> None:
    start = example.first + timedelta(days=29)
    write_recording(example, start, start + timedelta(days=1), tmp_path / "rec", history_days=2)
    assert read_recording(tmp_path / "rec").first == start - timedelta(days=2)


def test_two_recordings_of_one_seed_are_equal_byte_for_byte(example: TableSource, tmp_path: Path) -> None:
    start, end = example.first + timedelta(days=20), example.first + timedelta(days=21)
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_recording(example, start, end, tmp_path / name, dirty_seed=seed)
    for file in ("readings.parquet", "official.parquet", "outages.parquet", "dirt.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert (tmp_path / "a" / "dirt.parquet").read_bytes() != (tmp_path / "c" / "dirt.parquet").read_bytes()
    assert read_recording(tmp_path / "a").data_sha256() == read_recording(tmp_path / "b").data_sha256()


def test_every_kind_of_dirt_is_there_in_its_share(clean: pa.Table, dirty: tuple[pa.Table, pa.Table]) -> None:
    counts = Counter(dirty[1].column("kind").to_pylist())
    assert set(counts) == {kind.value for kind in Dirt}
    for kind, share in SHARES.items():
        # Outages and skew take a few readings away; a binomial's four standard deviations are below 40 % here.
        assert counts[kind] == pytest.approx(share * len(clean), rel=0.4)


def test_the_ledger_undoes_the_dirt(clean: pa.Table, dirty: tuple[pa.Table, pa.Table]) -> None:
    readings, ledger = dirty
    rows = ledger.to_pylist()
    untouched = keyed(clean)
    for row in rows:
        was = untouched.pop((row["channel"], row["valid_time"]))
        assert (was["value"], was["available_at"]) == (row["value"], row["available_at"])
    sent = Counter(
        tuple(row[name] for name in ("channel", "valid_time", "available_at", "value", "revision"))
        for row in readings.to_pylist()
    )
    for was in untouched.values():
        assert sent[(was["channel"], was["valid_time"], was["available_at"], was["value"], 0)] >= 1
    twice = sum(row["kind"] in {Dirt.DUPLICATE, Dirt.CORRECTED} for row in rows)
    never = sum(row["kind"] in {Dirt.MISSING, Dirt.OUTAGE} for row in rows)
    assert len(readings) == len(clean) + twice - never
    for row in rows:
        if row["sent_valid_time"] is not None:
            assert sent[(row["channel"], row["sent_valid_time"], row["sent_available_at"], row["sent_value"], 0)] >= 1


def test_each_kind_is_what_its_name_says(example: TableSource, dirty: tuple[pa.Table, pa.Table]) -> None:
    readings, ledger = dirty
    table = channels_of(example.network, example.reading_period)
    revised = keyed(readings.filter(pa.compute.equal(readings.column("revision"), 1)))
    for row in ledger.to_pylist():
        kind, channel = Dirt(row["kind"]), table[row["channel"]]
        if kind in {Dirt.MISSING, Dirt.OUTAGE}:
            assert row["sent_value"] is None
            continue
        delay = row["sent_available_at"] - row["available_at"]
        least, most = DELAY.get(kind, (timedelta(0), timedelta(0)))
        if kind in {Dirt.LATE, Dirt.DUPLICATE}:
            assert least <= delay <= most
        assert (row["sent_value"] == row["value"]) == (kind not in {Dirt.OUT_OF_RANGE, Dirt.CORRECTED})
        assert (row["sent_valid_time"] > row["valid_time"]) == (kind is Dirt.SKEWED)
        assert (not channel.low <= row["sent_value"] <= channel.high) == (kind is Dirt.OUT_OF_RANGE)
        if kind is Dirt.CORRECTED:
            right = revised[(row["channel"], row["valid_time"])]
            assert right["value"] == row["value"]
            assert least <= right["available_at"] - row["available_at"] <= most


def test_accept_finds_what_can_be_found(example: TableSource, dirty: tuple[pa.Table, pa.Table]) -> None:
    readings, ledger = dirty
    feed = RecordingFeed(
        readings, example.official(example.first, example.first), example.outages(example.first, example.last)
    )
    flagged: Counter[Quality] = Counter()
    while (batch := feed.next_until(example.last + timedelta(days=2))) is not None:
        clean, letters = check(batch, channels_of(example.network, example.reading_period))
        assert letters == ()
        for quality in clean.readings.column("quality").to_pylist():
            flagged.update(flag for flag in Quality if flag and flag in Quality(quality))
    kinds = Counter(ledger.column("kind").to_pylist())
    assert flagged[Quality.OUT_OF_RANGE] == kinds["out_of_range"]
    assert flagged[Quality.FUTURE] == kinds["skewed"]
    hour = example.reading_period + timedelta(hours=1)
    late = sum(row["available_at"] - row["valid_time"] > hour for row in readings.to_pylist())
    assert flagged[Quality.LATE] == late > 0


def test_a_dirty_recording_stays_in_order(dirty: tuple[pa.Table, pa.Table]) -> None:
    assert in_order(dirty[0], READING_ORDER) is dirty[0]


def test_nothing_made_dirty_is_nothing(example: TableSource) -> None:
    readings, ledger = dirtied(READING_SCHEMA.empty_table(), channels_of(example.network), 1)
    assert (len(readings), len(ledger)) == (0, 0)


def test_what_cannot_be_recorded_is_refused(example: TableSource, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="days without data"):
        write_recording(example, example.last, example.last + timedelta(days=1), tmp_path)
    start = example.first + timedelta(days=1)
    write_recording(example, start, start + timedelta(days=1), tmp_path, history_days=0)
    with pytest.raises(BadInputError, match="holds a recording"):
        write_recording(example, start, start + timedelta(days=1), tmp_path)
    with pytest.raises(BadInputError, match="no recording here"):
        read_recording(tmp_path / "grid")

"""A user's own history: CSV or Parquet, with or without arrival times; what is wrong in it is named by its row."""

from __future__ import annotations

import errno
import gzip
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gridcore.errors import BadInputError, NoSpaceError
from gridcore.reading import READING_SCHEMA
from gridcore.timeline import TIMESTAMP
from ingest.grid_directory import read_grid_directory
from ingest.grid_write import write_network
from ingest.history_files import write_parquet
from ingest.table_source import TableSource
from tests.ingest.builders import START, WIND, reading, small_network

DAY = datetime(2025, 3, 29, 23, tzinfo=UTC)


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """A grid without a history, that says nothing of its latency but that it is 30 s."""
    write_network(small_network(), tmp_path, {"reading_minutes": 15, "telemetry_latency_s": 30.0})
    text = (tmp_path / "grid.toml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("latency_is_declared")]
    (tmp_path / "grid.toml").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def write(grid: Path, name: str, lines: Sequence[str]) -> TableSource:
    data = ("\n".join(lines) + "\n").encode()
    (grid / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return read_grid_directory(grid)


def read_all(grid: Path, name: str, lines: Sequence[str]) -> None:
    source = write(grid, name, lines)
    for table in (source.readings, source.official, source.outages):
        table(DAY - timedelta(days=300), DAY + timedelta(days=300))


@pytest.mark.parametrize("name", ["readings.csv", "readings.csv.gz"])
def test_a_plain_history_arrives_with_the_declared_latency(grid: Path, name: str) -> None:
    source = write(
        grid, name, ["valid_time,channel,value", "2025-03-30 03:00,W/power,12.5", "2025-03-30 01:45,W/power,"]
    )
    assert source.network.latency_is_declared
    table = source.readings(DAY, DAY + timedelta(days=1))
    assert table.schema.equals(READING_SCHEMA)
    late, early = table.to_pylist()[1], table.to_pylist()[0]
    assert early["valid_time"] == datetime(2025, 3, 30, 0, 45, tzinfo=UTC)
    assert late["valid_time"] == datetime(2025, 3, 30, 1, 0, tzinfo=UTC)
    assert late["available_at"] == datetime(2025, 3, 30, 1, 15, 30, tzinfo=UTC)
    assert (late["site"], late["quantity"], late["unit"], late["value"]) == ("B", "power", "MW", 12.5)
    assert early["value"] != early["value"]  # an empty cell is no number
    assert (source.first, source.last) == (early["valid_time"], late["valid_time"] + timedelta(minutes=15))


def test_a_history_with_arrivals_keeps_them_and_declares_no_latency(grid: Path) -> None:
    header = "valid_time,available_at,channel,value,revision"
    rows = ["2025-03-30T00:00Z,2025-03-30T04:00Z,W/power,1,1", "2025-03-30T00:00Z,2025-03-30T00:20Z,W/power,2,0"]
    source = write(grid, "readings.csv", [header, *rows])
    assert not source.network.latency_is_declared
    table = source.readings(DAY, DAY + timedelta(days=1))
    assert table.column("value").to_pylist() == [2.0, 1.0]
    assert table.column("revision").to_pylist() == [0, 1]


def test_a_parquet_history_may_be_as_plain(grid: Path) -> None:
    valid = pa.array([DAY + timedelta(minutes=15), DAY], pa.timestamp("ms", tz="Europe/Berlin"))
    pq.write_table(
        pa.table({"valid_time": valid, "channel": ["W/power"] * 2, "value": [1, 2]}), grid / "readings.parquet"
    )
    source = read_grid_directory(grid)
    assert source.readings(DAY, DAY + timedelta(minutes=15)).column("value").to_pylist() == [2.0]
    assert source.readings(DAY, DAY + timedelta(days=1)).column("value").to_pylist() == [2.0, 1.0]


def test_outages_are_those_that_overlap(grid: Path) -> None:
    header = "asset,from,until"
    rows = ["W,2025-03-30T00:00Z,2025-03-30T06:00Z", "A-B,2025-03-31T00:00Z,2025-04-01T00:00Z"]
    source = write(grid, "outages.csv", [header, *rows])
    assert source.outages(DAY + timedelta(hours=6), DAY + timedelta(hours=7)).column("asset").to_pylist() == ["W"]
    assert source.outages(DAY + timedelta(hours=7), DAY + timedelta(hours=8)).num_rows == 0
    assert source.outages(DAY, DAY + timedelta(days=2)).column("asset").to_pylist() == ["W", "A-B"]


def test_official_values_come_when_they_are_issued(grid: Path) -> None:
    row = "2025-03-29 06:00,2025-03-30T12:00Z,W,50"
    source = write(grid, "official.csv", ["issue_time,valid_time,asset,power_mw", row])
    (got,) = source.official(DAY, DAY + timedelta(days=2)).to_pylist()
    assert got["available_at"] == got["issue_time"] == datetime(2025, 3, 29, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "lines", "words"),
    [
        ("readings.csv", ["valid_time,channel,power", "x,W/power,1"], ["readings.csv", "missing column", "value"]),
        ("readings.csv", ["valid_time,channel,value", "2025-03-30T00:00Z,W/power,a lot"], ["row 2", "a lot", "number"]),
        ("readings.csv", ["valid_time,channel,value", "2025-03-30T00:00Z,X/power,1"], ["row 2", "X/power", "channel"]),
        ("readings.csv", ["valid_time,channel,value", "2025-03-30 02:30,W/power,1"], ["row 2", "02:30", "not exist"]),
        ("readings.csv", ["valid_time,channel,value", "a,b"], ["readings.csv", "unreadable"]),
        ("outages.csv", ["asset,from,until", "X,2025-01-01,2025-01-02"], ["outages.csv, row 2", "X"]),
        ("outages.csv", ["asset,from,until", "W,2025-01-02,2025-01-01"], ["outages.csv, row 2", "after its start"]),
        ("official.csv", ["valid_time,asset,power_mw", "2025-01-01,W,1"], ["official.csv", "issue_time"]),
    ],
)
def test_what_is_wrong_in_a_history_is_named(grid: Path, name: str, lines: list[str], words: list[str]) -> None:
    with pytest.raises(BadInputError) as caught:
        read_all(grid, name, lines)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_an_empty_history_is_an_error(grid: Path) -> None:
    (grid / "readings.csv").write_bytes(b"")
    with pytest.raises(BadInputError, match="empty file"):
        read_grid_directory(grid)


def test_a_grid_without_history_says_so(grid: Path) -> None:
    with pytest.raises(BadInputError, match="without history"):
        _ = read_grid_directory(grid).first


def test_two_files_of_one_table_are_refused(grid: Path) -> None:
    (grid / "readings.csv").write_text("valid_time,channel,value\n", encoding="utf-8")
    (grid / "readings.csv.gz").write_bytes(gzip.compress(b"valid_time,channel,value\n"))
    with pytest.raises(BadInputError, match="two files"):
        read_grid_directory(grid)


def test_the_hash_follows_every_file(grid: Path) -> None:
    row = "2025-03-30T00:00Z,W/power,"
    hashes = [
        write(grid, "readings.csv", ["valid_time,channel,value", row + "1"]).data_sha256(),
        write(grid, "readings.csv", ["valid_time,channel,value", row + "2"]).data_sha256(),
        write(grid, "outages.csv", ["asset,from,until"]).data_sha256(),
    ]
    (grid / "buses.csv").write_bytes((grid / "buses.csv").read_bytes().replace(b"0.25", b"0.250"))
    hashes.append(read_grid_directory(grid).data_sha256())
    assert len(set(hashes)) == 4
    assert read_grid_directory(grid).data_sha256() == hashes[-1]


def parquet_of(grid: Path, table: pa.Table) -> TableSource:
    """The grid with a Parquet file of readings, as the project writes it."""
    write_parquet([table], grid / "readings.parquet", table.schema)
    return read_grid_directory(grid)


def test_altered_bytes_never_pass_for_other_values(grid: Path) -> None:
    rows = [reading(WIND, valid=5.0 * step, value=step * 0.37 % 90.0) for step in range(2000)]
    source = parquet_of(grid, pa.Table.from_pylist(rows, schema=READING_SCHEMA))
    clean = source.readings(START, START + timedelta(days=9))
    content, chance = (grid / "readings.parquet").read_bytes(), np.random.default_rng(3)
    for place in chance.integers(4, len(content) // 2, size=20).tolist():
        broken = bytearray(content)
        broken[place : place + 40] = chance.bytes(40)
        (grid / "readings.parquet").write_bytes(broken)
        found = clean
        with suppress(BadInputError):
            found = read_grid_directory(grid).readings(START, START + timedelta(days=9))
        assert found.equals(clean), place


@pytest.mark.parametrize(
    ("column", "cells", "words"),
    [
        ("channel", pa.array([None], pa.string()), ["row 2", "a missing channel", "an empty cell"]),
        ("value", pa.array([[1.0]]), ["column value", "list<"]),
        ("channel", pa.array([[1.0]]), ["column channel", "list<"]),
        ("available_at", pa.array([None], TIMESTAMP), ["row 2", "available_at", "a missing instant"]),
        ("valid_time", pa.array([START.replace(tzinfo=None)]), ["valid_time", "without a zone"]),
    ],
)
def test_a_parquet_column_of_another_kind_is_named(grid: Path, column: str, cells: pa.Array, words: list[str]) -> None:
    table = pa.Table.from_pylist([reading(WIND)], schema=READING_SCHEMA)
    table = table.set_column(table.schema.get_field_index(column), column, cells)
    write_parquet([table], grid / "readings.parquet", table.schema)
    with pytest.raises(BadInputError) as caught:
        read_grid_directory(grid).readings(START, START + timedelta(days=1))
    assert all(word in str(caught.value) for word in ["readings.parquet", *words]), str(caught.value)


def test_a_write_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([reading(WIND)], schema=READING_SCHEMA)

    def tables() -> Iterator[pa.Table]:
        yield table
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NoSpaceError, match=r"readings\.parquet"):
        write_parquet(tables(), tmp_path / "readings.parquet", READING_SCHEMA)
    assert list(tmp_path.iterdir()) == []

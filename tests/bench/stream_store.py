"""The store's part of `make bench-stream`: what taking in, reading back and keeping cost the embedded store.

Usage: python -m tests.bench.stream_store [--short]

The batches are made before the clock runs; each absolute stands beside what bounds it: SQLite's own speed for the same
rows, and pyarrow's for the same row groups. Reads are measured with nothing decoded in memory, files in the system's
cache; each is the best of nine.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import typer

from gridcore.ports import Batch
from storage.columns import arrived_readings, micros
from storage.embedded import EmbeddedStore
from storage.history import History
from storage.hot import pack
from storage.segments import COLUMNS, SEGMENT_FOLDER
from tests.bench.result import Figure, write_figures
from tests.bench.store_fill import FULL, SHORT, START, Size, channel_names, forecast_batches, reading_batches

ROUNDS = 9
"""Times that a read is measured."""


def main(short: bool = False) -> None:
    """Measure, write build/bench/stream_store.json and print it."""
    write_figures("stream_store", store_figures(SHORT if short else FULL))


def store_figures(size: Size = FULL) -> list[Figure]:
    """All figures of the store, on a store in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="xiaona-store-") as home:
        path = Path(home) / "store"
        figures = [*_batch_figures(Path(home)), *_fill_figures(path, size)]
        with closing(EmbeddedStore(path)) as store:
            figures += [*_read_figures(store, size), *_disk_figures(store)]
        return [*figures, *_frame_figures(path, size)]


def _batch_figures(home: Path) -> list[Figure]:
    """Taking in by size of batch and number of devices, beside SQLite's own speed for the same rows."""
    figures = []
    shapes = ((10_000, 500, 1_000_000), (50_000, 500, 2_000_000), (50_000, 1_000_000, 2_000_000))
    for rows, channels, total in shapes:
        batches = list(_small_batches(channels, rows, total))
        with closing(EmbeddedStore(home / f"{rows}-{channels}")) as store:
            # The first time round each device is new: it is numbered once in its life.
            taken, cpu = [], []
            for given in batches:
                begun = time.thread_time()
                taken.append(_seconds(partial(store.accept, given, ())))
                cpu.append(time.thread_time() - begun)
        half = len(batches) // 2
        count = sum(given.readings.num_rows for given in batches[half:])
        rate = count / sum(taken[half:])
        bare, keyed = _bare_blobs(home, batches[:20]), _keyed_rows(home, batches[:4])
        name = f"taken in by {rows:,}, {channels:,} devices"
        beside = f"bare SQLite blobs {bare:,.0f}, keyed rows {keyed:,.0f}"
        figures.append(Figure(name, rate, "readings/s", beside, rate / bare))
        figures.append(Figure(f"{name}: CPU time of its thread", 1e6 * sum(cpu[half:]) / count, "us/reading"))
    return figures


def _small_batches(channels: int, rows: int, total: int) -> Iterable[Batch]:
    """Whole steps in batches; one step of many devices is cut into several."""
    steps = max(1, total // channels)
    for whole in reading_batches("plant/0", channels, steps, max(rows, channels)):
        for first in range(0, whole.readings.num_rows, rows):
            table = whole.readings.slice(first, rows)
            ends = (whole.start_offset + first, whole.start_offset + first + table.num_rows)
            yield Batch(whole.source, *ends, table, whole.official, whole.outages)


def _bare_blobs(home: Path, batches: list[Batch]) -> float:
    """Readings/s of SQLite alone, keeping each batch's packed columns and an offset in a transaction."""
    claims = [arrived_readings(given.readings).claims for given in batches]
    with closing(_database(home, "CREATE TABLE blob (seq INTEGER PRIMARY KEY, content BLOB)")) as connection:

        def keep() -> None:
            for some in claims:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO blob (content) VALUES (?)", (pack(some),))
                connection.execute("INSERT OR REPLACE INTO next VALUES (0, 1)")
                connection.execute("COMMIT")

        return sum(len(some) for some in claims) / _seconds(keep)


def _keyed_rows(home: Path, batches: list[Batch]) -> float:
    """Readings/s of SQLite alone, keeping each reading as a row under its key."""
    table = """CREATE TABLE row (series INTEGER, valid_time INTEGER, version INTEGER, available_at INTEGER, value REAL,
               quality INTEGER, PRIMARY KEY (series, valid_time, version)) WITHOUT ROWID"""
    claims = [arrived_readings(given.readings).claims for given in batches]
    columns = [(c.series, c.valid_time, c.version, c.available_at, c.value, c.quality) for c in claims]
    with closing(_database(home, table)) as connection:

        def keep() -> None:
            for some in columns:
                connection.execute("BEGIN IMMEDIATE")
                rows = zip(*(column.tolist() for column in some), strict=True)
                connection.executemany("INSERT OR IGNORE INTO row VALUES (?, ?, ?, ?, ?, ?)", rows)
                connection.execute("COMMIT")

        return sum(len(some) for some in claims) / _seconds(keep)


def _database(home: Path, table: str) -> sqlite3.Connection:
    path = home / "bare.sqlite"
    for file in home.glob("bare.sqlite*"):
        file.unlink()
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", table):
        connection.execute(statement)
    connection.execute("CREATE TABLE next (source INTEGER PRIMARY KEY, next_offset INTEGER)")
    return connection


def _fill_figures(path: Path, size: Size) -> list[Figure]:
    """A year of readings and forecasts, sealed and merged on the way."""
    figures = []
    feeds = {
        "readings": reading_batches("plant/0", size.channels, size.days * 96, 50_000),
        "forecast values": forecast_batches("met/0", size),
    }
    with closing(EmbeddedStore(path)) as store:
        for what, batches in feeds.items():
            rows, taken, cpu = 0, [], 0.0
            for given in batches:
                rows += given.readings.num_rows + given.official.num_rows
                begun = time.process_time()
                taken.append(_seconds(partial(store.accept, given, ())))
                cpu += time.process_time() - begun
            figures += [
                Figure(f"{what} taken in and sealed beside", rows / sum(taken), f"{what}/s", f"{rows:,} in all"),
                Figure(f"CPU time of it for each of the {what}", 1e6 * cpu / rows, "us"),
                Figure(f"longest commit of {what}", 1e3 * max(taken), "ms"),
            ]
        segments = len(store.readings.segments) + len(store.official.segments)
        figures.append(Figure("segments after it", float(segments), "1"))
        begun = time.perf_counter()
        store.seal(size.end)
        figures.append(Figure("the rest sealed and merged", time.perf_counter() - begun, "s"))
    return figures


def _read_figures(store: EmbeddedStore, size: Size) -> list[Figure]:
    """As-of reads with nothing decoded in memory, beside pyarrow on the same row groups."""
    instant = START + timedelta(days=size.days // 2)
    ends = instant, instant + timedelta(hours=48)
    assets = sorted(store.official.series.names)[:: max(1, size.assets // 50)][:50]
    channel = channel_names(size.channels)[size.channels // 3]
    known, later = store.known_at(instant), store.known_at(size.end + timedelta(days=1))
    of_assets, of_channel = partial(known.official, assets, *ends), partial(later.readings, [channel], START, size.end)
    spans = (micros(ends[0]), micros(ends[1]), micros(instant)), (micros(START), micros(size.end), 2**62)
    return [
        *_read("50 assets x 48 h as known at an instant", store, store.official, of_assets, (assets, *spans[0])),
        *_read("a channel's year", store, store.readings, of_channel, ([channel], *spans[1])),
    ]


def _read(
    name: str,
    store: EmbeddedStore,
    history: History,
    read: Callable[[], object],
    asked: tuple[list[str], int, int, int],
) -> list[Figure]:
    """A read and pyarrow's of the same row groups, turn by turn, so that other work on the machine meets both."""
    groups = touched(history, *asked)
    ours, arrow = [], []
    for _ in range(ROUNDS):
        history.files.keep_only(())
        ours.append(_seconds(read))
        arrow.append(_seconds(partial(_read_groups, store.path, history.kind, groups)))
    again = min(_seconds(read) for _ in range(ROUNDS))
    count = sum(len(numbers) for _, numbers in groups)
    beside = f"pyarrow, the same {count} row groups: {1e3 * min(arrow):.1f} ms"
    return [
        Figure(name, 1e3 * min(ours), "ms", beside, min(ours) / min(arrow)),
        Figure(f"{name}, again", 1e3 * again, "ms", "decoded in memory"),
    ]


def touched(history: History, names: list[str], start: int, end: int, instant: int) -> list[tuple[str, list[int]]]:
    """Files and row groups that a read decodes."""
    series = np.sort(np.array([history.series.numbers[name] for name in names]))
    near = [s for s in history.segments if s.first_valid_time < end and s.last_valid_time >= start]
    found = [(segment.file, segment.groups.touched(series, start, end, instant).tolist()) for segment in near]
    return [(file, groups) for file, groups in found if groups]


def _read_groups(store: Path, kind: str, groups: list[tuple[str, list[int]]]) -> None:
    columns = ["series", *COLUMNS[kind][1:]]
    for file, numbers in groups:
        pq.ParquetFile(store / SEGMENT_FOLDER / file).read_row_groups(numbers, columns=columns, use_threads=False)


def _disk_figures(store: EmbeddedStore) -> list[Figure]:
    """Bytes on disk."""
    figures = []
    for history in (store.readings, store.official):
        rows = sum(segment.rows for segment in history.segments)
        size = sum((store.path / SEGMENT_FOLDER / segment.file).stat().st_size for segment in history.segments)
        figures.append(Figure(f"sealed {history.kind}", size / max(rows, 1), "bytes", f"{rows:,} rows"))
    batches = list(reading_batches("plant/0", 500, 20, 10_000))
    packed = sum(len(pack(arrived_readings(given.readings).claims)) for given in batches)
    hot = packed / sum(given.readings.num_rows for given in batches)
    return [*figures, Figure("hot reading, batches of 10,000", hot, "bytes", "40 in memory")]


def _frame_figures(path: Path, size: Size) -> list[Figure]:
    """The training frame of all channels, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.store_frame", str(path), str(size.channels), str(size.days)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    name = f"training frame of {size.channels} channels x {size.days} days"
    opened = f"{told['base_mb']:.0f} MB with the store open"
    return [
        Figure(name, told["seconds"], "s", f"{told['values']:,} values"),
        Figure(f"{name}, peak memory", told["peak_mb"], "MB", opened),
    ]


def _seconds(measured: Callable[[], object]) -> float:
    begun = time.perf_counter()
    measured()
    return time.perf_counter() - begun


if __name__ == "__main__":
    typer.run(main)

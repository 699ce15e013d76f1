"""Files as feeds: every kind gives its rows once, and the same file again gives none."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from gridcore.clock import VirtualClock
from gridcore.errors import BadInputError
from gridcore.ports import Batch, Feed
from ingest import json_lines
from ingest.accept import check
from ingest.catalogue import EXAMPLE, EXAMPLES
from ingest.files import open_feed
from ingest.recording import write_recording
from ingest.table_source import TableSource
from tests.ingest.builders import START

CLOCK = VirtualClock(START)
END = START + timedelta(days=3650)
WIRE = {"v": 1, "site": "Cleve", "channel": "Cleve-Wind/power", "unit": "MW", "value": 1.0}


def drained(feed: Feed) -> list[Batch]:
    batches = []
    while (batch := feed.next_until(END)) is not None:
        batches.append(batch)
    return batches


def rows_of(batches: list[Batch]) -> pa.Table:
    return pa.concat_tables([batch.readings for batch in batches])


def lines_file(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def wire(minute: int, **changes: object) -> bytes:
    valid = (START + timedelta(minutes=minute)).isoformat()
    return json.dumps(WIRE | {"valid_time": valid} | changes).encode()


def test_a_grids_directory_is_a_feed(example: TableSource) -> None:
    feed, channels = open_feed(f"file://{EXAMPLES / EXAMPLE}", None, CLOCK)
    batches = drained(feed)
    assert rows_of(batches).equals(example.readings(example.first, example.last))
    assert sum(len(batch.official) for batch in batches) == len(example.official(example.first, END))
    assert channels.period == timedelta(minutes=15)
    name = batches[0].source
    feed.seek({name: batches[-1].next_offset})
    assert feed.next_until(END) is None


def test_a_recording_is_a_feed(example: TableSource, tmp_path: Path) -> None:
    start = example.first + timedelta(days=10)
    facts = write_recording(example, start, start + timedelta(days=1), tmp_path / "rec", 5, 1)
    feed, channels = open_feed(str(tmp_path / "rec"), None, CLOCK)
    batches = drained(feed)
    assert len(rows_of(batches)) == facts["readings"]
    assert all(not check(batch, channels)[1] for batch in batches)


@pytest.mark.parametrize("name", ["old.csv", "old.csv.gz", "with blank.csv"])
def test_a_table_is_a_feed_and_an_unknown_channel_does_not_stop_it(tmp_path: Path, name: str) -> None:
    data = b"valid_time,channel,value\n2024-06-01T00:15Z,Cleve-Wind/power,2\n2024-06-01T00:00Z,Nobody/power,1\n"
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    feed, channels = open_feed(f"file://{tmp_path}/{name}".replace(" ", "%20"), EXAMPLE, CLOCK)
    (batch,) = drained(feed)
    clean, letters = check(batch, channels)
    assert clean.readings.column("value").to_pylist() == [2.0]
    assert [letter.reason for letter in letters] == ["unknown_channel"]
    # 15 minutes of period and 90 s of declared latency.
    assert clean.readings.column("available_at").to_pylist() == [START + timedelta(minutes=31, seconds=30)]


def test_lines_come_in_order_and_bad_ones_are_dead_letters(tmp_path: Path) -> None:
    lines = [wire(0), b"{", b"", wire(15, value="x"), wire(30, sent_at=(START + timedelta(hours=9)).isoformat())]
    path = lines_file(tmp_path / "live.jsonl", lines)
    feed, channels = open_feed(str(path), EXAMPLE, CLOCK)
    assert feed.next_until(START) is None
    first = feed.next_until(START + timedelta(hours=8))
    second = feed.next_until(END)
    assert first is not None
    assert second is not None
    assert [(d.offset, d.reason, d.payload) for d in first.undecodable] == [
        (1, "not_json", b"{"),
        (3, "wrong_type", lines[3]),
    ]
    assert (first.start_offset, first.next_offset, second.next_offset) == (0, 4, 5)
    assert len(check(first, channels)[0].readings) == len(check(second, channels)[0].readings) == 1
    assert second.readings.column("available_at").to_pylist() == [START + timedelta(hours=9)]
    feed.seek({first.source: 4})
    again = feed.next_until(END)
    assert again is not None
    assert again.readings.equals(second.readings)


def test_many_lines_come_in_small_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "LARGEST_BATCH", 2)
    feed, _ = open_feed(str(lines_file(tmp_path / "x.ndjson", [wire(15 * row) for row in range(5)])), EXAMPLE, CLOCK)
    assert [(b.start_offset, b.next_offset) for b in drained(feed)] == [(0, 2), (2, 4), (4, 5)]


def test_a_changed_file_is_another_source(tmp_path: Path) -> None:
    names = set()
    for value in (1.0, 2.0, 1.0):
        path = lines_file(tmp_path / "x.jsonl", [wire(0, value=value)])
        names.add(drained(open_feed(str(path), EXAMPLE, CLOCK)[0])[0].source)
    assert len(names) == 2


@pytest.mark.parametrize(
    ("url", "grid", "words"),
    [
        ("kafka://broker/topic", None, "no known kind"),
        ("file:///nowhere/at/all", None, "no such file"),
        ("{dir}/x.txt", EXAMPLE, "no known kind"),
        ("{dir}/x.txt", None, "without a grid"),
    ],
)
def test_what_is_no_source_is_refused(tmp_path: Path, url: str, grid: str | None, words: str) -> None:
    (tmp_path / "x.txt").write_text("x", encoding="utf-8")
    with pytest.raises(BadInputError, match=words):
        open_feed(url.format(dir=tmp_path), grid, CLOCK)

"""What a feed delivers is recorded as it came, in a recording's order, whole or not at all."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gridcore.errors import BadInputError
from gridcore.ports import Batch
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from ingest.feed_record import FeedRecorder
from ingest.recording import read_recording, write_recording
from ingest.table_source import TableSource
from tests.ingest.builders import batch_of, reading

TABLES = ("readings", "official", "outages")


def batch(**tables: pa.Table) -> Batch:
    """A batch of some of the three tables."""
    empty = {"readings": READING_SCHEMA, "official": OFFICIAL_SCHEMA, "outages": OUTAGE_SCHEMA}
    told = {name: tables.get(name, schema.empty_table()) for name, schema in empty.items()}
    return Batch("t/0", 0, sum(map(len, told.values())), **told)


@pytest.fixture
def recorded(example: TableSource, tmp_path: Path) -> Path:
    """A dirty recording with an outage."""
    start = example.first + timedelta(days=20)
    write_recording(example, start, start + timedelta(days=1), tmp_path / "recorded", dirty_seed=3, history_days=5)
    asset = example.network.assets[0].name
    rows = {"available_at": [start], "asset": [asset], "from": [start], "until": [start + timedelta(hours=1)]}
    pq.write_table(pa.table(rows, OUTAGE_SCHEMA), tmp_path / "recorded" / "outages.parquet")
    return tmp_path / "recorded"


def test_rows_in_whatever_batches_they_come_make_the_recording_they_came_from(
    example: TableSource, recorded: Path, tmp_path: Path
) -> None:
    tables = {name: pq.read_table(recorded / f"{name}.parquet") for name in TABLES}
    with closing(FeedRecorder(example, tmp_path / "copy")) as recorder:
        # A partition keeps the order of a site's rows; partitions come as they like.
        sites = tables["readings"].column("site").to_pylist()
        for partition in (2, 0, 1):
            inside = pa.array([hash_of(site) == partition for site in sites])
            rows = tables["readings"].filter(inside)
            for start in range(0, len(rows), 700):
                recorder.take(batch(readings=rows.slice(start, 700)))
        for name in ("official", "outages"):
            recorder.take(batch(**{name: tables[name]}))
        facts = recorder.finish()
    assert {name: facts[name] for name in TABLES} == {name: len(table) for name, table in tables.items()}
    assert facts["dead_letters"] == {}
    for name in ("readings", "official"):
        assert (tmp_path / "copy" / f"{name}.parquet").read_bytes() == (recorded / f"{name}.parquet").read_bytes()
    assert pq.read_table(tmp_path / "copy" / "outages.parquet").equals(tables["outages"])
    assert read_recording(tmp_path / "copy").network == example.network
    assert sorted(file.name for file in (tmp_path / "copy").iterdir()) == ["grid", *(f"{t}.parquet" for t in ORDERED)]


ORDERED = ("official", "outages", "readings")


def hash_of(site: str) -> int:
    return sum(site.encode()) % 3


def test_rows_beyond_a_row_group_come_in_order(example: TableSource, tmp_path: Path) -> None:
    rows, numbers = 300_000, count()
    channel = example.readings(example.first, example.first + timedelta(hours=1)).slice(0, 1)
    at = np.random.default_rng(0).permutation(rows).astype("datetime64[us]")
    with closing(FeedRecorder(example, tmp_path / "copy")) as recorder:
        for start in range(0, rows, 50_000):
            came = pa.array(at[start : start + 50_000]).cast(READING_SCHEMA.field("available_at").type)
            repeated = channel.take(pa.array(np.zeros(len(came), np.int64)))
            value = pa.array([float(next(numbers)) for _ in range(len(came))])
            repeated = repeated.set_column(0, READING_SCHEMA.field("available_at"), came)
            recorder.take(batch(readings=repeated.set_column(5, READING_SCHEMA.field("value"), value)))
        recorder.finish()
    found = pq.read_table(tmp_path / "copy" / "readings.parquet")
    assert np.array_equal(found.column("available_at").to_numpy().astype("datetime64[us]"), np.sort(at))
    assert np.array_equal(found.column("value").to_numpy(), np.argsort(at).astype(float))


def test_what_nothing_of_the_grid_can_take_is_told_and_kept_beside_the_rest(
    example: TableSource, tmp_path: Path
) -> None:
    good = example.readings(example.first, example.first + timedelta(hours=1))
    stray = batch_of([reading()]).readings
    with closing(FeedRecorder(example, tmp_path / "copy")) as recorder:
        recorder.take(batch(readings=pa.concat_tables([good, stray])))
        facts = recorder.finish()
    assert (facts["readings"], facts["dead_letters"]) == (len(good), {"unknown_channel": 1})
    (letter,) = pq.read_table(tmp_path / "copy" / "dead_letters.parquet").to_pylist()
    assert (letter["source"], letter["offset"], letter["reason"]) == ("t/0", len(good), "unknown_channel")
    assert stray.column("channel")[0].as_py().encode() in letter["payload"]


def test_nothing_is_there_before_all_of_it_is(example: TableSource, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    with closing(FeedRecorder(example, out)) as recorder:
        recorder.take(batch(readings=example.readings(example.first, example.first + timedelta(hours=1))))
        assert not out.exists()
    assert not list(tmp_path.iterdir())
    with closing(FeedRecorder(example, out)) as recorder, pytest.raises(BadInputError, match="nothing to record"):
        recorder.finish()
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_left_alone(example: TableSource, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine").touch()
    with pytest.raises(BadInputError, match="not empty"):
        FeedRecorder(example, tmp_path / "copy")
    assert [file.name for file in (tmp_path / "copy").iterdir()] == ["mine"]

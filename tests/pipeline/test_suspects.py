"""An export tells of jumps and of frozen meters, and changes nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.reading import READING_SCHEMA, Quality
from ingest.channels import channels_of
from pipeline.suspects import flag_suspects
from tests.ingest.builders import WIND, reading, small_network

CHANNELS = channels_of(small_network(), timedelta(minutes=5))


def test_suspects_are_added_to_the_quality_of_an_export(tmp_path: Path) -> None:
    frozen = [reading(WIND, 5.0 * period, 37.5) for period in range(36)]
    rows = [*frozen, reading(WIND, 180.0, 99.0), reading(WIND, 185.0, 98.0) | {"quality": int(Quality.LATE)}]
    table = pa.Table.from_pylist(rows, schema=READING_SCHEMA)
    file = tmp_path / "readings.parquet"
    pq.write_table(table, file, row_group_size=10)
    assert flag_suspects(file, CHANNELS) == {"RAMP": 1, "FROZEN": 36}
    found = pq.read_table(file)
    assert found.column("quality").to_pylist() == [128] * 36 + [64, int(Quality.LATE)]
    assert found.drop_columns("quality").equals(table.drop_columns("quality"))
    assert found.schema == READING_SCHEMA
    assert list(tmp_path.iterdir()) == [file]


def test_an_export_without_readings_is_fine(tmp_path: Path) -> None:
    file = tmp_path / "readings.parquet"
    pq.write_table(READING_SCHEMA.empty_table(), file)
    assert flag_suspects(file, CHANNELS) == {"RAMP": 0, "FROZEN": 0}

"""Suspects of an export: RAMP and FROZEN added to the quality of the readings that a store has written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.reading import Quality
from ingest.channels import ChannelTable
from ingest.sequence import suspects

TOLD_BY = ["channel", "valid_time", "value", "quality"]
"""Columns that the flags are told by."""


def flag_suspects(readings: Path, channels: ChannelTable) -> dict[str, int]:
    """Add the flags to a Parquet file of current readings, and count them.

    The whole file's columns that the flags hang on are held in memory, 28 bytes a reading; the rest passes through in
    row groups. The file is replaced at once, so that a run that breaks off leaves the old one.

    Args:
        readings: File of `READING_SCHEMA`, one row for each (channel, valid_time).
        channels: Channels of the grid that they are of.
    """
    flags = suspects(pq.read_table(readings, columns=TOLD_BY, read_dictionary=["channel"]), channels)
    flagged = readings.with_suffix(".flagged")
    schema = pq.read_schema(readings)
    with pq.ParquetFile(readings) as source, pq.ParquetWriter(flagged, schema, compression="zstd") as writer:
        first = 0
        for group in range(source.num_row_groups):
            rows = source.read_row_group(group)
            place = schema.get_field_index("quality")
            told = rows.column(place).to_numpy() | flags[first : first + len(rows)]
            writer.write_table(rows.set_column(place, schema.field(place), pa.array(told)))
            first += len(rows)
    flagged.replace(readings)
    return {flag.name or "": int(np.count_nonzero(flags & int(flag))) for flag in (Quality.RAMP, Quality.FROZEN)}

"""Telemetry in bulk: many channels' readings of many periods, numbered so that a test can tell each one."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from gridcore.ports import Batch, Counts
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from gridcore.timeline import TIMESTAMP
from storage import history
from storage.columns import micros
from storage.embedded import EmbeddedStore
from tests.contracts.store_content import START, decision

STEP_US = 300_000_000
"""Five minutes [us]."""


def channel_names(channels: int) -> list[str]:
    """Names of the channels."""
    return [f"W{number}/power" for number in range(channels)]


def telemetry(channels: int, first_step: int, steps: int) -> pa.Table:
    """`READING_SCHEMA` rows sorted by available_at, channel; the value is the row's number since step 0."""
    count = channels * steps
    valid_time = micros(START) + STEP_US * (first_step + np.repeat(np.arange(steps), channels))
    codes = pa.array(np.tile(np.arange(channels), steps).astype(np.int32))
    labels = pa.DictionaryArray.from_arrays(codes, pa.array(channel_names(channels))).cast(pa.string())
    value = np.arange(channels * first_step, channels * (first_step + steps), dtype=np.float64)
    columns = {
        "available_at": pa.array(valid_time + STEP_US + 60_000_000).view(TIMESTAMP),
        "valid_time": pa.array(valid_time).view(TIMESTAMP),
        "site": pa.repeat("bus-1", count),
        "channel": labels,
        "quantity": pa.repeat("power", count),
        "value": pa.array(value),
        "unit": pa.repeat("MW", count),
        "revision": pa.array(np.zeros(count, np.int32)),
        "quality": pa.array(np.zeros(count, np.int32)),
    }
    return pa.table(columns, schema=READING_SCHEMA)


def telemetry_batch(source: str, channels: int, first_step: int, steps: int) -> Batch:
    """The rows of some steps; the offset is the row's number since step 0."""
    rows = telemetry(channels, first_step, steps)
    empty = OFFICIAL_SCHEMA.empty_table(), OUTAGE_SCHEMA.empty_table()
    return Batch(source, channels * first_step, channels * (first_step + steps), rows, *empty)


def sealed_store(path: Path) -> EmbeddedStore:
    """A new store with a segment of 30,000 readings of source `plant/0`, and a decision of `START`."""
    store = EmbeddedStore(path)
    accept_sealed(store, telemetry_batch("plant/0", 100, 0, 300))
    store.publish(decision(0))
    return store


def accept_sealed(store: EmbeddedStore, batch: Batch) -> Counts:
    """Take a batch of 20,000 readings and more in as a segment."""
    with patch.object(history, "SEGMENT_ROWS", 20_000):
        return store.accept(batch, ())

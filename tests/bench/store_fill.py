"""A store to measure: a year of readings and of forecasts given to us, taken in batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from gridcore.ports import Batch
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from storage.columns import micros, to_timestamps

START = datetime(2019, 1, 1, tzinfo=UTC)
"""First period."""

PERIOD_US, HOUR_US = 900_000_000, 3_600_000_000
"""15 minutes and an hour [us]."""

HORIZON, ISSUE_HOURS = 48, 6
"""Hours of a vintage; hours between two."""


@dataclass(frozen=True)
class Size:
    """How much is stored."""

    channels: int = 500
    """Channels of readings."""

    days: int = 365
    """Days of readings and forecasts."""

    assets: int = 200
    """Assets with forecasts."""

    @property
    def end(self) -> datetime:
        """End of the last day."""
        return START + timedelta(days=self.days)


FULL = Size()
"""17.5 million readings and 14 million forecast values."""

SHORT = Size(days=36)
"""A tenth of it."""


def channel_names(channels: int) -> list[str]:
    """Names such as a utility's meters have."""
    return [f"site-{number % 97:03d}/meter-{number:07d}/power" for number in range(channels)]


def readings(channels: int, first_step: int, steps: int) -> pa.Table:
    """`READING_SCHEMA` rows by period: walks in steps of 1 kW, each had within a minute of its period's end."""
    count, draw = channels * steps, np.random.default_rng(first_step)
    valid_time = micros(START) + PERIOD_US * (first_step + np.repeat(np.arange(steps), channels))
    codes = pa.array(np.tile(np.arange(channels, dtype=np.int32), steps))
    names, sites = channel_names(channels), [f"site-{number % 97:03d}" for number in range(channels)]
    walk = np.cumsum(draw.normal(0.0, 0.3, (steps, channels)), axis=0) + np.arange(channels) % 40 + 5.0
    none = pa.array(np.zeros(count, np.int32))
    columns = [
        to_timestamps(valid_time + PERIOD_US + draw.integers(0, 60_000_000, count)),
        to_timestamps(valid_time),
        pa.array(sites).take(codes),
        pa.array(names).take(codes),
        pa.repeat("power", count),
        pa.array(np.round(walk, 3).reshape(-1)),
        pa.repeat("MW", count),
        none,
        none,
    ]
    return pa.Table.from_arrays(columns, schema=READING_SCHEMA)


def forecasts(assets: int, issue: int) -> pa.Table:
    """`OFFICIAL_SCHEMA` rows of one issue of all assets, had five minutes after it."""
    count, draw = assets * HORIZON, np.random.default_rng(issue)
    issue_time = micros(START) + HOUR_US * ISSUE_HOURS * issue
    codes = pa.array(np.repeat(np.arange(assets, dtype=np.int32), HORIZON))
    columns = [
        to_timestamps(np.full(count, issue_time + 300_000_000)),
        to_timestamps(np.full(count, issue_time)),
        to_timestamps(issue_time + HOUR_US * np.tile(np.arange(1, HORIZON + 1), assets)),
        pa.array([f"plant-{number:05d}" for number in range(assets)]).take(codes),
        pa.array(np.round(draw.gamma(2.0, 20.0, count), 3)),
    ]
    return pa.Table.from_arrays(columns, schema=OFFICIAL_SCHEMA)


def batch(source: str, offset: int, given: pa.Table) -> Batch:
    """Readings or official values as a batch of which each row has an offset."""
    rows = {READING_SCHEMA: READING_SCHEMA.empty_table(), OFFICIAL_SCHEMA: OFFICIAL_SCHEMA.empty_table()}
    rows[given.schema] = given
    ends = (offset, offset + given.num_rows)
    return Batch(source, *ends, rows[READING_SCHEMA], rows[OFFICIAL_SCHEMA], OUTAGE_SCHEMA.empty_table())


def reading_batches(source: str, channels: int, steps: int, rows: int) -> Iterator[Batch]:
    """All readings of some periods in batches of about `rows`."""
    at_a_time = max(1, rows // channels)
    for first in range(0, steps, at_a_time):
        some = readings(channels, first, min(at_a_time, steps - first))
        yield batch(source, first * channels, some)


def forecast_batches(source: str, size: Size) -> Iterator[Batch]:
    """All forecasts, an issue in each batch."""
    for issue in range(size.days * 24 // ISSUE_HOURS):
        yield batch(source, issue * size.assets * HORIZON, forecasts(size.assets, issue))

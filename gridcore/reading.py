"""Readings: telemetry as columns, its quality code, and the step from long table to matrix."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import IntFlag, StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.timeline import TIMESTAMP, Instants, periods_between, to_numpy

READING_SCHEMA = pa.schema(
    [
        ("available_at", TIMESTAMP),
        ("valid_time", TIMESTAMP),
        ("site", pa.string()),
        ("channel", pa.string()),
        ("quantity", pa.string()),
        ("value", pa.float64()),
        ("unit", pa.string()),
        ("revision", pa.int32()),
        ("quality", pa.int32()),
    ]
)
"""A reading: value of a channel over the period that starts at `valid_time`, first had at `available_at`.

`quantity` is power, limit, load, soc, status or inflow; `unit` MW, MWh or 1. Identity is (channel, valid_time,
revision); the highest revision known is the current one.
"""

OFFICIAL_SCHEMA = pa.schema(
    [
        ("available_at", TIMESTAMP),
        ("issue_time", TIMESTAMP),
        ("valid_time", TIMESTAMP),
        ("asset", pa.string()),
        ("power_mw", pa.float64()),
    ]
)
"""A forecast given to us, weather-driven. `asset` is a forecast target's name, a hydro unit, or `reserve/PRODUCT`."""

OUTAGE_SCHEMA = pa.schema(
    [("available_at", TIMESTAMP), ("asset", pa.string()), ("from", TIMESTAMP), ("until", TIMESTAMP)]
)
"""An asset or branch out of service in [from, until)."""


class OfficialValue(StrEnum):
    """What a value of an official series says of its period; a property of the series, declared by its grid."""

    MEAN = "mean"
    """The mean power over the period."""

    RAMP = "ramp"
    """The power reached at the period's end, on a straight line from the value of the period before."""


class Quality(IntFlag):
    """Quality code of a reading, a sum of flags; 0 is good. A flagged value is kept and never silently used."""

    GOOD = 0
    LATE = 1
    """Came more than an hour after its period's end; a good value all the same."""
    OUT_OF_RANGE = 2
    """Outside the channel's plausible range."""
    FUTURE = 4
    """Its period had not ended when it came: a skewed clock."""
    NOT_A_NUMBER = 8
    """NaN or infinite; stored as NaN."""
    CONFLICT = 16
    """Equal revision, another value, than one stored before."""
    STALE = 32
    """Came so long after its period that its stamp is in doubt; usable all the same."""
    RAMP = 64
    """A suspect: moved from its neighbour further than its kind of channel does. Never stored, see SUSPECTS."""
    FROZEN = 128
    """A suspect: one of many equal values where none stands still. Never stored, see SUSPECTS."""


UNUSABLE = Quality.OUT_OF_RANGE | Quality.FUTURE | Quality.NOT_A_NUMBER
"""Flags that keep a value out of models and state."""

SUSPECTS = Quality.RAMP | Quality.FROZEN
"""Flags that hang on a reading's neighbours: told of what is known by whoever reads it, never kept with the reading."""


def to_matrix(
    table: pa.Table,
    keys: Sequence[str],
    start: datetime,
    end: datetime,
    resolution: timedelta,
    *,
    key_column: str = "channel",
    value_column: str = "value",
) -> npt.NDArray[np.float64]:
    """Values by key and period, NaN where there is none or a flag of `UNUSABLE` stands; several in a cell are averaged.

    Args:
        table: Columns key_column, valid_time, value_column and, if present, quality.
        keys: Rows wanted, in order; other keys of the table are passed over.
        start: First period start.
        end: End of the last period (exclusive).
        resolution: Period length; finer readings are averaged.
        key_column: Column of the keys.
        value_column: Column of the values.

    Returns:
        Shape (keys, periods).
    """
    periods = len(periods_between(start, end, resolution))
    row_of = {key: row for row, key in enumerate(keys)}
    column = table.column(key_column).combine_chunks()
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    code_row = np.array([row_of.get(name, -1) for name in names] or [-1], dtype=np.int64)
    rows = code_row[encoded.indices.to_numpy(zero_copy_only=False)] if len(table) else np.zeros(0, dtype=np.int64)
    valid = table.column("valid_time").to_numpy().astype("datetime64[us]")
    step = np.timedelta64(resolution).astype("timedelta64[us]").astype(np.int64)
    cells = (valid - to_numpy(start)).astype("timedelta64[us]").astype(np.int64) // step
    values = table.column(value_column).to_numpy().astype(np.float64)
    good = (rows >= 0) & (cells >= 0) & (cells < periods) & np.isfinite(values)
    if "quality" in table.column_names:
        good &= (table.column("quality").to_numpy().astype(np.int64) & int(UNUSABLE)) == 0
    flat = rows[good] * periods + cells[good]
    total = np.bincount(flat, weights=values[good], minlength=len(keys) * periods)
    count = np.bincount(flat, minlength=len(keys) * periods)
    mean = np.full(len(keys) * periods, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean.reshape(len(keys), periods)


def held_matrix(
    table: pa.Table,
    keys: Sequence[str],
    valid_time: Instants,
    hold: timedelta = timedelta(hours=1),
    *,
    key_column: str = "asset",
    value_column: str = "power_mw",
) -> npt.NDArray[np.float64]:
    """Values of coarser series at finer periods: each holds until its series' next one, at most `hold`; NaN elsewhere.

    Args:
        table: Columns key_column, valid_time, value_column; one row for each (key, valid_time).
        keys: Rows wanted, in order.
        valid_time: Period starts wanted, shape (periods,).
        hold: Longest time that a value stands for.
        key_column: Column of the keys.
        value_column: Column of the values.

    Returns:
        Shape (keys, periods).
    """
    matrix = np.full((len(keys), len(valid_time)), np.nan)
    if not len(table):
        return matrix
    encoded = table.column(key_column).combine_chunks().dictionary_encode()
    code_of = {name: code for code, name in enumerate(encoded.dictionary.to_pylist())}
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    instants = table.column("valid_time").to_numpy().astype("datetime64[us]")
    values = table.column(value_column).to_numpy().astype(np.float64)
    order = np.lexsort((instants, codes))
    codes, instants, values = codes[order], instants[order], values[order]
    longest = np.timedelta64(hold)
    for row, key in enumerate(keys):
        if key not in code_of:
            continue
        first, last = np.searchsorted(codes, [code_of[key], code_of[key] + 1])
        at = np.searchsorted(instants[first:last], valid_time, side="right") - 1
        found = at >= 0
        found[found] = valid_time[found] - instants[first:last][at[found]] < longest
        matrix[row, found] = values[first:last][at[found]]
    return matrix

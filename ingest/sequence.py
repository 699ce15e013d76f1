"""Sequence: which readings are suspect beside their neighbours. A pure function of what is known, never of how it came.

A value that jumped (RAMP) or stood still for hours (FROZEN) can be told from a stretch of readings alone, and a later
arrival can change the answer. So these flags are not stored: whoever reads asks for them, and no cut into batches, kill
or order of arrival can matter. They are suspects and keep no value from models: docs/quality.md.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.reading import UNUSABLE, Quality
from ingest.channels import ChannelTable

FROZEN_AFTER = timedelta(hours=3)
"""Equal values for this long are suspect: twice the longest stretch in RTS-GMLC's actuals (95 min, rounded roofs)."""

FROZEN_VALUES = 6
"""Equal values that a suspect stretch has at least, however long their periods."""

NEAR_PERIODS = 3
"""Readings further apart than so many periods are no neighbours."""

LIMIT_SLACK = 0.02
"""A farm stands on its limit when its output is within this share of it."""

Flags = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]


def suspects(readings: pa.Table, channels: ChannelTable) -> Flags:
    """RAMP and FROZEN of readings, shape (rows,).

    Args:
        readings: Columns channel, valid_time, value, quality, in any order; one row for each (channel, valid_time), as
            `Known.readings` gives them. The limit of a farm counts where its channel is among them. Readings of unknown
            channels and unusable ones are no one's neighbours and get no flag.
        channels: The grid's channels.
    """
    flags = np.zeros(len(readings), np.int32)
    row_of = _rows(readings, channels)
    values = readings.column("value").to_numpy().astype(np.float64)
    quality = readings.column("quality").to_numpy().astype(np.int64)
    good = np.flatnonzero((row_of >= 0) & np.isfinite(values) & ((quality & int(UNUSABLE)) == 0))
    valid_us = readings.column("valid_time").to_numpy().astype("datetime64[us]").astype(np.int64)
    order = good[np.lexsort((valid_us[good], row_of[good]))]
    if len(order) < 2:
        return flags
    row, valid, value = row_of[order], valid_us[order], values[order]
    period_us = channels.period // timedelta(microseconds=1)
    near = (np.diff(row) == 0) & (np.diff(valid) <= NEAR_PERIODS * period_us)
    jumped = np.append(False, near & _jumps(row, valid, value, channels))
    frozen = _frozen(row, valid, value, near, channels)
    flags[order] = jumped * np.int32(Quality.RAMP) | frozen * np.int32(Quality.FROZEN)
    return flags


def _rows(readings: pa.Table, channels: ChannelTable) -> Int64s:
    """Each reading's channel row, -1 for an unknown one, shape (rows,)."""
    column = readings.column("channel")
    whole = column.combine_chunks() if column.num_chunks else pa.array([], pa.string())
    encoded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    codes = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)
    rows: Int64s = np.append(channels.rows_of(encoded.dictionary), -1)[codes]
    return rows


def _jumps(row: Int64s, valid: Int64s, value: npt.NDArray[np.float64], channels: ChannelTable) -> Mask:
    """The second of each two rows moved further than its channel does, shape (rows - 1,)."""
    motion, after = channels.motions, row[1:]
    minutes = np.diff(valid) / 60e6
    larger = np.maximum(np.abs(value[1:]), np.abs(value[:-1]))
    plausible = motion["jump"][after] + motion["jump_share"][after] * larger + motion["ramp_per_min"][after] * minutes
    moved: Mask = np.abs(np.diff(value)) > plausible
    return moved


def _frozen(row: Int64s, valid: Int64s, value: npt.NDArray[np.float64], near: Mask, channels: ChannelTable) -> Mask:
    """Rows of stretches that stand still for too long where nothing holds them, shape (rows,)."""
    motion = channels.motions
    alive = motion["can_freeze"][row] == 0
    natural = (value <= motion["still_below"][row]) | (value >= motion["still_above"][row])
    is_free = ~alive & ~natural & ~_is_limited(row, valid, value, channels)
    joins = near & (np.diff(value) == 0) & is_free[1:] & is_free[:-1]
    first = np.flatnonzero(np.append(True, ~joins))
    last = np.append(first[1:], len(row)) - 1
    period_us = channels.period // timedelta(microseconds=1)
    lasts = valid[last] + period_us - valid[first]
    still = (lasts >= FROZEN_AFTER // timedelta(microseconds=1)) & (last - first + 1 >= FROZEN_VALUES)
    return np.repeat(still, last - first + 1)


def _is_limited(row: Int64s, valid: Int64s, value: npt.NDArray[np.float64], channels: ChannelTable) -> Mask:
    """The row's channel has a limit at its instant that its value has reached; rows sorted by row, valid."""
    limited = np.zeros(len(row), bool)
    limit = channels.limit_of[row]
    has = np.flatnonzero(limit >= 0)
    if not len(has):
        return limited
    keys = np.rec.fromarrays((row, valid))
    wanted = np.rec.fromarrays((limit[has], valid[has]))
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found = (row[at] == limit[has]) & (valid[at] == valid[has])
    limited[has] = found & (value[has] >= value[at] * (1 - LIMIT_SLACK))
    return limited

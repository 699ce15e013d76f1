"""History as columns: telemetry on a 5-minute grid with the instant each value was first had, and official series.

One `History` serves one kind of targets. A live tick builds it from `known_at(t)`; a fit or a back-test builds it once
from a later cut and asks for earlier issue times: what arrived after an issue time is masked by `available_at`, so that
both ways see the same. Two things the later cut no longer knows as they were: a value corrected after the issue time
(it shows the correction or nothing), and for a curtailed value a limit or a free reading before it that came after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from forecasting.censoring import FADE_H, bridge, is_censored
from forecasting.settings import CELL, CELLS_PER_SLOT, SLOT
from gridcore.ports import Known
from gridcore.reading import to_matrix
from gridcore.target import Target, limit_channel
from gridcore.timeline import PLANT_PERIOD, Instants, from_numpy, to_numpy

DAY = np.timedelta64(86_400_000_000, "us")
"""A UTC day."""

SLOTS_PER_HOUR = 4
"""Forecast periods of an hour."""

NEVER = 2**62
"""`available_at` of what is not there [us since 1970]; a power of two, so that it survives a trip through floats."""

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class History:
    """What is known of one kind's targets over whole UTC days from `start` on."""

    start: np.datetime64
    """Start of the first UTC day, `datetime64[us]`."""

    cells: Floats
    """Telemetry, curtailed values bridged, shape (targets, cells) [MW]; NaN where there is none."""

    cells_at: Integers
    """When each cell was first had, shape (targets, cells) [us since 1970]; `NEVER` where there is none."""

    truth: Floats
    """Means of uncurtailed periods, shape (targets, slots) [MW]; NaN where missing or curtailed."""

    official: Floats
    """Official series by issue, oldest first, shape (issues, targets, slots) [MW]."""

    official_at: Integers
    """When each official value was first had, shape (issues, targets, slots) [us since 1970]."""

    official_is_hourly: bool
    """The official series gives hourly means, so that a line between their middles says more than the steps."""

    official_quarter: Integers
    """Slots since the start of the hourly official value that holds, 0 to 3, shape (targets, slots)."""

    def official_known(self, valid: Instants, issue: Instants) -> Floats:
        """The newest official value known at each issue time, shape (issue times, targets, steps) [MW].

        Args:
            valid: Period starts, shape (issue times, steps).
            issue: Issue times, shape (issue times,).
        """
        index, inside = self._slot_index(valid)
        result = np.full((valid.shape[0], self.cells.shape[0], valid.shape[1]), np.nan)
        cut = issue.astype(np.int64)[:, None, None]
        for power, had in zip(self.official, self.official_at, strict=True):
            taken = (had[:, index].transpose(1, 0, 2) <= cut) & inside[:, None, :]
            result = np.where(taken, power[:, index].transpose(1, 0, 2), result)
        return result

    def slots_known(self, valid: Instants, issue: Instants) -> Floats:
        """Means of what was known of past periods, NaN under half, shape (issue times, targets, steps) [MW]."""
        index, inside = self._slot_index(valid)
        cell = index[..., None] * CELLS_PER_SLOT + np.arange(CELLS_PER_SLOT)
        cut = issue.astype(np.int64)[:, None, None, None]
        known = (self.cells_at[:, cell].transpose(1, 0, 2, 3) <= cut) & inside[:, None, :, None]
        return _mean_of_half(np.where(known, self.cells[:, cell].transpose(1, 0, 2, 3), np.nan))

    def official_minute(self, valid: Instants) -> Floats:
        """Middle of each period in the hour of the official value [min], shape (issue times, targets, steps).

        Where a zone is half an hour off UTC, so are the hours of its official series.
        """
        index, inside = self._slot_index(valid)
        beyond = ((valid - self.start) // SLOT).astype(np.int64)[:, None, :] % SLOTS_PER_HOUR
        quarter = np.where(inside[:, None, :], self.official_quarter[:, index].transpose(1, 0, 2), beyond)
        return np.asarray(quarter * 15.0 + 7.5)

    def truth_at(self, valid: Instants) -> Floats:
        """What came true, shape (issue times, targets, steps) [MW]; NaN where missing or curtailed."""
        index, inside = self._slot_index(valid)
        return np.where(inside[:, None, :], self.truth[:, index].transpose(1, 0, 2), np.nan)

    def window(self, issue: Instants, cells: int) -> Floats:
        """The newest `cells` telemetry cells that had ended, oldest first, shape (issue times, targets, cells) [MW]."""
        last = (issue - self.start) // CELL
        index = last[:, None].astype(np.int64) - np.arange(cells, 0, -1)
        inside = (index >= 0) & (index < self.cells.shape[1])
        index = np.where(inside, index, 0)
        known = (self.cells_at[:, index].transpose(1, 0, 2) <= issue.astype(np.int64)[:, None, None]) & inside[:, None]
        return np.where(known, self.cells[:, index].transpose(1, 0, 2), np.nan)

    def _slot_index(self, valid: Instants) -> tuple[Integers, npt.NDArray[np.bool_]]:
        index = ((valid - self.start) // SLOT).astype(np.int64)
        inside = (index >= 0) & (index < self.truth.shape[1])
        return np.where(inside, index, 0), inside


def read_history(known: Known, targets: Sequence[Target], start: datetime, end: datetime, all_issues: bool) -> History:
    """Telemetry in [start, known.instant) and official values in [start, end) of one kind's targets.

    Args:
        known: The door to history.
        targets: Targets of one kind.
        start: First instant wanted; extended to its UTC day.
        end: End of the last period wanted; extended to its UTC day.
        all_issues: Read every issue of the official series (to ask for earlier issue times), not the newest alone.
    """
    first = to_numpy(start).astype("datetime64[D]").astype("datetime64[us]")
    days = int(-((first - to_numpy(end)) // DAY))
    span = (from_numpy(first), from_numpy(first + days * DAY))
    names = [target.name for target in targets]
    table = (known.official_vintages if all_issues else known.official)(names, *span)
    official, official_at, quarter = _official_grids(table, names, first, days)
    is_hourly = (native_step(table, "asset") or timedelta(hours=1)) >= timedelta(hours=1)
    power, power_at, hold = _telemetry(known, targets, span)
    censored = np.zeros(power.shape, dtype=bool)
    cells = power
    if targets and (fade_h := FADE_H.get(targets[0].kind)) is not None:
        capacity = np.array([target.capacity_mw for target in targets])
        censored = is_censored(power, _limits(known, names, span, hold), capacity)
        if censored.any():
            issues = official, official_at
            if not all_issues:
                # The newest issue alone does not tell what was known when the farm was held.
                issues = _official_grids(known.official_vintages(names, *span), names, first, days)[:2]
            cells = bridge(power, censored, _official_when(*issues, power_at), capacity, fade_h)
    truth = _truth(power, censored)
    return History(first, cells, power_at, truth, official, official_at, is_hourly, quarter)


def native_step(table: pa.Table, key_column: str) -> timedelta | None:
    """The most common distance between neighbouring values of a key; None where no key has two.

    Args:
        table: Columns key_column and valid_time, sorted by them.
        key_column: `channel` or `asset`.
    """
    if len(table) < 2:
        return None
    keys = table.column(key_column).combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    valid = table.column("valid_time").to_numpy().astype("datetime64[us]").astype(np.int64)
    steps = np.diff(valid)[(np.diff(keys) == 0) & (np.diff(valid) > 0)]
    if not len(steps):
        return None
    values, counts = np.unique(steps, return_counts=True)
    return timedelta(microseconds=int(values[np.argmax(counts)]))


def _telemetry(
    known: Known, targets: Sequence[Target], span: tuple[datetime, datetime]
) -> tuple[Floats, Integers, int]:
    """Power and its `available_at` on the cell grid, and the cells that a reading holds: its own period."""
    channels = [target.channel for target in targets]
    table = known.readings(channels, span[0], min(span[1], known.instant))
    step = native_step(table, "channel") or PLANT_PERIOD
    hold = max(1, int(step / PLANT_PERIOD))
    power = _hold(to_matrix(table, channels, *span, PLANT_PERIOD), hold)
    had = table.select(["channel", "valid_time", "quality"])
    had = had.append_column("at", table.column("available_at").cast(pa.int64()))
    at = _hold(to_matrix(had, channels, *span, PLANT_PERIOD, value_column="at"), hold)
    return power, np.where(np.isfinite(power), np.nan_to_num(at, nan=0.0), NEVER).astype(np.int64), hold


def _limits(known: Known, names: Sequence[str], span: tuple[datetime, datetime], hold: int) -> Floats:
    """Limits in force; each holds as long as a reading of power: limits are too rare to tell their own period."""
    channels = [limit_channel(name) for name in names]
    table = known.readings(channels, span[0], min(span[1], known.instant))
    return _hold(to_matrix(table, channels, *span, PLANT_PERIOD), hold)


def _official_when(official: Floats, official_at: Integers, cells_at: Integers) -> Floats:
    """The newest official value known when each cell was had, shape (targets, cells) [MW]."""
    result = np.full(cells_at.shape, np.nan)
    for power, had in zip(official, official_at, strict=True):
        taken = np.repeat(had, CELLS_PER_SLOT, axis=1) <= cells_at
        result = np.where(taken & (cells_at < NEVER), np.repeat(power, CELLS_PER_SLOT, axis=1), result)
    return result


def _hold(matrix: Floats, periods: int) -> Floats:
    """Carry each value over the periods it is about; a gap stays a gap."""
    result = matrix.copy()
    for shift in range(1, periods):
        result[:, shift:] = np.where(np.isnan(result[:, shift:]), matrix[:, :-shift], result[:, shift:])
    return result


def _truth(cells: Floats, censored: npt.NDArray[np.bool_]) -> Floats:
    """Slot means, shape (targets, slots); NaN where under half is known or any cell is censored."""
    grouped = (cells.shape[0], -1, CELLS_PER_SLOT)
    means = _mean_of_half(cells.reshape(grouped))
    means[censored.reshape(grouped).any(axis=2)] = np.nan
    return means


def _mean_of_half(values: Floats) -> Floats:
    """Mean over the last axis, NaN where under half of it is known."""
    count = np.isfinite(values).sum(axis=-1)
    total = np.nansum(values, axis=-1)
    return np.where(count * 2 >= values.shape[-1], total / np.maximum(count, 1), np.nan)


def _official_grids(
    table: pa.Table, names: Sequence[str], first: np.datetime64, days: int
) -> tuple[Floats, Integers, Integers]:
    """Official values by issue and slot, when they were had, and the slots since the start of the value that holds.

    A value holds over its own period, at most an hour.
    """
    slots = days * int(DAY // SLOT)
    step = native_step(table, "asset") or timedelta(hours=1)
    hold = max(1, int(min(step, timedelta(hours=1)) / SLOT.astype(timedelta)))
    issue = table.column("issue_time").to_numpy().astype("datetime64[us]").astype(np.int64)
    had = table.column("available_at").to_numpy().astype("datetime64[us]").astype(np.int64)
    power = table.column("power_mw").to_numpy().astype(np.float64)
    valid = table.column("valid_time").to_numpy().astype("datetime64[us]")
    row_of = {name: row for row, name in enumerate(names)}
    encoded = table.column("asset").combine_chunks().dictionary_encode()
    codes = np.array([row_of.get(name, -1) for name in encoded.dictionary.to_pylist()] or [-1], dtype=np.int64)
    rows = codes[encoded.indices.to_numpy(zero_copy_only=False)] if len(table) else np.zeros(0, dtype=np.int64)
    index = ((valid - first) // SLOT).astype(np.int64)
    good = (rows >= 0) & (index >= 0) & (index < slots) & np.isfinite(power)
    rows, index, issue, had, power = rows[good], index[good], issue[good], had[good], power[good]
    flat = rows * slots + index
    order = np.lexsort((had, issue, flat))
    flat, had, power = flat[order], had[order], power[order]
    layer = _rank_in_group(flat)
    layers = int(layer.max()) + 1 if len(layer) else 1
    grid = np.full((layers, len(names) * slots), np.nan)
    at = np.full(grid.shape, NEVER, dtype=np.int64)
    grid[layer, flat], at[layer, flat] = power, had
    shape = (layers * len(names), slots)
    missing = np.isnan(grid.reshape(shape))
    grid_held = _hold(grid.reshape(shape), hold).reshape(layers, len(names), slots)
    at_float = np.where(missing, np.nan, at.reshape(shape).astype(np.float64))
    at_held = _hold(at_float, hold).reshape(layers, len(names), slots)
    starts = ~missing.reshape(layers, len(names), slots).all(axis=0)
    quarter = _quarters(starts if hold == SLOTS_PER_HOUR else np.zeros_like(starts))
    return grid_held, np.where(np.isfinite(at_held), np.nan_to_num(at_held), NEVER).astype(np.int64), quarter


def _quarters(starts: npt.NDArray[np.bool_]) -> Integers:
    """Slots since the start of an official hour, 0 to 3, in gaps as if the hours went on, shape (targets, slots).

    Before the first start counted back from it; by the hours of UTC where a target has none.
    """
    slots = np.arange(starts.shape[1])
    last = np.maximum.accumulate(np.where(starts, slots, -1), axis=1)
    first = np.where(starts.any(axis=1), starts.argmax(axis=1), 0)[:, None]
    return np.asarray((slots - np.where(last >= 0, last, first)) % SLOTS_PER_HOUR)


def _rank_in_group(sorted_keys: Integers) -> Integers:
    """Position of each element within its run of equal keys."""
    if not len(sorted_keys):
        return sorted_keys
    starts = np.flatnonzero(np.r_[True, np.diff(sorted_keys) != 0])
    lengths = np.diff(np.r_[starts, len(sorted_keys)])
    return np.arange(len(sorted_keys)) - np.repeat(starts, lengths)

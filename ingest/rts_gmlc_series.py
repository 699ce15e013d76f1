"""Time series files of RTS-GMLC: Year, Month, Day, Period (1 = 00:00 UTC-8, a period's start) and columns of MW."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from gridcore.errors import BadInputError
from gridcore.timeline import Instants
from ingest.regular import Values

HOUR = timedelta(hours=1)
"""Period of the day-ahead series."""

BEHIND_UTC = np.timedelta64(8, "h")
"""The clock of every file: UTC-8 all year."""

DAY_COLUMNS, KEY_COLUMNS = ("Year", "Month", "Day"), ("Year", "Month", "Day", "Period")
"""Columns that say when."""


@dataclass(frozen=True)
class Series:
    """The columns of one file."""

    file: Path
    """Where it was read from."""

    valid_time: Instants
    """Period starts in UTC, ascending without a gap, shape (periods,)."""

    names: list[str]
    """Column names."""

    values: Values
    """Shape (periods, names) [MW]."""


def read_series(path: Path, period: timedelta) -> Series:
    """A file with one period a row.

    Raises:
        BadInputError: The file is missing or no CSV, a column is absent, no number, or periods are not consecutive.
    """
    table = _read(path)
    names = [name for name in table.column_names if name not in KEY_COLUMNS]
    step = np.timedelta64(period).astype("timedelta64[us]")
    valid_time = _days(table, path) + (_numbers(table, "Period", path) - 1).astype(np.int64) * step
    values = np.column_stack([_numbers(table, name, path) for name in names])
    _check_consecutive(valid_time, step, path)
    return Series(path, valid_time, names, values)


def read_wide_series(path: Path, name: str, period: timedelta) -> Series:
    """A file with one day a row and the day's periods as columns 1, 2, ...; raises as `read_series`."""
    table = _read(path)
    step = np.timedelta64(period).astype("timedelta64[us]")
    columns = range(1, int(timedelta(days=1) / period) + 1)
    values = np.column_stack([_numbers(table, str(column), path) for column in columns])
    starts = _days(table, path)[:, None] + np.arange(len(columns)) * step
    _check_consecutive(starts.reshape(-1), step, path)
    return Series(path, starts.reshape(-1), [name], values.reshape(-1, 1))


def _read(path: Path) -> pa.Table:
    """The file as Arrow; one thread, so that replays side by side share the machine."""
    try:
        return csv.read_csv(path, read_options=csv.ReadOptions(use_threads=False, block_size=1 << 23))
    except (OSError, pa.ArrowInvalid) as cause:
        raise BadInputError("an unreadable series file", file=path, got=cause, wanted="CSV with a header") from cause


def _numbers(table: pa.Table, name: str, path: Path) -> npt.NDArray[np.float64]:
    """One column as float64 without a gap."""
    if name not in table.column_names:
        raise BadInputError("a missing column", file=path, got=", ".join(table.column_names[:6]), wanted=name)
    column = table.column(name)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise BadInputError("a column of no numbers", file=path, asset=name, got=column.type, wanted="numbers")
    values: npt.NDArray[np.float64] = column.to_numpy().astype(np.float64)
    if not np.isfinite(values).all():
        line = int(np.flatnonzero(~np.isfinite(values))[0]) + 2
        raise BadInputError("a gap in a series", file=f"{path}, line {line}", asset=name, wanted="a number")
    return values


def _days(table: pa.Table, path: Path) -> Instants:
    """First instant of each row's day, in UTC."""
    year, month, day = (_numbers(table, column, path).astype(np.int64) for column in DAY_COLUMNS)
    months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    midnight: Instants = (months.astype("datetime64[D]") + (day - 1)).astype("datetime64[us]")
    return midnight + BEHIND_UTC


def _check_consecutive(valid_time: Instants, step: np.timedelta64, path: Path) -> None:
    """Periods follow each other without gap or repetition."""
    wrong = np.flatnonzero(np.diff(valid_time) != step)
    if len(wrong) or not len(valid_time):
        row = int(wrong[0]) + 1 if len(wrong) else 0
        instant = str(valid_time[row]) if len(wrong) else None
        raise BadInputError(
            "periods not consecutive", file=f"{path}, row {row + 1}", instant=instant, wanted=f"{step} apart"
        )

"""Columns in and out: Arrow tables of the contract to claims, and claims back to tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.errors import BrokenInvariantError
from gridcore.timeline import TIMESTAMP, from_numpy, to_numpy
from storage.claims import Claims, Int64s, canonical


@dataclass(frozen=True, slots=True)
class Label:
    """What a series is."""

    name: str
    """Channel, or asset of an official series."""

    site: str = ""
    """Site of a channel."""

    quantity: str = ""
    """Quantity of a channel."""

    unit: str = ""
    """Unit of a channel."""


@dataclass(frozen=True)
class Arrived:
    """Claims of a batch whose series still have the batch's own numbers."""

    labels: tuple[Label, ...]
    """Each series of the batch; a name that comes with two units has two labels."""

    claims: Claims
    """In the batch's order; `series` is the place in `labels`."""

    def numbered(self, number_of: npt.NDArray[np.int32]) -> Claims:
        """The claims with the store's series numbers, `number_of` giving that of each label."""
        return replace(self.claims, series=number_of[self.claims.series])


def micros(instant: datetime) -> int:
    """The instant as microseconds since 1970 in UTC."""
    return int(to_numpy(instant).astype(np.int64))


def instant_of(count: int) -> datetime:
    """The instant of microseconds since 1970 in UTC."""
    return from_numpy(np.datetime64(count, "us"))


def arrived_readings(table: pa.Table) -> Arrived:
    """Claims of a `READING_SCHEMA` table."""
    words = [_encoded(table, name) for name in ("channel", "site", "quantity", "unit")]
    series, labels = _labels(words)
    quality = _numbers(table, "quality").astype(np.int32)
    valid_time, available_at = (_micros(table, name) for name in ("valid_time", "available_at"))
    version = _numbers(table, "revision").astype(np.int64)
    return Arrived(labels, Claims(series, valid_time, version, available_at, _values(table, "value"), quality))


def arrived_official(table: pa.Table) -> Arrived:
    """Claims of an `OFFICIAL_SCHEMA` table."""
    series, labels = _labels([_encoded(table, "asset")])
    valid_time, version, available_at = (_micros(table, name) for name in ("valid_time", "issue_time", "available_at"))
    quality = np.zeros(table.num_rows, np.int32)
    return Arrived(labels, Claims(series, valid_time, version, available_at, _values(table, "power_mw"), quality))


def reading_table(names: Sequence[str], claims: Claims, rank: npt.NDArray[np.intp]) -> pa.Table:
    """Columns channel, valid_time, value, quality, revision, available_at."""
    columns = {
        "channel": _named(names, rank),
        "valid_time": to_timestamps(claims.valid_time),
        "value": pa.array(claims.value),
        "quality": pa.array(claims.quality),
        "revision": pa.array(claims.version.astype(np.int32)),
        "available_at": to_timestamps(claims.available_at),
    }
    return pa.table(columns)


def official_table(names: Sequence[str], claims: Claims, rank: npt.NDArray[np.intp]) -> pa.Table:
    """Columns asset, valid_time, power_mw, issue_time, available_at."""
    columns = {
        "asset": _named(names, rank),
        "valid_time": to_timestamps(claims.valid_time),
        "power_mw": pa.array(claims.value),
        "issue_time": to_timestamps(claims.version),
        "available_at": to_timestamps(claims.available_at),
    }
    return pa.table(columns)


def to_timestamps(instants: Int64s) -> pa.Array:
    """Arrow instants of microseconds since 1970, without a copy."""
    return pa.array(instants).view(TIMESTAMP)


def _named(names: Sequence[str], rank: npt.NDArray[np.intp]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(rank.astype(np.int32)), pa.array(names, pa.string()))


def _whole(table: pa.Table, name: str) -> pa.Array:
    """A column as one array; one without chunks would combine to a chunked array again."""
    column = table.column(name)
    return column.combine_chunks() if column.num_chunks else pa.array([], column.type)


def _column(table: pa.Table, name: str) -> pa.Array:
    column = _whole(table, name)
    if column.null_count:
        row = column.is_null().index(True).as_py()
        raise BrokenInvariantError(f"a batch has no {name}", got=table.slice(row, 1).to_pylist(), wanted="a value")
    return column


def _encoded(table: pa.Table, name: str) -> tuple[npt.NDArray[np.int64], list[str]]:
    column = _column(table, name)
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_pylist()


def _micros(table: pa.Table, name: str) -> Int64s:
    column = _column(table, name)
    as_micros = column if column.type == TIMESTAMP else column.cast(TIMESTAMP)
    return as_micros.view(pa.int64()).to_numpy()  # type: ignore[no-any-return]


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.integer]:
    return _column(table, name).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _values(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """Values, NaN where there is none."""
    return canonical(_whole(table, name).to_numpy(zero_copy_only=False).astype(np.float64))


def _labels(
    words: Sequence[tuple[npt.NDArray[np.int64], list[str]]],
) -> tuple[npt.NDArray[np.int32], tuple[Label, ...]]:
    """Number the combinations of words that occur: each row's number, and the labels."""
    combined, size = words[0][0], len(words[0][1])
    for codes, dictionary in words[1:]:
        combined, size = combined * len(dictionary) + codes, size * len(dictionary)
    if size <= len(combined):
        # Counting needs no sort; it pays where the combinations are fewer than the rows, as in every large batch.
        found = np.flatnonzero(np.bincount(combined, minlength=size))
        number_of = np.zeros(size, np.int32)
        number_of[found] = np.arange(len(found))
        series = number_of[combined]
    else:
        found, inverse = np.unique(combined, return_inverse=True)
        series = inverse.astype(np.int32)
    return series, tuple(Label(*_split(int(number), [dictionary for _, dictionary in words])) for number in found)


def _split(number: int, dictionaries: Sequence[list[str]]) -> list[str]:
    """The words of a combination."""
    found = []
    for dictionary in reversed(dictionaries):
        number, place = divmod(number, len(dictionary))
        found.append(dictionary[place])
    return found[::-1]

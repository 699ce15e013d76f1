"""Columns in and out: Arrow tables of the contract to claims, and claims back to tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import overload

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


@dataclass(frozen=True, eq=False)
class Words:
    """A column of few different words."""

    codes: npt.NDArray[np.int32]
    """Place of each row's word."""

    words: list[str]
    """The words; some may stand in no row."""


@dataclass(frozen=True, eq=False)
class Labels(Sequence[Label]):
    """Many labels as columns: a million devices have as many names, but few sites, quantities and units."""

    names: list[str]
    """Name of each label; one that comes with two units has two labels."""

    words: tuple[Words, Words, Words]
    """Site, quantity and unit of each label."""

    def __len__(self) -> int:
        """Number of labels."""
        return len(self.names)

    @overload
    def __getitem__(self, place: int) -> Label: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Label]: ...

    def __getitem__(self, place: int | slice) -> Label | Sequence[Label]:
        """One label, or those of a slice."""
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        return Label(self.names[place], *(column.words[int(column.codes[place])] for column in self.words))


@dataclass(frozen=True)
class Arrived:
    """Claims of a batch whose series still have the batch's own numbers."""

    labels: Labels
    """Each series of the batch."""

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
    series, labels = _labels(_encoded(table, "channel"), [_encoded(table, n) for n in ("site", "quantity", "unit")])
    quality = _numbers(table, "quality").astype(np.int32)
    valid_time, available_at = (_micros(table, name) for name in ("valid_time", "available_at"))
    version = _numbers(table, "revision").astype(np.int64)
    return Arrived(labels, Claims(series, valid_time, version, available_at, _values(table, "value"), quality))


def arrived_official(table: pa.Table) -> Arrived:
    """Claims of an `OFFICIAL_SCHEMA` table."""
    nothing = _Encoded(np.zeros(table.num_rows, np.int64), pa.array([""]))
    series, labels = _labels(_encoded(table, "asset"), [nothing] * 3)
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


@dataclass(frozen=True, eq=False)
class _Encoded:
    """A column of words as it came."""

    codes: npt.NDArray[np.integer]
    """Place of each row's word."""

    dictionary: pa.Array
    """The words."""


def _encoded(table: pa.Table, name: str) -> _Encoded:
    column = _column(table, name)
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return _Encoded(encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary)


def _micros(table: pa.Table, name: str) -> Int64s:
    column = _column(table, name)
    as_micros = column if column.type == TIMESTAMP else column.cast(TIMESTAMP)
    return as_micros.view(pa.int64()).to_numpy()  # type: ignore[no-any-return]


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.integer]:
    return _column(table, name).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _values(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """Values, NaN where there is none."""
    return canonical(_whole(table, name).to_numpy(zero_copy_only=False).astype(np.float64))


def _labels(names: _Encoded, words: Sequence[_Encoded]) -> tuple[npt.NDArray[np.int32], Labels]:
    """Number what the rows are about: each row's number, and the labels.

    Work is per row and per name in columns alone, since each row of a batch may be another device's.
    """
    first = np.full(len(names.dictionary), -1, np.int64)
    # Written from the end, so that the first row of each name remains.
    first[names.codes[::-1]] = np.arange(len(names.codes) - 1, -1, -1)
    for column in words:
        if (column.codes != column.codes[first[names.codes]]).any():
            return _contested_labels(names, words)
    occurs = first >= 0
    number_of = np.cumsum(occurs, dtype=np.int32) - 1
    dictionary = names.dictionary if occurs.all() else names.dictionary.filter(pa.array(occurs))
    rows = first[occurs]
    site, quantity, unit = (Words(c.codes[rows].astype(np.int32), c.dictionary.to_pylist()) for c in words)
    return number_of[names.codes], Labels(dictionary.to_pylist(), (site, quantity, unit))


def _contested_labels(names: _Encoded, words: Sequence[_Encoded]) -> tuple[npt.NDArray[np.int32], Labels]:
    """The same where a name comes with two sites, quantities or units: one label for each combination."""
    codes = np.stack([column.codes.astype(np.int32) for column in (names, *words)], axis=1)
    found, series = np.unique(codes, axis=0, return_inverse=True)
    dictionary = names.dictionary.to_pylist()
    site, quantity, unit = (
        Words(found[:, place + 1], column.dictionary.to_pylist()) for place, column in enumerate(words)
    )
    labels = Labels([dictionary[code] for code in found[:, 0]], (site, quantity, unit))
    return series.reshape(-1).astype(np.int32), labels

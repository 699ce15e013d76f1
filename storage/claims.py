"""Claims: values by series and period as sorted columns, and the law by which one of several is the current one.

A claim is one value that someone gave for (series, valid_time, version): a reading (version = revision) or a forecast
given to us (version = issue time). Claims are only ever added, never changed, and the current value is a function of
the set of claims known at an instant. So neither the order of arrival nor the cut into batches can change an answer:

- the highest version known stands;
- two values of one version are a conflict: a usable value (finite, no flag of `UNUSABLE`) stands before one that is
  not, then the larger one. So the value of a clock that runs ahead does not hide the true one that comes at its time.
  Any fixed order would do; "the first to come" would not, since it differs between two runs of one stream.
- a value that comes again keeps its earliest `available_at`, with the quality it had then; one that came unusable and
  comes again usable (at the time it was stamped with) is had from then on, with the quality of that sending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from gridcore.reading import UNUSABLE, Quality

Int64s = npt.NDArray[np.int64]
"""Integers; instants are microseconds since 1970 in UTC."""

Mask = npt.NDArray[np.bool_]
"""One truth value for each claim."""


@dataclass(frozen=True, eq=False)
class Claims:
    """Columns of equal length, shape (claims,)."""

    series: npt.NDArray[np.int32]
    """Number of the channel or official series."""

    valid_time: Int64s
    """Period start [us since 1970]."""

    version: Int64s
    """Revision of a reading; issue time of an official value [us since 1970]."""

    available_at: Int64s
    """First had at [us since 1970]."""

    value: npt.NDArray[np.float64]
    """MW, MWh or 1; NaN where a number was wanted and none came."""

    quality: npt.NDArray[np.int32]
    """Sum of `Quality` flags."""

    def __len__(self) -> int:
        """Number of claims."""
        return len(self.series)

    def take(self, rows: slice | Mask | npt.NDArray[np.intp]) -> Claims:
        """The claims of a slice, a mask or positions."""
        return Claims(*(getattr(self, field.name)[rows] for field in fields(self)))


def is_usable(claims: Claims) -> Mask:
    """Finite values without a flag that keeps them out of models and state; each follows from the claim alone."""
    usable: Mask = np.isfinite(claims.value) & ((claims.quality & int(UNUSABLE)) == 0)
    return usable


def no_claims() -> Claims:
    """Columns without a row."""
    none, numbers = np.zeros(0, np.int64), np.zeros(0, np.int32)
    return Claims(numbers, none, none, none, np.zeros(0), numbers)


def concat(parts: Sequence[Claims]) -> Claims:
    """The claims of all parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return no_claims()
    return Claims(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Claims)))


def canonical(value: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Values whose bits are equal where the values are: one NaN, and no negative zero."""
    return np.where(np.isnan(value), np.nan, value + 0.0)


def cell_order(series: npt.NDArray[np.integer], valid_time: Int64s) -> npt.NDArray[np.intp]:
    """Stable order by series, valid_time; near-linear where the columns are sorted stretches put together."""
    if not len(series):
        return np.zeros(0, np.intp)
    low = int(valid_time.min())
    span = int(valid_time.max()) - low + 1
    if span * (int(series.max()) + 1) < 2**63:
        # One integer key sorts four times as fast as two; a stray instant far off makes it overflow.
        return np.argsort(series.astype(np.int64) * span + (valid_time - low), kind="stable")
    return np.lexsort((valid_time, series))


def by_cell(claims: Claims) -> Claims:
    """The claims sorted by series, valid_time."""
    if is_ascending(claims.series, claims.valid_time):
        return claims
    return claims.take(cell_order(claims.series, claims.valid_time))


def is_ascending(first: npt.NDArray[np.integer], second: npt.NDArray[np.integer]) -> bool:
    """Rows are sorted by (first, second), ties allowed."""
    major = first[1:] > first[:-1]
    if major.all():
        return True
    return bool((major | ((first[1:] == first[:-1]) & (second[1:] >= second[:-1]))).all())


def shares_cell(first: npt.NDArray[np.integer], second: npt.NDArray[np.integer]) -> Mask:
    """Rows whose (first, second) equals a neighbour's; the rows are sorted."""
    same = (first[1:] == first[:-1]) & (second[1:] == second[:-1])
    shared = np.zeros(len(first), bool)
    shared[1:] |= same
    shared[:-1] |= same
    return shared


def heads(*columns: npt.NDArray[np.generic]) -> Mask:
    """First rows of the groups of equal columns; the rows are sorted by them."""
    head = np.zeros(len(columns[0]), bool)
    head[:1] = True
    for column in columns:
        head[1:] |= column[1:] != column[:-1]
    return head


@dataclass(frozen=True)
class Sifted:
    """What a batch adds to the claims there are."""

    kept: Claims
    """To add, sorted by series, valid_time: new ones, and known ones that were had earlier or first usable now."""

    stored: int
    """New (series, valid_time)."""

    revised: int
    """New version of a known (series, valid_time), higher or lower."""

    conflict: int
    """Other value for a known version."""

    duplicate: int
    """Nothing new."""


def sift(existing: Claims, batch: Claims) -> Sifted:
    """Tell what is new in a batch; the counts don't depend on the order of its rows, nor on the cut into batches.

    Args:
        existing: At least all claims that share series and valid_time with a row of the batch.
        batch: What came, values canonical, in any order.
    """
    both, is_new = batch, np.ones(len(batch), bool)
    if len(existing):
        both, is_new = concat([existing, batch]), np.arange(len(existing) + len(batch)) >= len(existing)
    if not is_ascending(both.series, both.valid_time):
        order = cell_order(both.series, both.valid_time)
        both, is_new = both.take(order), is_new[order]
    shared = shares_cell(both.series, both.valid_time)
    if not shared.any():
        alone = both.take(is_new) if len(existing) else both
        return Sifted(alone, len(alone), 0, 0, 0)
    alone = both.take(~shared & is_new)
    kept, cells, versions, values = _sift_shared(both.take(shared), is_new[shared])
    cells, versions, values = cells + len(alone), versions + len(alone), values + len(alone)
    merged = by_cell(concat([alone, kept])) if len(kept) else alone
    return Sifted(merged, cells, versions - cells, values - versions, len(batch) - values)


def _sift_shared(claims: Claims, is_new: Mask) -> tuple[Claims, int, int, int]:
    """Claims to keep where cells have several, and how many cells, versions and values are new."""
    order = _claim_order(_group_numbers(claims.series, claims.valid_time), claims, is_new)
    claims, is_new = claims.take(order), is_new[order]
    cell = heads(claims.series, claims.valid_time)
    version = cell | heads(claims.version)
    value = version | heads(claims.value.view(np.int64))
    counts = [_count_all_new(head, is_new) for head in (cell, version, value)]
    told = value | heads(is_usable(claims))
    return claims.take(told & is_new), counts[0], counts[1], counts[2]


def _group_numbers(*columns: npt.NDArray[np.generic]) -> Int64s:
    """The number of each row's group of equal columns, ascending; the rows are sorted by them."""
    return np.cumsum(heads(*columns), dtype=np.int64)


def _claim_order(cell: Int64s, claims: Claims, is_new: Mask) -> npt.NDArray[np.intp]:
    """Order by cell, version, value's bits; of equal ones usable, then earliest, then existing first."""
    order = np.arange(len(claims))
    if not is_ascending(cell, claims.version):
        order = np.lexsort((claims.version, cell))
    # The other keys speak only where a version came more than once: seldom in a history of vintages.
    tied = np.flatnonzero(shares_cell(cell[order], claims.version[order]))
    if len(tied):
        rows = order[tied]
        some = claims.take(rows)
        late = (is_new[rows], some.quality, some.available_at, ~is_usable(some), some.value.view(np.int64))
        order[tied] = rows[np.lexsort((*late, some.version, cell[rows]))]
    return order


def _count_all_new(head: Mask, is_new: Mask) -> int:
    """Groups in which no row existed."""
    if not len(head):
        return 0
    return int(np.logical_and.reduceat(is_new, np.flatnonzero(head)).sum())


def current(
    claims: Claims, rank: npt.NDArray[np.intp], *, every_version: bool = False
) -> tuple[Claims, npt.NDArray[np.intp]]:
    """The current claim of each (rank, valid_time), by the law of this file; conflicts are flagged.

    Args:
        claims: What is known, in any order.
        rank: Place of each claim's series in the answer, shape (claims,).
        every_version: Give the standing claim of each version instead of the highest version's alone.

    Returns:
        Claims and ranks sorted by rank, valid_time (, version).
    """
    if not is_ascending(rank, claims.valid_time):
        order = cell_order(rank, claims.valid_time)
        claims, rank = claims.take(order), rank[order]
    shared = shares_cell(rank, claims.valid_time)
    if not shared.any():
        return claims, rank
    chosen, chosen_rank = _stand(claims.take(shared), rank[shared], every_version)
    merged = concat([claims.take(~shared), chosen])
    ranks = np.concatenate([rank[~shared], chosen_rank])
    order = cell_order(ranks, merged.valid_time)
    return merged.take(order), ranks[order]


def _stand(claims: Claims, rank: npt.NDArray[np.intp], every_version: bool) -> tuple[Claims, npt.NDArray[np.intp]]:
    """Standing claims of cells that have several."""
    claims, rank = _earliest(claims, rank)
    cells = _group_numbers(rank, claims.valid_time)
    tied = np.flatnonzero(shares_cell(cells, claims.version))
    if len(tied):
        some = claims.take(tied)
        value = np.where(np.isnan(some.value), -np.inf, some.value)
        order = np.arange(len(claims))
        order[tied] = tied[np.lexsort((value, is_usable(some), some.version, cells[tied]))]
        claims = claims.take(order)
    cell = heads(rank, claims.valid_time)
    version = cell | heads(claims.version)
    last_of_version = np.append(version[1:], True)
    stands = last_of_version if every_version else np.append(cell[1:], True)
    # A version's last row is not its first one: it has several values.
    flag = np.where(last_of_version & ~version, int(Quality.CONFLICT), 0).astype(np.int32)
    return replace(claims, quality=claims.quality | flag).take(stands), rank[stands]


def _earliest(claims: Claims, rank: npt.NDArray[np.intp]) -> tuple[Claims, npt.NDArray[np.intp]]:
    """One row for each value: usable where it has come so, with the earliest `available_at` of those."""
    order = _claim_order(_group_numbers(rank, claims.valid_time), claims, np.zeros(len(claims), bool))
    claims, rank = claims.take(order), rank[order]
    first = heads(rank, claims.valid_time, claims.version, claims.value.view(np.int64))
    return claims.take(first), rank[first]

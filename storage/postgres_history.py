"""The history of one kind of claims (readings or official series) in PostgreSQL.

The law of `storage.claims` is not written again: what can be a twin of a batch's rows comes over as Arrow, is sifted
here, and what is new goes back by COPY (50,000 rows of 1,000 channels: 0.15 s). As SQL over a staging table the batch
would cross twice, and the law would stand in a second language.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.checksums import claim_checksums, verify_claims
from storage.claims import Claims, Int64s, Sifted, by_cell, concat, current, no_claims, sift
from storage.columns import Arrived, instant_of, to_timestamps
from storage.postgres_months import FIRST_MONTH, MonthTable, bounds, months_of
from storage.postgres_series import SeriesTable
from storage.postgres_session import Session, arrays

COLUMNS = {
    "reading": ("series", "valid_time", "revision", "available_at", "value", "quality", "checksum"),
    "official": ("series", "valid_time", "issue_time", "available_at", "power_mw", "quality", "checksum"),
}
"""Columns of each kind's table, in the order of `Claims`, and the checksum."""

_TWINS = """SELECT {columns}
FROM unnest(?::integer[], ?::timestamptz[], ?::timestamptz[]) span (series, first, last)
CROSS JOIN LATERAL (
    SELECT * FROM {kind} c
    WHERE c.series = span.series AND c.valid_time BETWEEN span.first AND span.last AND {month}
    OFFSET 0
) claim"""
"""OFFSET 0 keeps the planner at one search of the index for each span; a month's bounds as constants let it look at one
partition alone. For a large partition it would else read all of it."""


class PostgresHistory:
    """Claims of one kind.

    Args:
        session: The database.
        kind: `reading` or `official`.
    """

    def __init__(self, session: Session, kind: str) -> None:
        self._session, self.kind = session, kind
        self.series, self.months = SeriesTable(session, kind), MonthTable(session, kind)
        self._select = ", ".join(f"claim.{name}" for name in COLUMNS[kind])

    def make_months(self, arrived: Arrived) -> None:
        """Make the partitions that a batch needs; runs inside a transaction."""
        self.months.place(months_of(arrived.claims.valid_time))

    def number(self, arrived: Arrived) -> Claims:
        """A batch's claims with their series' numbers; runs inside a transaction."""
        return arrived.numbered(self.series.place(arrived.labels))

    def write(self, batch: Claims) -> Sifted:
        """Write what is new in a batch; inside a transaction that holds its series."""
        ordered = by_cell(batch)
        existing = concat([self._twins(ordered), no_claims()])
        sifted = sift(existing, ordered)
        self._session.copy(self.kind, claim_rows(self.kind, sifted.kept))
        return sifted

    def keep(self) -> None:
        """Remember what was placed; its transaction is committed."""
        self.months.keep()
        self.series.keep()

    def select(
        self, names: Sequence[str], start: int, end: int, instant: int, *, every_version: bool = False
    ) -> tuple[tuple[str, ...], Claims, npt.NDArray[np.intp]]:
        """Current claims of some series with valid_time in [start, end), as known at an instant [us].

        Returns:
            The known ones of the names, sorted; claims sorted by name, valid_time; the place of each claim's name.
        """
        numbers = self.series.numbers(names)
        wanted = tuple(sorted(numbers))
        claims = self.claims_of([numbers[name] for name in wanted], (start, end), instant)
        rank = ranks(claims.series, [numbers[name] for name in wanted])
        chosen, chosen_rank = current(claims, rank, every_version=every_version)
        return wanted, chosen, chosen_rank

    def claims_of(
        self, series: Sequence[int], span: tuple[int, int] | None = None, instant: int | None = None
    ) -> Claims:
        """Claims of some series, of all time or with valid_time in [start, end), as known at an instant [us]."""
        if not series or (span and span[0] >= span[1]):
            return no_claims()
        # Numbers and instants stand in the text itself: the driver reads by COPY only where there are no parameters.
        laws = [f"series = ANY('{{{','.join(map(str, series))}}}'::integer[])"]
        if span is not None:
            laws.append(f"valid_time >= {instant_text(span[0])} AND valid_time < {instant_text(span[1])}")
        if instant is not None:
            laws.append(f"available_at <= {instant_text(instant)}")
        query = f"SELECT {self._select} FROM {self.kind} claim WHERE {' AND '.join(laws)}"
        return self._verified(self._session.table(query))

    def first_valid_time(self, instant: int) -> int | None:
        """Smallest valid_time known at an instant [us]; None where nothing is known. One search for each series."""
        query = f"""SELECT min(first.valid_time) FROM series s CROSS JOIN LATERAL (
                        SELECT valid_time FROM {self.kind} c
                        WHERE c.series = s.number AND available_at <= {instant_text(instant)}
                        ORDER BY valid_time LIMIT 1
                    ) first WHERE s.kind = '{self.kind}'"""
        found = self._session.table(query).column(0).cast(pa.timestamp("us", "UTC")).cast(pa.int64())[0].as_py()
        return None if found is None else int(found)

    def sizes(self) -> dict[int, int]:
        """Number of claims of each series that has any."""
        return dict(self._session.rows(f"SELECT series, count(*) FROM {self.kind} GROUP BY series"))

    def _twins(self, batch: Claims) -> Claims:
        """All claims that share series and valid_time with a row of the batch."""
        found = []
        for law, rows in self._by_partition(batch):
            series, first, last = spans(batch.series[rows], batch.valid_time[rows])
            query = _TWINS.format(columns=self._select, kind=self.kind, month=law)
            values = arrays(pa.array(series), to_timestamps(first), to_timestamps(last))
            found.append(self._verified(self._session.table(query, values)))
        return concat(found)

    def _by_partition(self, batch: Claims) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        """The rows of each month, and the month as a law in SQL."""
        month_of = batch.valid_time.view("datetime64[us]").astype("datetime64[M]")
        for month in months_of(batch.valid_time):
            begins, ends = bounds(month) if month >= FIRST_MONTH else ("-infinity", bounds(FIRST_MONTH)[0])
            yield f"c.valid_time >= '{begins}' AND c.valid_time < '{ends}'", month_of == month

    def _verified(self, table: pa.Table) -> Claims:
        """The claims of a query's answer; raises `StoreDamagedError` where one is not what was written."""
        columns = [_whole(column) for column in table.columns]
        series, quality = (columns[place].to_numpy().astype(np.int32) for place in (0, 5))
        valid_time, version, available_at, checksums = (_integers(columns[place]) for place in (1, 2, 3, 6))
        claims = Claims(series, valid_time, version, available_at, columns[4].to_numpy(), quality)
        verify_claims(self.kind, claims, checksums & 0xFFFFFFFF)
        return claims


def claim_rows(kind: str, claims: Claims) -> pa.Table:
    """Claims as rows of their table; a checksum below 2**32 as the signed number of the same bits."""
    version = pa.array(claims.version.astype(np.int32)) if kind == "reading" else to_timestamps(claims.version)
    columns = [
        pa.array(claims.series),
        to_timestamps(claims.valid_time),
        version,
        to_timestamps(claims.available_at),
        pa.array(claims.value),
        pa.array(claims.quality),
        pa.array(claim_checksums(claims).astype(np.uint32).view(np.int32)),
    ]
    return pa.Table.from_arrays(columns, names=list(COLUMNS[kind]))


def spans(series: npt.NDArray[np.int32], valid_time: Int64s) -> tuple[npt.NDArray[np.int32], Int64s, Int64s]:
    """Where claims can have twins: each series' UTC days, with the first and last instant in each [us].

    A day bounds what is fetched for nothing where one late value stands beside present ones.

    Args:
        series: Sorted, together with valid_time, by (series, valid_time).
        valid_time: Instants [us].
    """
    day = valid_time // 86_400_000_000
    head = np.ones(len(series), bool)
    head[1:] = (series[1:] != series[:-1]) | (day[1:] != day[:-1])
    first = np.flatnonzero(head)
    last = np.append(first[1:], len(series)) - 1
    return series[first], valid_time[first], valid_time[last]


def ranks(series: npt.NDArray[np.int32], wanted: Sequence[int]) -> npt.NDArray[np.intp]:
    """The place in `wanted` of each claim's series."""
    numbers = np.array(wanted, dtype=np.int32)
    order = np.argsort(numbers)
    return order[np.searchsorted(numbers, series, sorter=order)] if len(numbers) else np.zeros(len(series), np.intp)


def instant_text(instant: int) -> str:
    """An instant [us since 1970] as PostgreSQL's constant, exact to the microsecond."""
    return f"'{instant_of(instant).isoformat()}'::timestamptz"


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks else pa.array([], column.type)


def _integers(column: pa.Array) -> Int64s:
    """Instants as microseconds, integers as they are."""
    as_integers = column.view(pa.int64()) if pa.types.is_timestamp(column.type) else column
    return as_integers.to_numpy().astype(np.int64)  # type: ignore[no-any-return]

"""What was known at an instant, read from a store with a database: the cut is made here, once for each kind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.plan import Layer
from gridcore.ports import RegisteredModel
from gridcore.reading import OUTAGE_SCHEMA
from storage.checksums import verified, verify_rows
from storage.claims import Claims
from storage.columns import instant_of, micros, official_table, reading_table
from storage.documents import (
    FORECAST,
    PLAN,
    SETPOINT,
    decode_table,
    decode_vintage,
    forecast_rows,
    plan_rows,
    setpoint_rows,
)


class HistoryOfClaims(Protocol):
    """Readings or official values of a store, as known at an instant [us]."""

    def select(
        self, names: Sequence[str], start: int, end: int, instant: int, *, every_version: bool = False
    ) -> tuple[tuple[str, ...], Claims, npt.NDArray[np.intp]]:
        """Names known, current claims with valid_time in [start, end), and the place of each claim's name."""
        ...

    def first_valid_time(self, instant: int) -> int | None:
        """Smallest valid_time known [us]; None where nothing is."""
        ...


class KnownSource(Protocol):
    """A store with a database, embedded or PostgreSQL, as this file asks it."""

    @property
    def readings(self) -> HistoryOfClaims:
        """Claims of readings."""
        ...

    @property
    def official(self) -> HistoryOfClaims:
        """Claims of official values."""
        ...

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query, with `?` for a value."""
        ...

    def model_at(self, name: str, fitted_as_of: int) -> RegisteredModel:
        """A registered model."""
        ...

    def refresh(self) -> None:
        """Bring what is kept in memory up to what other processes have committed."""
        ...


class StoreKnown:
    """A view, not a copy: it shows what came before the instant, even where it is stored later (a replayed batch).

    Args:
        store: The store.
        instant: The cut; nothing that became available later is seen.
    """

    def __init__(self, store: KnownSource, instant: datetime) -> None:
        self._store, self._instant, self._cut = store, instant, micros(instant)

    @property
    def instant(self) -> datetime:
        """The instant of the cut."""
        return self._instant

    def readings(self, channels: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        """Current revision of each (channel, valid_time in [start, end)), sorted by channel, valid_time.

        `channel` is dictionary-encoded. A channel that was never heard of has no rows.
        """
        self._store.refresh()
        return reading_table(*self._store.readings.select(channels, micros(start), micros(end), self._cut))

    def official(self, assets: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        """Newest issue of each (asset, valid_time in [start, end)), sorted by asset, valid_time."""
        self._store.refresh()
        return official_table(*self._store.official.select(assets, micros(start), micros(end), self._cut))

    def official_vintages(self, assets: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        """All known issues, sorted by asset, valid_time, issue_time."""
        self._store.refresh()
        history = self._store.official
        return official_table(*history.select(assets, micros(start), micros(end), self._cut, every_version=True))

    def outages(self, start: datetime, end: datetime) -> pa.Table:
        """`OUTAGE_SCHEMA` rows that overlap [start, end), sorted by available_at, asset, from, until."""
        query = """SELECT available_at, asset, begins, ends, checksum FROM outage
                   WHERE available_at <= ? AND begins < ? AND ends > ? ORDER BY available_at, asset, begins, ends"""
        found = self._store.rows(query, (self._cut, micros(end), micros(start)))
        verify_rows("an outage", ((asset, begins, ends, at, checksum) for at, asset, begins, ends, checksum in found))
        columns = list(zip(*(row[:4] for row in found), strict=True)) if found else [(), (), (), ()]
        return pa.Table.from_arrays(
            [pa.array(column, field.type) for column, field in zip(columns, OUTAGE_SCHEMA, strict=True)],
            schema=OUTAGE_SCHEMA,
        )

    def model(self, name: str) -> RegisteredModel | None:
        """The newest model of a name with `fitted_as_of <= instant`."""
        query = "SELECT max(fitted_as_of) FROM model WHERE name = ? AND fitted_as_of <= ?"
        newest = self._store.rows(query, (name, self._cut))[0][0]
        return None if newest is None else self._store.model_at(name, newest)

    def plans(self, layer: str, since: datetime) -> pa.Table:
        """`PLAN_SCHEMA` rows of plans issued in [since, instant]; a layer is one of `Layer`."""
        return plan_rows([decode_table(content) for content in self._documents(PLAN, since, Layer(layer).value)])

    def setpoints(self, since: datetime) -> pa.Table:
        """`SETPOINT_SCHEMA` rows issued in [since, instant], sorted by issue_time, asset, valid_from."""
        return setpoint_rows([decode_table(content) for content in self._documents(SETPOINT, since)])

    def forecasts(self, since: datetime) -> pa.Table:
        """`FORECAST_SCHEMA` rows issued in [since, instant], sorted by issue_time, valid_time, target, quantile."""
        return forecast_rows([decode_vintage(content) for content in self._documents(FORECAST, since)])

    def first_valid_time(self) -> datetime | None:
        """Start of the oldest reading known; None when there is none."""
        self._store.refresh()
        found = self._store.readings.first_valid_time(self._cut)
        return None if found is None else instant_of(found)

    def _documents(self, kind: str, since: datetime, layer: str = "") -> list[bytes]:
        query = """SELECT issue_time, checksum, content FROM document
                   WHERE issue_time BETWEEN ? AND ? AND kind = ? AND layer = ? ORDER BY issue_time, place"""
        found = self._store.rows(query, (micros(since), self._cut, kind, layer))
        return [
            verified(f"a {kind} of {instant_of(at).isoformat()}", content, checksum) for at, checksum, content in found
        ]

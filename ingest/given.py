"""What others give us: official series and outages, checked row by row before a store or a replay takes them.

A row that nothing of the grid can take, or whose instants or value can be no one's, is a dead letter of the running
loop, and an error of `xiaona grid check`. A rule looks at one row alone: batch boundaries change nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.ports import DeadLetter
from ingest.channels import ChannelTable
from ingest.reasons import (
    BEFORE_ISSUE,
    NO_NUMBER,
    OFFICIAL_INSTANT,
    OFFICIAL_REASONS,
    OUT_OF_RANGE,
    OUTAGE_END,
    OUTAGE_INSTANT,
    OUTAGE_OF_NOTHING,
    OUTAGE_REASONS,
    UNKNOWN_SERIES,
)

Causes = npt.NDArray[np.int64]
"""Index into the reasons, -1 where nothing is wrong, shape (rows,)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row that can't be taken, in the words of an error or a dead letter."""

    reason: str
    """One of `OFFICIAL_REASONS` or `OUTAGE_REASONS`."""

    asset: str | None
    """Whom the row is about."""

    instant: datetime | None
    """Start of the period or outage."""

    got: str
    """What came."""

    wanted: str
    """What was wanted."""

    row: dict[str, Any]
    """The row itself."""


def official_causes(official: pa.Table, channels: ChannelTable) -> Causes:
    """What is wrong with each official value, shape (rows,)."""
    names = official.column("asset").to_pylist()
    series = np.array([channels.series_index.get(name or "", -1) for name in names], np.int64)
    safe, low, high = np.maximum(series, 0), channels.series_low, channels.series_high
    values = official.column("power_mw").to_numpy().astype(np.float64)
    with np.errstate(invalid="ignore"):
        outside = (values < low[safe]) | (values > high[safe]) if len(low) else np.zeros(len(values), bool)
    too_early = pc.less(official.column("available_at"), official.column("issue_time")).fill_null(False)
    wrong = {
        UNKNOWN_SERIES: series < 0,
        OFFICIAL_INSTANT: _lacks(official, ("valid_time", "issue_time")),
        BEFORE_ISSUE: too_early.to_numpy().astype(bool),
        NO_NUMBER: ~np.isfinite(values),
        OUT_OF_RANGE: outside,
    }
    return _first(wrong, tuple(OFFICIAL_REASONS), len(names))


def outage_causes(outages: pa.Table, channels: ChannelTable) -> Causes:
    """What is wrong with each outage, shape (rows,)."""
    names = outages.column("asset").to_pylist()
    backwards = pc.less_equal(outages.column("until"), outages.column("from")).fill_null(False)
    wrong = {
        OUTAGE_OF_NOTHING: np.array([name not in channels.elements for name in names], bool),
        OUTAGE_INSTANT: _lacks(outages, ("from", "until")),
        OUTAGE_END: backwards.to_numpy().astype(bool),
    }
    return _first(wrong, tuple(OUTAGE_REASONS), len(names))


def official_faults(official: pa.Table, causes: Causes, channels: ChannelTable) -> Iterator[Fault]:
    """The official values that can't be taken, in words."""
    for row in np.flatnonzero(causes >= 0):
        told = official.slice(int(row), 1).to_pylist()[0]
        name = told["asset"]
        at = channels.series_index.get(name or "")
        wanted = {
            UNKNOWN_SERIES: "an asset, an area's load, a sum or reserve/PRODUCT of the grid",
            OFFICIAL_INSTANT: "issue_time and valid_time",
            BEFORE_ISSUE: f"available_at not before {told['issue_time']}",
            NO_NUMBER: "a number of MW",
        }
        reason = tuple(OFFICIAL_REASONS)[causes[row]]
        if at is not None:
            wanted[OUT_OF_RANGE] = f"{channels.series_low[at]} to {channels.series_high[at]} MW"
        came = {
            UNKNOWN_SERIES: repr(name),
            OFFICIAL_INSTANT: f"valid_time {told['valid_time']}, issue_time {told['issue_time']}",
            BEFORE_ISSUE: f"available_at {told['available_at']}",
        }
        yield Fault(reason, name, told["valid_time"], came.get(reason, f"{told['power_mw']} MW"), wanted[reason], told)


def outage_faults(outages: pa.Table, causes: Causes) -> Iterator[Fault]:
    """The outages that can't be taken, in words."""
    wanted = {
        OUTAGE_OF_NOTHING: "an asset, branch or DC line of the grid",
        OUTAGE_INSTANT: "from and until",
        OUTAGE_END: "until after from",
    }
    for row in np.flatnonzero(causes >= 0):
        told = outages.slice(int(row), 1).to_pylist()[0]
        got = f"{told['asset']!r} from {told['from']} until {told['until']}"
        reason = tuple(OUTAGE_REASONS)[causes[row]]
        yield Fault(reason, told["asset"], told["from"], got, wanted[reason], told)


def letter_of(fault: Fault, source: str, offset: int, place: str = "") -> DeadLetter:
    """The dead letter of a row that can't be taken, `place` being its row in words; its payload is the row as JSON."""
    payload = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in fault.row.items()}
    at = fault.row["available_at"].astimezone(UTC)
    detail = f"{place}asset {fault.asset!a}, instant {fault.instant}: got {fault.got}; wanted {fault.wanted}"
    return DeadLetter(at, source, offset, fault.reason, detail, json.dumps(payload, sort_keys=True).encode())


def _lacks(table: pa.Table, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Rows without one of some instants, shape (rows,)."""
    missing = np.zeros(len(table), bool)
    for column in columns:
        missing |= pc.is_null(table.column(column)).to_numpy()
    return missing


def _first(wrong: dict[str, npt.NDArray[np.bool_]], reasons: Sequence[str], rows: int) -> Causes:
    """The first of the reasons that holds for each row."""
    causes = np.full(rows, -1, np.int64)
    for number in reversed(range(len(reasons))):
        causes[wrong[reasons[number]]] = number
    return causes

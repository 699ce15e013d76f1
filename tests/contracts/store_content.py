"""What the store's tests put in and ask for: batches and decisions of a tiny grid, and all answers at an instant."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from gridcore.forecast import Vintage
from gridcore.plan import SETPOINT_SCHEMA, Layer, Plan, PlanStatus
from gridcore.ports import Batch, Decision, Known, Store
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from gridcore.timeline import to_numpy

START = datetime(2020, 4, 18, 8, tzinfo=UTC)
"""The first instant of the tiny grid."""

LONG_AGO, NEVER_REACHED = START - timedelta(days=400), START + timedelta(days=400)
"""An interval that holds everything."""

CHANNELS = ("1/load", "W1/power", "W2/power")
ASSETS = ("1/load", "W1")

SOURCE = "test/0"


def minutes(count: float) -> datetime:
    """So many minutes after `START`."""
    return START + timedelta(minutes=count)


def reading(
    channel: str, valid: float, value: float, available: float, revision: int = 0, quality: int = 0
) -> dict[str, Any]:
    """A row of `READING_SCHEMA`; instants in minutes after `START`."""
    times = {"available_at": minutes(available), "valid_time": minutes(valid)}
    label = {"site": "bus-1", "channel": channel, "quantity": channel.split("/")[1], "unit": "MW"}
    return {**times, **label, "value": value, "revision": revision, "quality": quality}


def official(asset: str, valid: float, power_mw: float, issued: float, available: float) -> dict[str, Any]:
    """A row of `OFFICIAL_SCHEMA`; instants in minutes after `START`."""
    times = {"available_at": minutes(available), "issue_time": minutes(issued), "valid_time": minutes(valid)}
    return {**times, "asset": asset, "power_mw": power_mw}


def outage(asset: str, begins: float, ends: float, available: float) -> dict[str, Any]:
    """A row of `OUTAGE_SCHEMA`; instants in minutes after `START`."""
    return {"available_at": minutes(available), "asset": asset, "from": minutes(begins), "until": minutes(ends)}


def batch(
    start_offset: int,
    readings: Iterable[dict[str, Any]] = (),
    officials: Iterable[dict[str, Any]] = (),
    outages: Iterable[dict[str, Any]] = (),
) -> Batch:
    """A batch of `SOURCE`; each reading takes one offset."""
    rows = list(readings)
    tables = [
        pa.Table.from_pylist(content, schema=schema)
        for content, schema in (
            (rows, READING_SCHEMA),
            (list(officials), OFFICIAL_SCHEMA),
            (list(outages), OUTAGE_SCHEMA),
        )
    ]
    return Batch(SOURCE, start_offset, start_offset + len(rows), *tables)


def vintage(issued: float, first: float, power_mw: float) -> Vintage:
    """Two targets, two periods, two levels; the first target's name sorts last."""
    valid_time = np.array([to_numpy(minutes(first)), to_numpy(minutes(first + 15))])
    values = power_mw + np.arange(8, dtype=np.float64).reshape(2, 2, 2)
    at = minutes(issued)
    return Vintage(at, valid_time, ("W1", "1/load"), (0.1, 0.9), values, ("m-1", "m-2"), at, ("", "no official series"))


def plan(issued: float, layer: Layer, power_mw: float) -> Plan:
    """One asset, two periods."""
    valid_time = np.array([to_numpy(minutes(issued + 15)), to_numpy(minutes(issued + 30))])
    power = np.full((1, 2), power_mw)
    none = np.zeros((1, 2))
    causes = np.full((1, 2), "", dtype=object)
    soc, length = np.full((1, 2), np.nan), timedelta(minutes=15)
    columns = (np.ones((1, 2), bool), power, none, none, soc, power + 1.0, none, causes, none)
    return Plan(layer, minutes(issued), valid_time, length, ("W1",), *columns, PlanStatus.SOLVED)


def setpoints(issued: float, power_mw: float) -> pa.Table:
    """One setpoint."""
    row = {"plan_id": plan(issued, Layer.SCED, 0.0).plan_id, "issue_time": minutes(issued), "asset": "W1"}
    row |= {"valid_from": minutes(issued + 15), "valid_until": minutes(issued + 30), "power_mw": power_mw}
    return pa.Table.from_pylist(
        [{**row, "role": "limit", "is_on": True, "on_expiry": "release"}], schema=SETPOINT_SCHEMA
    )


def decision(issued: float, power_mw: float = 5.0, checkpoint: bytes = b"state") -> Decision:
    """A tick with a short and a long vintage, both layers' plans, and setpoints."""
    vintages = (vintage(issued, issued + 15, power_mw), vintage(issued, issued + 60, power_mw))
    plans = (plan(issued, Layer.SCUC, power_mw), plan(issued, Layer.SCED, power_mw))
    return Decision(minutes(issued), vintages, plans, setpoints(issued, power_mw), checkpoint)


def other_forecast(of: Decision) -> Decision:
    """The same decision with one forecast value moved by the smallest step."""
    first = of.vintages[0]
    power_mw = first.power_mw.copy()
    power_mw[0, 0, 0] = np.nextafter(power_mw[0, 0, 0], -np.inf)
    return replace(of, vintages=(replace(first, power_mw=power_mw), *of.vintages[1:]))


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    """Rows with each number as its bits, so that NaN equals NaN and 0 differs from -0."""

    def exact(value: Any) -> Any:
        return struct.pack("<d", value) if isinstance(value, float) else value

    return [tuple(exact(value) for value in row.values()) for row in table.to_pylist()]


def answers(known: Known, models: Sequence[str] = ("wind/intraday",)) -> dict[str, Any]:
    """All that a store says at an instant."""
    return {
        "readings": rows_of(known.readings(CHANNELS, LONG_AGO, NEVER_REACHED)),
        "official": rows_of(known.official(ASSETS, LONG_AGO, NEVER_REACHED)),
        "official_vintages": rows_of(known.official_vintages(ASSETS, LONG_AGO, NEVER_REACHED)),
        "outages": rows_of(known.outages(LONG_AGO, NEVER_REACHED)),
        "models": [known.model(name) for name in models],
        "scuc": rows_of(known.plans("scuc", LONG_AGO)),
        "sced": rows_of(known.plans("sced", LONG_AGO)),
        "setpoints": rows_of(known.setpoints(LONG_AGO)),
        "forecasts": rows_of(known.forecasts(LONG_AGO)),
        "first_valid_time": known.first_valid_time(),
    }


def history_of(store: Store, instants: Iterable[datetime]) -> list[dict[str, Any]]:
    """All answers at each instant."""
    return [answers(store.known_at(instant)) for instant in instants]

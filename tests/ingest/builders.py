"""Small grids and tables for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from gridcore.asset import Asset, Store, Technology
from gridcore.network import Branch, Bus, Network
from gridcore.ports import Batch
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA

START = datetime(2024, 6, 1, tzinfo=UTC)
"""First instant of made readings."""

MINUTE = timedelta(minutes=1)

WIND, LOAD, SOC = (
    ("B", "W/power", "power", "MW"),
    ("area-north", "north/load", "load", "MW"),
    ("A", "S/soc", "soc", "MWh"),
)
"""Site, channel, quantity and unit of three channels of `small_network`."""


def small_network(zone_name: str = "Europe/Berlin") -> Network:
    """Two buses, one line, a wind farm of 100 MW and a battery of 10 MW / 20 MWh."""
    buses = (Bus("A", "north", 0.25), Bus("B", "north", 0.75))
    battery = Asset("S", Technology.BATTERY, "A", 0.0, 10.0, store=Store(20.0, 10.0, 0.9, 0.9, 5.0))
    return Network(
        "small", zone_name, buses, (Branch("A-B", "A", "B", 0.1, 50.0),), (),
        (Asset("W", Technology.WIND, "B", 0.0, 100.0), battery),
    )  # fmt: skip


def reading(
    channel: tuple[str, str, str, str] = WIND,
    valid: float = 0.0,
    value: float = 1.0,
    available: float | None = None,
    revision: int = 0,
) -> dict[str, object]:
    """A reading; `valid` and `available` are minutes from `START`, arrival by default 6 minutes after `valid`."""
    site, name, quantity, unit = channel
    arrival = valid + 6.0 if available is None else available
    return {
        "available_at": START + arrival * MINUTE,
        "valid_time": START + valid * MINUTE,
        "site": site,
        "channel": name,
        "quantity": quantity,
        "value": value,
        "unit": unit,
        "revision": revision,
        "quality": 0,
    }


def batch_of(readings: Sequence[dict[str, object]], start: int = 0, source: str = "test/0") -> Batch:
    """A batch of readings alone."""
    table = pa.Table.from_pylist(list(readings), schema=READING_SCHEMA)
    empty = OFFICIAL_SCHEMA.empty_table(), OUTAGE_SCHEMA.empty_table()
    return Batch(source, start, start + len(table), table, *empty)

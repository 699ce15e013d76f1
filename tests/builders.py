"""Small grids for tests, and tables of what is told and measured in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.asset import Asset, Commitment, HeatRate, StartUp, Store, Technology
from gridcore.network import Branch, Bus, DcLine, Network
from gridcore.plan import SETPOINT_SCHEMA
from gridcore.reading import READING_SCHEMA
from gridcore.timeline import PLANT_PERIOD

START = datetime(2025, 3, 1, tzinfo=UTC)
"""First instant of the made histories."""


def thermal(
    name: str,
    bus: str,
    p_min_mw: float,
    p_max_mw: float,
    ramp_mw_per_min: float = 2.0,
    *,
    min_h: float = 0.0,
    must_run: bool = False,
) -> Asset:
    """A unit of 10 MMBtu/MWh at 2 per MMBtu: 20 per MWh, hot start 100 MMBtu, cold start (6 h) 300 MMBtu and 50."""
    return Asset(
        name,
        Technology.THERMAL,
        bus,
        p_min_mw,
        p_max_mw,
        ramp_mw_per_min=ramp_mw_per_min,
        fuel="coal",
        fuel_price_per_mmbtu=2.0,
        vom_per_mwh=1.0,
        co2_t_per_mmbtu=0.1,
        heat_rate=HeatRate((p_min_mw, p_max_mw), (10 * p_min_mw, 10 * p_max_mw)),
        commitment=Commitment(
            min_up_h=min_h,
            min_down_h=min_h,
            start_ups=(StartUp(0.0, 100.0), StartUp(6.0, 300.0, 50.0)),
            shut_down_cost=7.0,
            must_run=must_run,
        ),
        spinning=True,
    )


def battery(name: str, bus: str, power_mw: float, energy_mwh: float, soc_mwh: float | None = None) -> Asset:
    """A battery of 90 % one way, half full by default."""
    initial = energy_mwh / 2 if soc_mwh is None else soc_mwh
    store = Store(energy_mwh, power_mw, 0.9, 0.9, initial)
    return Asset(name, Technology.BATTERY, bus, 0.0, power_mw, ramp_mw_per_min=power_mw, store=store)


def source(name: str, technology: Technology, bus: str, capacity_mw: float) -> Asset:
    """Wind, PV, rooftop PV or hydro."""
    return Asset(name, technology, bus, 0.0, capacity_mw)


def three_bus(line_mw: float = 1000.0, **changes: object) -> Network:
    """Wind at `c`, units at `a` and `b`, all load at `b`; three equal lines in a triangle.

    By symmetry a third of what goes from one bus to another takes the way round, two thirds the direct line.

    Args:
        line_mw: Limit of the line from `c` to `b`.
        changes: Further fields of the network.
    """
    buses = (Bus("a", "west", 0.0), Bus("b", "east", 1.0), Bus("c", "west", 0.0))
    branches = (
        Branch("ab", "a", "b", 0.1, 1000.0),
        Branch("ac", "a", "c", 0.1, 1000.0),
        Branch("cb", "c", "b", 0.1, line_mw),
    )
    assets = (
        thermal("coal", "a", 20.0, 100.0),
        thermal("gas", "b", 10.0, 60.0, ramp_mw_per_min=4.0),
        source("wind", Technology.WIND, "c", 150.0),
        source("roof", Technology.ROOFTOP_PV, "b", 20.0),
        battery("cell", "b", 30.0, 60.0),
    )
    return Network("three", "UTC", buses, branches, (), assets, **changes)  # type: ignore[arg-type]


def six_bus(line_mw: float = 80.0) -> Network:
    """A ring of six buses with a chord and a DC line, two areas, and one of every kind of asset."""
    shares = {"1": 0.5, "2": 0.5, "3": 0.0, "4": 0.6, "5": 0.4, "6": 0.0}
    buses = tuple(Bus(name, "north" if name in "123" else "south", share) for name, share in shares.items())
    ends = [("1", "2"), ("2", "3"), ("3", "4"), ("4", "5"), ("5", "6"), ("6", "1"), ("2", "5")]
    branches = tuple(Branch(f"{f}-{t}", f, t, 0.05 + 0.01 * n, line_mw) for n, (f, t) in enumerate(ends))
    tank = Store(200.0, 80.0, 1.0, 0.98, 50.0)
    csp_limits = Commitment(min_up_h=0.5, min_down_h=0.5, start_ups=(StartUp(0.0, 0.0, 10.0),))
    assets = (
        thermal("coal", "1", 30.0, 120.0, 1.0, min_h=2.0),
        thermal("gas", "4", 10.0, 80.0, 4.0, min_h=0.5),
        Asset("atom", Technology.NUCLEAR, "5", 45.0, 50.0, 0.5, commitment=Commitment(24.0, 48.0, must_run=True)),
        source("wind", Technology.WIND, "3", 120.0),
        source("sun", Technology.PV, "6", 60.0),
        source("roof", Technology.ROOFTOP_PV, "2", 30.0),
        source("river", Technology.HYDRO, "6", 25.0),
        Asset("mirror", Technology.CSP, "3", 5.0, 40.0, 1.0, commitment=csp_limits, store=tank, spinning=True),
        Asset("spin", Technology.SYNCHRONOUS_CONDENSER, "4", 0.0, 0.0),
        battery("cell", "2", 25.0, 40.0),
    )
    return Network("six", "UTC", buses, branches, (DcLine("dc", "3", "5", 30.0),), assets)


def setpoints(
    orders: Mapping[str, float],
    *,
    start: datetime = START,
    minutes: float = 15,
    off: Iterable[str] = (),
    limits: Sequence[str] = ("wind", "sun"),
    issue_time: datetime | None = None,
) -> pa.Table:
    """`SETPOINT_SCHEMA`: power by asset, all valid from `start` for some minutes.

    Args:
        orders: Power of each asset told [MW].
        start: valid_from.
        minutes: Length of the validity.
        off: Assets told to be off.
        limits: Assets whose power is a limit.
        issue_time: 15 minutes before `start` by default.
    """
    issued = issue_time or start - timedelta(minutes=15)
    stopped = frozenset(off)
    rows = [
        {
            "plan_id": f"sced-{issued.isoformat()}",
            "issue_time": issued,
            "valid_from": start,
            "valid_until": start + timedelta(minutes=minutes),
            "asset": name,
            "power_mw": float(power),
            "role": "limit" if name in limits else "target",
            "is_on": name not in stopped,
            "on_expiry": "hold",
        }
        for name, power in orders.items()
    ]
    return pa.Table.from_pylist(rows, schema=SETPOINT_SCHEMA)


def readings(
    series: Mapping[str, Sequence[float] | npt.NDArray[np.float64]],
    *,
    start: datetime = START,
    period: timedelta = PLANT_PERIOD,
    revision: int = 0,
    latency: timedelta = timedelta(minutes=1),
) -> pa.Table:
    """`READING_SCHEMA` of some channels, NaN where a reading is missing; units and sites are not filled in."""
    rows = [
        {
            "available_at": start + (place + 1) * period + latency,
            "valid_time": start + place * period,
            "site": "",
            "channel": channel,
            "quantity": "",
            "value": float(value),
            "unit": "",
            "revision": revision,
            "quality": 0,
        }
        for channel, values in series.items()
        for place, value in enumerate(values)
        if np.isfinite(value)
    ]
    table = pa.Table.from_pylist(rows, schema=READING_SCHEMA)
    return table.sort_by([("available_at", "ascending"), ("channel", "ascending"), ("valid_time", "ascending")])

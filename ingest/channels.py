"""Channels: every stream of readings that a grid can deliver, with its unit, its site and its plausible range.

A site is the unit of parallel work and the key of the stream: the bus of an asset, `area-NAME` for the load of an area.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import repeat

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.asset import COMMITTED, CURTAILABLE, RENEWABLE, Asset, Family, Technology
from gridcore.network import Network
from gridcore.target import (
    inflow_channel,
    limit_channel,
    load_channel,
    load_target,
    power_channel,
    soc_channel,
    status_channel,
    sum_targets,
)
from gridcore.timeline import PLANT_PERIOD
from ingest.motion import FREE, Motion, driven_motion, energy_motion, load_motion, unit_motion

OVER_CAPACITY = 1.1
"""A plausible output is at most this multiple of capacity: meters and snow-cooled PV do exceed the name plate."""

OWN_USE = 0.05
"""A plausible output is at least minus this share of capacity: a unit at rest draws its own use from the grid."""

METER_MW = 0.5
"""A zero of a meter is plausible to this much, whatever the capacity [MW]."""

SOLAR_MULTIPLE = 4.0
"""A plausible inflow of a CSP's field is at most this multiple of the turbine (built plants have 1 to 3.5)."""

LOAD_MULTIPLE = 1.5
"""A plausible load of one area is at most this multiple of all capacity in the grid."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One stream of readings."""

    name: str
    """Unique name, e.g. `309_WIND_1/power`."""

    node: str
    """Its asset, or its load area."""

    quantity: str
    """power, limit, load, soc, status or inflow."""

    unit: str
    """MW, MWh or 1."""

    site: str
    """Its site: bus of the asset, or `area-NAME`."""

    low: float
    """Least plausible value [unit]."""

    high: float
    """Largest plausible value [unit]."""

    motion: Motion = FREE
    """How it may move from one reading to the next."""


@dataclass(frozen=True)
class ChannelTable:
    """All that a grid can be told: its channels, its official series and what can be out of service."""

    channels: tuple[Channel, ...]
    """Sorted by name."""

    period: timedelta
    """Period of a reading: it can't be had before its end."""

    series: tuple[tuple[str, float, float], ...] = ()
    """Name, least and largest plausible power of each official series [MW]."""

    elements: frozenset[str] = frozenset()
    """Assets, branches and DC lines: what an outage can be of."""

    @cached_property
    def index(self) -> dict[str, int]:
        """Row of each channel."""
        return {channel.name: row for row, channel in enumerate(self.channels)}

    def rows_of(self, names: pa.Array) -> npt.NDArray[np.int64]:
        """Row of each name, -1 for one that the table has not, shape (names,).

        The names of the last call are kept with their rows: a batch is decoded and then checked, and in a table of a
        million channels a look-up is three misses of the cache.
        """
        key = tuple(0 if buffer is None else buffer.address for buffer in names.buffers())
        asked = (len(names), names.offset, *key)
        if self._last and (last := self._last[0])[0] == asked:
            return last[2]
        texts = names.to_numpy(zero_copy_only=False).tolist()
        rows = np.fromiter(map(self.index.get, texts, repeat(-1)), np.int64, len(texts))
        # One assignment, for several threads ask; with the names, so that no other array can come to their address.
        self._last[:] = [(asked, names, rows)]
        return rows

    @cached_property
    def _last(self) -> list[tuple[tuple[int, ...], pa.Array, npt.NDArray[np.int64]]]:
        return []

    @cached_property
    def words(self) -> dict[str, tuple[dict[str, int], npt.NDArray[np.int32]]]:
        """Of site, quantity and unit: the number of each text, and each channel's number, shape (channels,)."""
        told = {}
        for column in ("site", "quantity", "unit"):
            number: dict[str, int] = {}
            of_channel = [number.setdefault(getattr(channel, column), len(number)) for channel in self.channels]
            told[column] = number, np.array(of_channel, np.int32)
        return told

    @cached_property
    def low(self) -> npt.NDArray[np.float64]:
        """Least plausible values, shape (channels,) [unit]."""
        return np.array([channel.low for channel in self.channels])

    @cached_property
    def high(self) -> npt.NDArray[np.float64]:
        """Largest plausible values, shape (channels,) [unit]."""
        return np.array([channel.high for channel in self.channels])

    @cached_property
    def motions(self) -> dict[str, npt.NDArray[np.float64]]:
        """Each number of the channels' motions, shape (channels,)."""
        names = ("jump", "jump_share", "ramp_per_min", "can_freeze", "still_below", "still_above")
        return {name: np.array([getattr(c.motion, name) for c in self.channels], np.float64) for name in names}

    @cached_property
    def limit_of(self) -> npt.NDArray[np.int64]:
        """Row of the channel that limits each, -1 where there is none, shape (channels,)."""
        return np.array([self.index.get(channel.motion.limit, -1) for channel in self.channels], np.int64)

    @cached_property
    def series_index(self) -> dict[str, int]:
        """Row of each official series."""
        return {name: row for row, (name, _, _) in enumerate(self.series)}

    @cached_property
    def series_low(self) -> npt.NDArray[np.float64]:
        """Least plausible official values, shape (series,) [MW]."""
        return np.array([low for _, low, _ in self.series])

    @cached_property
    def series_high(self) -> npt.NDArray[np.float64]:
        """Largest plausible official values, shape (series,) [MW]."""
        return np.array([high for _, _, high in self.series])

    def __len__(self) -> int:
        """Number of channels."""
        return len(self.channels)

    def __getitem__(self, name: str) -> Channel:
        """The channel of a name; KeyError for an unknown one."""
        return self.channels[self.index[name]]


def area_site(area: str) -> str:
    """Site of an area's load."""
    return f"area-{area}"


def driving_channel(asset: Asset) -> str:
    """Channel that tells what weather and water give an asset; empty for one that has none."""
    if asset.technology is Technology.CSP:
        return inflow_channel(asset.name)
    is_given = asset.technology in RENEWABLE or asset.technology is Technology.HYDRO
    return power_channel(asset.name) if is_given and asset.p_max_mw > 0 else ""


def driving_channels(network: Network) -> list[str]:
    """Channels that a simulated plant answers: what weather and water give, in the assets' order, then load."""
    assets = [channel for asset in network.assets if (channel := driving_channel(asset))]
    shares = network.area_shares.sum(axis=0)
    return assets + [load_channel(area) for area, share in zip(network.areas, shares, strict=True) if share > 0]


def channels_of(network: Network, period: timedelta = PLANT_PERIOD) -> ChannelTable:
    """Every channel the loop can deliver: power, limit, soc, status and inflow of assets, load of areas.

    Args:
        network: The grid.
        period: Period of its telemetry, e.g. `GridSource.reading_period` of the readers here.
    """
    channels = [channel for asset in network.assets for channel in _of_asset(asset)]
    capacity_mw = sum(asset.p_max_mw for asset in network.assets)
    for area, share in zip(network.areas, network.area_shares.sum(axis=0), strict=True):
        if share > 0:
            high_mw = max(LOAD_MULTIPLE * capacity_mw, METER_MW)
            told = load_channel(area), area, "load", "MW", area_site(area), 0.0, high_mw
            channels.append(Channel(*told, load_motion(METER_MW)))
    elements = frozenset(item.name for items in (network.assets, network.branches, network.dc_lines) for item in items)
    in_order = tuple(sorted(channels, key=lambda channel: channel.name))
    return ChannelTable(in_order, period, tuple(_series_of(network, capacity_mw)), elements)


def _series_of(network: Network, capacity_mw: float) -> Iterator[tuple[str, float, float]]:
    """Official series: of assets, area loads, their sums, and reserve requirements; a source's is never negative."""
    for asset in network.assets:
        most = SOLAR_MULTIPLE if asset.technology is Technology.CSP else OVER_CAPACITY
        least_mw = 0.0 if asset.family is Family.SOURCE else OVER_CAPACITY * asset.p_max_mw
        yield asset.name, -max(least_mw, METER_MW), max(most * asset.p_max_mw, METER_MW)
    of_the_grid = max(LOAD_MULTIPLE * capacity_mw, METER_MW)
    sums = [target.name for target in sum_targets(network)]
    for name in (
        *(load_target(area) for area in network.areas),
        *sums,
        *(f"reserve/{r.name}" for r in network.reserves),
    ):
        yield name, -METER_MW, of_the_grid


def _of_asset(asset: Asset) -> Iterator[Channel]:
    """Channels of one asset."""
    name, site, store = asset.name, asset.bus, asset.store
    high_mw = max(OVER_CAPACITY * asset.p_max_mw, METER_MW)
    is_csp = asset.technology is Technology.CSP
    draws_mw = store.charge_mw * OVER_CAPACITY if store is not None and not is_csp else OWN_USE * asset.p_max_mw
    is_curtailable = asset.technology in CURTAILABLE
    motion = driven_motion(asset, METER_MW, limit_channel(name) if is_curtailable else "")
    motion = unit_motion(asset, METER_MW) if asset.technology in COMMITTED else motion
    yield Channel(power_channel(name), name, "power", "MW", site, -max(draws_mw, METER_MW), high_mw, motion)
    if is_curtailable:
        yield Channel(limit_channel(name), name, "limit", "MW", site, 0.0, high_mw)
    if asset.technology in COMMITTED:
        yield Channel(status_channel(name), name, "status", "1", site, 0.0, 1.0)
    if store is not None:
        slack_mwh = max(0.01 * store.energy_mwh, METER_MW)
        told = soc_channel(name), name, "soc", "MWh", site, -slack_mwh, store.energy_mwh + slack_mwh
        yield Channel(*told, energy_motion(max(store.charge_mw, asset.p_max_mw), slack_mwh))
    if is_csp:
        told = inflow_channel(name), name, "inflow", "MW", site, -METER_MW, SOLAR_MULTIPLE * asset.p_max_mw
        yield Channel(*told, driven_motion(asset, METER_MW))

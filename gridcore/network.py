"""The network: buses, branches, DC lines and the assets at them, with the grid's own facts (zone, reserves, source)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridcore.asset import Asset, Technology
from gridcore.errors import BadInputError
from gridcore.reading import OfficialValue
from gridcore.timeline import time_zone


@dataclass(frozen=True, slots=True)
class Bus:
    """A node of the network."""

    name: str
    """Unique name."""

    area: str
    """Load area: load telemetry and load forecasts exist per area; a bus follows by its share."""

    load_share: float
    """Share of its area's load, in [0, 1]; the shares of an area sum to 1, or all are 0."""

    base_kv: float = 0.0
    """Nominal voltage [kV]."""

    latitude: float | None = None
    """Degrees north."""

    longitude: float | None = None
    """Degrees east."""


@dataclass(frozen=True, slots=True)
class Branch:
    """An AC line or transformer; its DC-model flow is (angle_from - angle_to) / (x * ratio), in per unit."""

    name: str
    """Unique name."""

    from_bus: str
    """Where positive flow comes from."""

    to_bus: str
    """Where positive flow goes to."""

    x_pu: float
    """Series reactance on the network's MVA base, not 0 [p.u.]."""

    limit_mw: float
    """Continuous rating, for both directions [MW]."""

    ratio: float = 1.0
    """Off-nominal tap ratio of a transformer; 1 for a line."""

    is_transformer: bool = False
    """A transformer rather than a line."""


@dataclass(frozen=True, slots=True)
class DcLine:
    """A controllable DC line; lossless in this model."""

    name: str
    """Unique name."""

    from_bus: str
    """Where positive flow comes from."""

    to_bus: str
    """Where positive flow goes to."""

    limit_mw: float
    """Rating, for both directions [MW]."""


@dataclass(frozen=True, slots=True)
class ReserveProduct:
    """An upward or downward reserve that the grid requires hour by hour."""

    name: str
    """Name, as in the source; its requirement is the series `reserve/NAME`."""

    direction: str
    """`up` or `down`."""

    timeframe_s: float
    """Time within which the reserve must be delivered [s]."""

    areas: tuple[str, ...]
    """Areas whose assets count."""

    eligible: tuple[str, ...]
    """Tags (categories) of the assets that count."""


@dataclass(frozen=True)
class Network:
    """A whole grid; read-only. Raises `BadInputError` on a contradiction (see `check`)."""

    name: str
    """Name of the grid."""

    zone_name: str
    """The grid's own time zone (IANA)."""

    buses: tuple[Bus, ...]
    """In the order of every (buses, ...) array."""

    branches: tuple[Branch, ...]
    """In the order of every (branches, ...) array."""

    dc_lines: tuple[DcLine, ...]
    """DC lines; they count as branches in exports, after the branches."""

    assets: tuple[Asset, ...]
    """In the order of every (assets, ...) array."""

    reserves: tuple[ReserveProduct, ...] = ()
    """Reserve products; empty where the grid states none."""

    base_mva: float = 100.0
    """MVA base of the per-unit reactances."""

    currency: str = "USD"
    """Currency of all costs."""

    source: str = ""
    """Where the data come from, with licence."""

    country: str = ""
    """Country whose public holidays the load follows, ISO 3166-1 alpha-2 such as `DE`; empty where unknown."""

    official_hydro: OfficialValue = OfficialValue.MEAN
    """What the official values of hydro units say of their periods."""

    telemetry_latency_s: float = 60.0
    """Declared delay between a reading's period end and its arrival, where the history states none [s]."""

    latency_is_declared: bool = True
    """The latency is a declaration of ours or the user's, not a measurement; the report says so."""

    def __post_init__(self) -> None:
        """Check the network's own consistency."""
        check(self)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The grid's own time zone."""
        return time_zone(self.zone_name)

    @cached_property
    def areas(self) -> tuple[str, ...]:
        """Load areas in order of first appearance."""
        return tuple(dict.fromkeys(bus.area for bus in self.buses))

    @cached_property
    def bus_index(self) -> dict[str, int]:
        """Row of each bus."""
        return {bus.name: row for row, bus in enumerate(self.buses)}

    @cached_property
    def asset_index(self) -> dict[str, int]:
        """Row of each asset."""
        return {asset.name: row for row, asset in enumerate(self.assets)}

    @cached_property
    def asset_bus(self) -> npt.NDArray[np.int64]:
        """Row of each asset's bus, shape (assets,)."""
        return np.array([self.bus_index[asset.bus] for asset in self.assets], dtype=np.int64)

    @cached_property
    def area_shares(self) -> npt.NDArray[np.float64]:
        """Load of each bus per MW of each area's load, shape (buses, areas)."""
        shares = np.zeros((len(self.buses), len(self.areas)))
        for row, bus in enumerate(self.buses):
            shares[row, self.areas.index(bus.area)] = bus.load_share
        return shares

    def area_of(self, asset: Asset) -> str:
        """The load area that an asset lies in."""
        return self.buses[self.bus_index[asset.bus]].area

    def of(self, *technologies: Technology) -> tuple[Asset, ...]:
        """The assets of some technologies, in the network's order."""
        wanted = frozenset(technologies)
        return tuple(asset for asset in self.assets if asset.technology in wanted)


def check(network: Network) -> None:
    """Raise `BadInputError` where names repeat, a bus is unknown, a number is impossible or the grid is in islands."""
    lines: tuple[Branch | DcLine, ...] = (*network.branches, *network.dc_lines)
    _check_unique("bus", (bus.name for bus in network.buses))
    _check_unique("branch or DC line", (line.name for line in lines))
    _check_unique("asset", (asset.name for asset in network.assets))
    known = {bus.name for bus in network.buses}
    for line in lines:
        for end in (line.from_bus, line.to_bus):
            if end not in known:
                raise BadInputError("a branch at an unknown bus", asset=line.name, got=end, wanted="a bus of the grid")
        if not line.limit_mw > 0:
            raise BadInputError("a branch limit", asset=line.name, got=line.limit_mw, wanted="above 0 MW")
    for branch in network.branches:
        if not (np.isfinite(branch.x_pu) and branch.x_pu != 0 and branch.ratio > 0):
            got = f"x {branch.x_pu}, ratio {branch.ratio}"
            raise BadInputError("a branch reactance", asset=branch.name, got=got, wanted="x not 0, ratio above 0")
    for asset in network.assets:
        _check_asset(asset, known)
    if network.country and not re.fullmatch("[A-Z]{2}", network.country):
        wanted = "two capital letters (ISO 3166-1 alpha-2), or nothing"
        raise BadInputError("a country", asset=network.name, got=network.country, wanted=wanted)
    _check_shares(network)
    _check_one_island(network)


def _check_unique(what: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise BadInputError(f"a {what} name stands {count} times", asset=name, wanted="once")


def _check_asset(asset: Asset, buses: set[str]) -> None:
    if asset.bus not in buses:
        raise BadInputError("an asset at an unknown bus", asset=asset.name, got=asset.bus, wanted="a bus of the grid")
    if not (np.isfinite(asset.p_max_mw) and asset.p_max_mw >= 0):
        raise BadInputError("a capacity", asset=asset.name, got=asset.p_max_mw, wanted="p_max_mw of 0 MW or more")
    if not 0 <= asset.p_min_mw <= asset.p_max_mw:
        got = f"{asset.p_min_mw} MW"
        raise BadInputError("a minimum output", asset=asset.name, got=got, wanted=f"0 to {asset.p_max_mw} MW")
    if not asset.ramp_mw_per_min >= 0:
        raise BadInputError("a ramp limit", asset=asset.name, got=asset.ramp_mw_per_min, wanted="0 MW/min or more")
    store = asset.store
    if store is not None and not (store.energy_mwh >= 0 and 0 <= store.initial_soc_mwh <= store.energy_mwh):
        got = f"{store.initial_soc_mwh} of {store.energy_mwh} MWh"
        raise BadInputError("stored energy", asset=asset.name, got=got, wanted="0 to the capacity")
    if store is not None and not (0 < store.charge_efficiency <= 1 and 0 < store.discharge_efficiency <= 1):
        got = f"{store.charge_efficiency}, {store.discharge_efficiency}"
        raise BadInputError("an efficiency", asset=asset.name, got=got, wanted="above 0, at most 1")


def _check_shares(network: Network) -> None:
    for area, total in zip(network.areas, network.area_shares.sum(axis=0), strict=True):
        if not (abs(total - 1) < 1e-6 or total == 0):
            raise BadInputError(
                "the bus shares of an area's load", asset=area, got=f"sum {total:.6f}", wanted="1 (or 0)"
            )


def _check_one_island(network: Network) -> None:
    """Every bus is reached over AC branches; a DC line alone does not fix the angle of an island."""
    if not network.buses:
        raise BadInputError("a grid without buses", asset=network.name, got="0 buses", wanted="1 or more")
    neighbours: dict[str, set[str]] = {bus.name: set() for bus in network.buses}
    for branch in network.branches:
        neighbours[branch.from_bus].add(branch.to_bus)
        neighbours[branch.to_bus].add(branch.from_bus)
    reached, front = {network.buses[0].name}, [network.buses[0].name]
    while front:
        new = neighbours[front.pop()] - reached
        reached |= new
        front.extend(new)
    if apart := [bus.name for bus in network.buses if bus.name not in reached]:
        got = f"{len(apart)} of {len(network.buses)} buses apart from {network.buses[0].name}, e.g. {apart[0]}"
        raise BadInputError("the network is in islands", asset=apart[0], got=got, wanted="one AC island")

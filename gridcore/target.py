"""Forecast targets: what a forecast is about, by its kind, and the sums that roll up from them.

A target is one asset (wind farm, PV plant, rooftop aggregate, CSP inflow), the load of one area (`AREA/load`), or a
sum (`AREA/wind`, `system/load`, `portfolio/NAME`). Power of a generation target is into the grid; of a load target it
is the demand, positive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gridcore.asset import Technology
from gridcore.errors import BadInputError
from gridcore.network import Network


class Kind(StrEnum):
    """Kinds that share one global model."""

    WIND = "wind"
    PV = "pv"
    ROOFTOP_PV = "rooftop_pv"
    CSP_INFLOW = "csp_inflow"
    LOAD = "load"


KIND_OF = {
    Technology.WIND: Kind.WIND,
    Technology.PV: Kind.PV,
    Technology.ROOFTOP_PV: Kind.ROOFTOP_PV,
    Technology.CSP: Kind.CSP_INFLOW,
}
"""Kind of forecast that an asset of a technology gets."""

SYSTEM = "system"
"""Node name of the whole grid."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a forecast is about."""

    name: str
    """Unique name; the `target` column of forecasts and the `asset` column of official series."""

    kind: Kind
    """The model it shares; of a portfolio that mixes kinds, the kind of its largest member."""

    capacity_mw: float
    """Scale of its values [MW]: capacity of a source; 0 where only history can tell (load)."""

    channel: str
    """Channel of its readings; empty for a sum."""

    latitude: float | None = None
    """Degrees north."""

    longitude: float | None = None
    """Degrees east."""

    members: tuple[tuple[str, float], ...] = ()
    """Of a sum: (target name, +1 or -1) for each member; a portfolio counts load as -1."""


def power_channel(asset: str) -> str:
    """Channel of an asset's output [MW]."""
    return f"{asset}/power"


def limit_channel(asset: str) -> str:
    """Channel of the curtailment limit in force at an asset [MW]; readings only while one is in force."""
    return f"{asset}/limit"


def soc_channel(asset: str) -> str:
    """Channel of an asset's stored energy [MWh]."""
    return f"{asset}/soc"


def status_channel(asset: str) -> str:
    """Channel of an asset's on/off state: 1 on, 0 off."""
    return f"{asset}/status"


def inflow_channel(asset: str) -> str:
    """Channel of the thermal power that a CSP's solar field delivers, as MW of electric output."""
    return f"{asset}/inflow"


def load_target(area: str) -> str:
    """Target name of an area's load."""
    return f"{area}/load"


def load_channel(area: str) -> str:
    """Channel of an area's load [MW], demand positive."""
    return f"{area}/load"


def basic_targets(network: Network) -> tuple[Target, ...]:
    """One target for each wind farm, PV plant, rooftop aggregate, CSP inflow and load area, in the network's order."""
    targets = []
    for asset in network.assets:
        kind = KIND_OF.get(asset.technology)
        if kind is None:
            continue
        channel = inflow_channel(asset.name) if kind is Kind.CSP_INFLOW else power_channel(asset.name)
        bus = network.buses[network.bus_index[asset.bus]]
        latitude = bus.latitude if asset.latitude is None else asset.latitude
        longitude = bus.longitude if asset.longitude is None else asset.longitude
        targets.append(Target(asset.name, kind, asset.p_max_mw, channel, latitude, longitude))
    for area, total in zip(network.areas, network.area_shares.sum(axis=0), strict=True):
        if total > 0:
            members = [bus for bus in network.buses if bus.area == area and bus.latitude is not None]
            latitude = sum(bus.latitude or 0.0 for bus in members) / len(members) if members else None
            longitude = sum(bus.longitude or 0.0 for bus in members) / len(members) if members else None
            targets.append(Target(load_target(area), Kind.LOAD, 0.0, load_channel(area), latitude, longitude))
    return tuple(targets)


def sum_targets(network: Network, portfolios: Mapping[str, Sequence[str]] | None = None) -> tuple[Target, ...]:
    """Sums by area and kind, by kind over the system, and the user's portfolios.

    Args:
        network: The grid.
        portfolios: Asset or area-load target names of each named portfolio.

    Raises:
        BadInputError: A portfolio is empty or names what is no target.
    """
    basics = basic_targets(network)
    area_of = {asset.name: network.area_of(asset) for asset in network.assets}
    area_of |= {load_target(area): area for area in network.areas}
    sums = []
    for kind in Kind:
        of_kind = [target for target in basics if target.kind is kind]
        for area in network.areas:
            here = [target for target in of_kind if area_of[target.name] == area]
            if here and kind is not Kind.LOAD:
                sums.append(_sum(f"{area}/{kind.value}", kind, [(target, 1.0) for target in here]))
        if of_kind:
            sums.append(_sum(f"{SYSTEM}/{kind.value}", kind, [(target, 1.0) for target in of_kind]))
    by_name = {target.name: target for target in basics}
    for name, members in (portfolios or {}).items():
        unknown = [member for member in members if member not in by_name]
        if unknown or not members:
            raise BadInputError(
                "a portfolio", asset=name, got=unknown or "no member", wanted="forecast targets of the grid"
            )
        signed = [(by_name[m], -1.0 if by_name[m].kind is Kind.LOAD else 1.0) for m in members]
        largest = max(signed, key=lambda pair: pair[0].capacity_mw)[0].kind
        sums.append(_sum(f"portfolio/{name}", largest, signed))
    return tuple(sums)


def _sum(name: str, kind: Kind, members: Sequence[tuple[Target, float]]) -> Target:
    capacity_mw = sum(target.capacity_mw for target, _ in members)
    return Target(name, kind, capacity_mw, "", members=tuple((target.name, sign) for target, sign in members))

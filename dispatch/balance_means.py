"""The means of the real-time balance, in their order, and what they give on a copper plate.

Shortage: release of limited wind and PV, regulation of thermal units, batteries, load shed. Surplus: regulation,
batteries, curtailment of wind and PV, over-generation. Each means is used up before the next one starts, and is shared
in proportion to the room of its assets.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from gridcore.asset import CURTAILABLE, Family, Technology
from gridcore.network import Network

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Means(IntEnum):
    """What an asset can do for the balance."""

    FIXED = 0
    """Nothing: hydro, rooftop PV, synchronous condensers."""

    VARIABLE = 1
    """Wind and PV: released up to what is available, curtailed down to zero as the last means but over-generation."""

    REGULATION = 2
    """Units that are on: up and down within ramp and limits."""

    STORAGE = 3
    """Batteries: charge and discharge within power and stored energy."""


UPWARD = (Means.VARIABLE, Means.REGULATION, Means.STORAGE)
"""Order against a shortage: free power first, then load shed after the last."""

DOWNWARD = (Means.REGULATION, Means.STORAGE, Means.VARIABLE)
"""Order against a surplus: curtailment last, then over-generation."""

REGULATING = frozenset({Technology.THERMAL, Technology.NUCLEAR, Technology.CSP})
"""Technologies that regulate while on."""


def means_of(network: Network) -> Ints:
    """`Means` of each asset, shape (assets,)."""
    found = np.zeros(len(network.assets), dtype=np.int64)
    for row, asset in enumerate(network.assets):
        if asset.technology in CURTAILABLE:
            found[row] = Means.VARIABLE
        elif asset.technology in REGULATING:
            found[row] = Means.REGULATION
        elif asset.family is Family.STORE:
            found[row] = Means.STORAGE
    return found


@dataclass(frozen=True)
class Spread:
    """A balance on a copper plate: what each means gives when no line has a limit."""

    power_mw: Floats
    """Output, shape (assets,) [MW]."""

    shed_mw: Floats
    """Load shed, shape (buses,) [MW]."""

    over_generation_mw: Floats
    """Power without a taker, shape (buses,) [MW]."""


@dataclass(frozen=True)
class Demand:
    """What the buses take."""

    load_mw: Floats
    """Load, shape (buses,) [MW]."""

    dc_mw: Floats
    """What DC lines take at each bus, negative where they bring, shape (buses,) [MW]."""


@dataclass(frozen=True)
class Island:
    """Buses that AC branches connect, with their assets."""

    buses: Ints
    """Rows of its buses."""

    assets: Ints
    """Rows of its assets."""


def spread_over(island: Island, means: Ints, bounds: tuple[Floats, Floats], into: Spread, demand: Demand) -> float:
    """Balance one island as a copper plate, in place.

    Args:
        island: Its buses and assets.
        means: `Means` of each asset, shape (assets,).
        bounds: Lower and upper reachable output, each of shape (assets,) [MW].
        into: Base points come in as `power_mw`, the balance goes out; shed and over-generation come in as zero.
        demand: What the buses take.

    Returns:
        What stays missing because a DC line takes more than the island has besides its load [MW]; 0 as a rule.
    """
    lower, upper = bounds
    wanted_mw = demand.load_mw[island.buses] + demand.dc_mw[island.buses]
    missing_mw = float(wanted_mw.sum() - into.power_mw[island.assets].sum())
    for one in UPWARD if missing_mw > 0 else DOWNWARD:
        rows = island.assets[means[island.assets] == one]
        # A base point may stand beyond its bound by rounding: room of the wrong sign would be shared without end.
        up, down = upper[rows] - into.power_mw[rows], lower[rows] - into.power_mw[rows]
        room = np.maximum(up, 0.0) if missing_mw > 0 else np.minimum(down, 0.0)
        total_mw = float(room.sum())
        if total_mw == 0:
            continue
        share = min(1.0, missing_mw / total_mw)
        into.power_mw[rows] += share * room
        missing_mw -= share * total_mw
        if share < 1:
            return 0.0
    return _leave_over(island, into, demand, missing_mw)


def _leave_over(island: Island, into: Spread, demand: Demand, missing_mw: float) -> float:
    """Shed in proportion to load, over-generation in equal parts: what no means could balance.

    Where a line can't carry it that way, the linear program moves it.
    """
    if missing_mw <= 0:
        into.over_generation_mw[island.buses] -= missing_mw / len(island.buses)
        return 0.0
    load = np.maximum(demand.load_mw[island.buses], 0.0)
    total_mw = float(load.sum())
    share = min(1.0, missing_mw / total_mw) if total_mw > 0 else 0.0
    into.shed_mw[island.buses] += share * load
    return missing_mw - share * total_mw

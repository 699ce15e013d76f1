"""Grid state: what the grid does at an instant, as far as it is known; the start of every plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from gridcore.network import Network


@dataclass(frozen=True)
class GridState:
    """State at the start of a plan's first period; arrays have shape (assets,) in the network's order."""

    instant: datetime
    """The instant it is about."""

    power_mw: npt.NDArray[np.float64]
    """Output just before `instant` [MW]; NaN where unknown (then no ramp limit binds the first period)."""

    is_on: npt.NDArray[np.bool_]
    """On/off of committed units."""

    hours_in_state: npt.NDArray[np.float64]
    """Hours since the last switch [h]; inf where it is not known to bind."""

    soc_mwh: npt.NDArray[np.float64]
    """Stored energy, NaN where there is no store [MWh]."""

    is_free: bool = False
    """No state is known (the first plan ever): commitment, output and ramps of the first period are free."""


def unknown_state(network: Network, instant: datetime) -> GridState:
    """The state before anything is known: free commitment, stores at their initial energy."""
    count = len(network.assets)
    soc = np.array([np.nan if a.store is None else a.store.initial_soc_mwh for a in network.assets])
    none = np.full(count, np.nan)
    return GridState(instant, none, np.zeros(count, bool), np.full(count, np.inf), soc, is_free=True)

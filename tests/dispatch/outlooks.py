"""Outlooks for small grids, and states to start from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dispatch.outlook import Outlook
from gridcore.network import Network
from gridcore.state import GridState
from gridcore.timeline import PERIOD, periods_between
from tests.builders import START

Floats = npt.NDArray[np.float64]


def outlook(
    network: Network,
    load_mw: Mapping[str, Floats | float],
    available_mw: Mapping[str, Floats | float],
    periods: int = 16,
    *,
    margin_mw: float = 0.0,
    reserve_mw: float = 0.0,
) -> Outlook:
    """An outlook from START on: load by bus, available power by asset, the same requirement for each product."""
    load, available = np.zeros((len(network.buses), periods)), np.zeros((len(network.assets), periods))
    for bus, power in load_mw.items():
        load[network.bus_index[bus]] = power
    for asset, power in available_mw.items():
        available[network.asset_index[asset]] = power
    return Outlook(
        issue_time=START - PERIOD,
        valid_time=periods_between(START, START + periods * PERIOD),
        resolution=PERIOD,
        load_mw=load,
        available_mw=available,
        reserve_mw=np.full((len(network.reserves), periods), reserve_mw),
        margin_mw=np.full(periods, margin_mw),
        out_of_service=np.zeros((len(network.assets), periods), dtype=np.bool_),
        branch_out=np.zeros((len(network.branches) + len(network.dc_lines), periods), dtype=np.bool_),
    )


def state(
    network: Network,
    power_mw: Mapping[str, float],
    hours: Mapping[str, float] | None = None,
    soc_mwh: float | None = None,
) -> GridState:
    """A known state: what has power is on, the rest is off; hours in state infinite unless told."""
    power = np.zeros(len(network.assets))
    since = np.full(len(network.assets), np.inf)
    for name, value in power_mw.items():
        power[network.asset_index[name]] = value
    for name, value in (hours or {}).items():
        since[network.asset_index[name]] = value
    stored = [
        np.nan if a.store is None else (a.store.initial_soc_mwh if soc_mwh is None else soc_mwh) for a in network.assets
    ]
    is_on = np.array([name in power_mw for name in (a.name for a in network.assets)])
    return GridState(START, power, is_on, since, np.array(stored))

"""What a replay cost: fuel by heat-rate curve, starts by category, operation, penalties; CO2; stored energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dispatch.settings import DispatchSettings
from gridcore.asset import COMMITTED, Asset, StartUp, Technology
from gridcore.network import Network
from gridcore.timeline import PLANT_PERIOD

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

STEP_H = PLANT_PERIOD / timedelta(hours=1)
"""Length of a realised period [h]."""


@dataclass(frozen=True)
class UnitUse:
    """What one switched unit used."""

    running_mmbtu: float
    """Heat burnt while on [MMBtu]."""

    starting_mmbtu: float
    """Heat burnt by starts [MMBtu]."""

    starts: int
    """Number of starts."""

    other_cost: float
    """Starts besides fuel, and shut-downs [currency]."""


def realised_cost(
    network: Network,
    realised: Mapping[str, pa.Table],
    settings: DispatchSettings | None = None,
    before: pa.Table | None = None,
) -> dict[str, Any]:
    """Cost, emissions and starts of what was realised, as keys of a row of `xiaona replay --json`.

    Args:
        network: The row's grid.
        realised: Tables `asset` and `bus` in the schemas of `gridcore.realised`, a row for each asset and period.
        settings: Prices of shed load, over-generation and stored energy; the dispatch's own by default.
        before: What the assets did up to the first period, same schema: a row commits anew for its first period, and
            what switches there is the row's own. By default nothing switches there.

    Returns:
        `cost` {fuel, start, vom, penalty, stored_energy} [currency], `tco2` [t], `starts`, `stored_energy_mwh`.
        `start` includes shut-downs. `stored_energy` is minus the value of what stores hold more at the end than at the
        start, at one price per MWh for all rows.
    """
    prices = settings or DispatchSettings()
    table = realised["asset"].sort_by([("asset", "ascending"), ("valid_time", "ascending")])
    power, soc = _matrix(network, table, "power_mw"), _matrix(network, table, "soc_mwh")
    on = _matrix(network, table, "is_on") > 0.5
    units = [(row, asset) for row, asset in enumerate(network.assets) if asset.technology in COMMITTED]
    was_on = on[:, :0]
    if before is not None and len(before):
        order = [("asset", "ascending"), ("valid_time", "ascending")]
        was_on = _matrix(network, before.sort_by(order), "is_on") > 0.5
    uses = [(asset, unit_use(asset, power[row], on[row], was_on[row])) for row, asset in units]
    gained_mwh = sum(_gained_mwh(asset, power[row], soc[row]) for row, asset in enumerate(network.assets))
    vom = sum(asset.vom_per_mwh * float(np.maximum(power[row], 0.0).sum()) for row, asset in enumerate(network.assets))
    return {
        "cost": {
            "fuel": sum(use.running_mmbtu * asset.fuel_price_per_mmbtu for asset, use in uses),
            "start": sum(use.starting_mmbtu * asset.fuel_price_per_mmbtu + use.other_cost for asset, use in uses),
            "vom": vom * STEP_H,
            "penalty": _penalty(realised["bus"], prices),
            "stored_energy": -gained_mwh * prices.stored_energy_value_per_mwh,
        },
        "tco2": sum((use.running_mmbtu + use.starting_mmbtu) * asset.co2_t_per_mmbtu for asset, use in uses),
        "starts": sum(use.starts for _, use in uses),
        "stored_energy_mwh": gained_mwh,
    }


def unit_use(asset: Asset, power_mw: Floats, is_on: Bools, was_on: Bools | None = None) -> UnitUse:
    """Fuel and switching of one unit.

    How long a unit was off before all that is known is not in the realised flows; a start from that stretch counts as
    the coldest, the same for all rows of a replay.

    Args:
        asset: The unit.
        power_mw: Output, shape (periods,) [MW].
        is_on: On/off, shape (periods,).
        was_on: On/off before the first period, shape (periods before,); none by default.
    """
    heat = 0.0
    if asset.heat_rate is not None:
        curve = np.interp(power_mw, asset.heat_rate.power_mw, asset.heat_rate.heat_mmbtu_per_h)
        heat = float(curve[is_on].sum()) * STEP_H
    starting_mmbtu, other = 0.0, 0.0
    on = is_on if was_on is None else np.concatenate([was_on, is_on])
    first = len(on) - len(is_on)
    begun = np.flatnonzero(on[1:] & ~on[:-1]) + 1
    stopped = np.flatnonzero(~on[1:] & on[:-1]) + 1
    limits = asset.commitment
    for start in begun[begun >= first]:
        before = stopped[stopped < start]
        off_h = float(start - before[-1]) * STEP_H if len(before) else np.inf
        if limits is not None and (category := start_category(limits.start_ups, off_h)) is not None:
            starting_mmbtu, other = starting_mmbtu + category.heat_mmbtu, other + category.cost
    if limits is not None:
        other += limits.shut_down_cost * int((stopped >= first).sum())
    return UnitUse(heat, starting_mmbtu, int((begun >= first).sum()), other)


def start_category(start_ups: tuple[StartUp, ...], off_h: float) -> StartUp | None:
    """The coldest category whose time off was reached, the hottest where none was; None where a start is free."""
    reached = [category for category in start_ups if off_h >= category.off_h - 1e-9]
    return reached[-1] if reached else (start_ups[0] if start_ups else None)


def _matrix(network: Network, table: pa.Table, column: str) -> Floats:
    """Values by asset and period, shape (assets, periods); the table is sorted by asset and time."""
    names = sorted(asset.name for asset in network.assets)
    values = pc.cast(table.column(column), pa.float64()).to_numpy().reshape(len(names), -1)
    place = {name: row for row, name in enumerate(names)}
    by_asset: Floats = values[[place[asset.name] for asset in network.assets]]
    return by_asset


def _gained_mwh(asset: Asset, power_mw: Floats, soc_mwh: Floats) -> float:
    """Stored energy at the end less that at the start of the first period [MWh]; a CSP's since the first period's end.

    A battery's first period is undone by its own power; a CSP's inflow may have been spilt, and is left out.
    """
    store = asset.store
    if store is None or not len(soc_mwh):
        return 0.0
    gained = float(soc_mwh[-1] - soc_mwh[0])
    if asset.technology is not Technology.CSP:
        first = float(power_mw[0]) * STEP_H
        gained += -first * store.charge_efficiency if first < 0 else -first / store.discharge_efficiency
    return gained


def _penalty(bus: pa.Table, prices: DispatchSettings) -> float:
    """Cost of shed load and over-generation [currency]."""
    shed_mwh = float(bus.column("shed_mw").to_numpy().sum()) * STEP_H
    over_mwh = float(bus.column("over_generation_mw").to_numpy().sum()) * STEP_H
    return shed_mwh * prices.voll_per_mwh + over_mwh * prices.over_generation_per_mwh

"""Rules of the validator: output limits, outages, ramps, minimum times, stored energy, reserve, by asset and period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gridcore.asset import COMMITTED, CURTAILABLE, Asset, Technology
from gridcore.network import Network, ReserveProduct
from gridcore.plan import Slack
from gridcore.state import GridState
from gridcore.timeline import Instants

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

TOLERANCE_MW = 1e-4
"""A hundred watts: a thousand times the solver's tolerance, far below what a meter resolves."""

TOLERANCE_H = 1e-6
"""Rounding of times."""

GIVEN = frozenset({Technology.HYDRO, Technology.ROOFTOP_PV})
"""Technologies whose output is what is available."""


@dataclass(frozen=True)
class Fault:
    """A broken rule, by period number."""

    rule: str
    """What is broken."""

    place: str
    """Asset, branch or bus."""

    period: int
    """Period of the sheet."""

    got: float
    """What the plan has."""

    wanted: float
    """The limit."""


@dataclass(frozen=True)
class Sheet:
    """A plan in the network's order (assets, then DC lines) and in the periods of its decision."""

    network: Network
    """The grid."""

    valid_time: Instants
    """Period starts, shape (periods,)."""

    step_h: Floats
    """Period lengths, shape (periods,) [h]."""

    is_on: Bools
    """Shape (assets + DC lines, periods), as all that follow."""

    power_mw: Floats
    """Net output [MW]."""

    charge_mw: Floats
    """Charging power [MW]."""

    discharge_mw: Floats
    """Discharging power [MW]."""

    soc_mwh: Floats
    """Stored energy at the period's end [MWh]."""

    available_mw: Floats
    """Output possible [MW]."""

    curtailment_mw: Floats
    """Curtailed power [MW]."""

    reserve_mw: Floats
    """Upward reserve held [MW]."""

    relaxed_mw: Floats
    """Ramp slack accepted [MW]."""

    state: GridState | None
    """State at the start, where known."""

    slacks: tuple[Slack, ...]
    """Slacks in use."""

    @staticmethod
    def is_switched(asset: Asset) -> bool:
        """The asset has an on/off state."""
        return asset.technology in COMMITTED

    @staticmethod
    def is_weather_driven(asset: Asset) -> bool:
        """The asset's available power comes from a forecast."""
        return asset.technology in CURTAILABLE or asset.technology in GIVEN


def fault_list(sheet: Sheet, rule: str, rows: Sequence[int], got: Floats, wanted: Floats) -> list[Fault]:
    """Faults where `got` exceeds `wanted`, arrays of shape (rows, periods) or what broadcasts to it."""
    limit = np.broadcast_to(wanted, got.shape)
    names = [*(a.name for a in sheet.network.assets), *(d.name for d in sheet.network.dc_lines)]
    # Not "<=": a NaN in a plan is a fault too.
    bad = np.argwhere(~(got <= limit + TOLERANCE_MW))
    return [Fault(rule, names[rows[r]], int(t), float(got[r, t]), float(limit[r, t])) for r, t in bad]


def output_faults(sheet: Sheet) -> list[Fault]:
    """Output within its limits, curtailment what is left, reserve within the headroom."""
    assets, power = sheet.network.assets, sheet.power_mw
    on = [row for row, a in enumerate(assets) if sheet.is_switched(a)]
    least = np.where(sheet.is_on[on], np.array([[assets[row].p_min_mw] for row in on]).reshape(-1, 1), 0.0)
    most = np.where(sheet.is_on[on], np.array([[assets[row].p_max_mw] for row in on]).reshape(-1, 1), 0.0)
    faults = fault_list(sheet, "p_min", on, -power[on], -least) + fault_list(sheet, "p_max", on, power[on], most)
    faults += fault_list(sheet, "reserve", on, power[on] + sheet.reserve_mw[on], most)
    farms = [row for row, a in enumerate(assets) if a.technology in CURTAILABLE]
    faults += fault_list(sheet, "p_min", farms, -power[farms], np.zeros(1))
    faults += fault_list(sheet, "available", farms, power[farms], sheet.available_mw[farms])
    lost = sheet.available_mw[farms] - power[farms]
    faults += fault_list(sheet, "curtailment", farms, np.abs(sheet.curtailment_mw[farms] - lost), np.zeros(1))
    given = [row for row, a in enumerate(assets) if a.technology in GIVEN]
    off = np.abs(power[given] - sheet.available_mw[given]) + np.abs(sheet.curtailment_mw[given])
    faults += fault_list(sheet, "never_curtailed", given, off, np.zeros(1))
    lines = [len(assets) + row for row in range(len(sheet.network.dc_lines))]
    limits = np.array([[line.limit_mw] for line in sheet.network.dc_lines]).reshape(-1, 1)
    return faults + fault_list(sheet, "dc_limit", lines, np.abs(power[lines]), limits)


def outage_faults(sheet: Sheet, out: Bools, lines_out: Bools) -> list[Fault]:
    """What is out of service gives nothing, takes nothing, carries nothing and holds no reserve.

    Args:
        sheet: The plan.
        out: Assets out of service, shape (assets, periods).
        lines_out: DC lines out of service, shape (DC lines, periods).
    """
    rows = np.arange(len(sheet.power_mw))
    is_out = np.concatenate([out, lines_out])
    used = np.where(is_out, np.abs(sheet.power_mw) + np.abs(sheet.reserve_mw), 0.0)
    # A CSP's tank may take in heat while its turbine is out; a battery charges through what is out.
    batteries = [row for row, asset in enumerate(sheet.network.assets) if asset.store and not sheet.is_switched(asset)]
    used[batteries] += np.where(is_out[batteries], sheet.charge_mw[batteries] + sheet.discharge_mw[batteries], 0.0)
    return fault_list(sheet, "out_of_service", rows.tolist(), used, np.zeros(1))


def reserve_faults(sheet: Sheet, required_mw: Floats) -> list[Fault]:
    """Required reserve is held, or its shortfall is named.

    For each set of areas that a product names, what counts there must cover every product whose areas lie within it.
    Upwards count reserve held and curtailed power; downwards output above the least, wind and PV in use, and what a
    battery could still turn or take up.

    Args:
        sheet: The plan.
        required_mw: Requirement of each product, shape (products, periods) [MW].
    """
    faults = []
    for group in _reserve_groups(sheet.network):
        wanted = required_mw[list(group.products)].sum(axis=0)
        held = _named_short(sheet, f"reserve_{group.direction}", group.place)
        for row in group.assets:
            held = held + (_upward_mw(sheet, row) if group.direction == "up" else _downward_mw(sheet, row))
        for t in np.flatnonzero(~(held >= wanted - TOLERANCE_MW)):
            faults.append(Fault("required_reserve", group.place, int(t), float(held[t]), float(wanted[t])))
    return faults


class _ReserveGroup(NamedTuple):
    """Products that are covered together."""

    direction: str
    place: str
    """Their names, as a shortfall names them."""
    products: tuple[int, ...]
    """Rows of the network's products."""
    assets: tuple[int, ...]
    """Rows of the assets that count."""


@lru_cache(maxsize=8)
def _reserve_groups(network: Network) -> tuple[_ReserveGroup, ...]:
    groups = []
    for direction in ("up", "down"):
        products = [(row, p) for row, p in enumerate(network.reserves) if p.direction == direction]
        for areas in dict.fromkeys(frozenset(p.areas) for _, p in products):
            inside = [(row, p) for row, p in products if frozenset(p.areas) <= areas]
            assets = [row for row, a in enumerate(network.assets) if any(_counts(network, p, a) for _, p in inside)]
            place, rows = "+".join(p.name for _, p in inside), tuple(row for row, _ in inside)
            groups.append(_ReserveGroup(direction, place, rows, tuple(assets)))
    return tuple(groups)


def _counts(network: Network, product: ReserveProduct, asset: Asset) -> bool:
    """The asset lies in one of the product's areas, and the product names one of its tags."""
    return network.area_of(asset) in product.areas and not set(asset.tags).isdisjoint(product.eligible)


def _named_short(sheet: Sheet, kind: str, place: str) -> Floats:
    """Shortfall that the plan names, shape (periods,) [MW]."""
    short = np.zeros(len(sheet.valid_time))
    for slack in sheet.slacks:
        if (slack.kind, slack.place) == (kind, place) and slack.valid_time in sheet.valid_time:
            short[int(np.searchsorted(sheet.valid_time, slack.valid_time))] += slack.size_mw
    return short


def _upward_mw(sheet: Sheet, row: int) -> Floats:
    """What an asset could give more, as far as it counts, shape (periods,) [MW]."""
    asset = sheet.network.assets[row]
    if asset.technology in CURTAILABLE:
        return np.asarray(sheet.available_mw[row] - sheet.power_mw[row])
    return np.asarray(sheet.reserve_mw[row])


def _downward_mw(sheet: Sheet, row: int) -> Floats:
    """What an asset could give less or take more, at most, shape (periods,) [MW]."""
    asset = sheet.network.assets[row]
    if sheet.is_switched(asset):
        return np.where(sheet.is_on[row], sheet.power_mw[row] - asset.p_min_mw, 0.0)
    if asset.technology in CURTAILABLE:
        return np.asarray(sheet.power_mw[row])
    if asset.store is not None:
        return np.asarray(asset.store.charge_mw + sheet.power_mw[row])
    return np.zeros(len(sheet.valid_time))


def switch_faults(sheet: Sheet, out: Bools) -> list[Fault]:
    """Ramps between periods, minimum up and down times; a unit may go out of service at any time.

    A ramp counts on the output above the least, so that a start reaches p_min plus one ramp.
    """
    faults = []
    state = sheet.state
    for row, asset in enumerate(sheet.network.assets):
        if not sheet.is_switched(asset):
            continue
        on, above = sheet.is_on[row], np.where(sheet.is_on[row], sheet.power_mw[row] - asset.p_min_mw, 0.0)
        before, first = above[:1], 0
        if state is not None and np.isfinite(state.power_mw[row]):
            start = min(max(state.power_mw[row] - asset.p_min_mw, 0.0), asset.p_max_mw - asset.p_min_mw)
            before = np.array([start if state.is_on[row] else 0.0])
        change = np.abs(np.diff(np.concatenate([before, above])))
        limit = asset.ramp_mw_per_min * 60.0 * sheet.step_h + sheet.relaxed_mw[row]
        for period in np.flatnonzero(~(change <= limit + TOLERANCE_MW) & ~out[row]):
            faults.append(Fault("ramp", asset.name, int(period), float(change[period]), float(limit[period])))
        if state is not None:
            faults += _time_faults(sheet, asset, row, on, out[row], bool(state.is_on[row]), state.hours_in_state[row])
        else:
            faults += _time_faults(sheet, asset, row, on, out[row], bool(on[first]), np.inf)
    return faults


def _time_faults(
    sheet: Sheet, asset: Asset, row: int, on: Bools, out: Bools, was_on: bool, hours: float
) -> list[Fault]:
    limits = asset.commitment
    if limits is None:
        return []
    faults = []
    # A must-run unit that an outage has stopped owes its minimum down time; what stopped it before the plan is not
    # known here, nor since when it is off where no state is.
    owes, off_h = not was_on, hours if sheet.state is not None else 0.0
    for period in range(len(on)):
        if on[period] != was_on:
            wanted = limits.min_up_h if was_on else limits.min_down_h
            excused = out[period] or (was_on and _is_dry(sheet, asset, row, period))
            if hours < wanted - TOLERANCE_H and not excused:
                faults.append(Fault("min_up" if was_on else "min_down", asset.name, period, float(hours), wanted))
            was_on, hours, off_h = bool(on[period]), 0.0, 0.0
            owes = not was_on and bool(out[period])
        is_owed = owes and off_h < limits.min_down_h - TOLERANCE_H
        if limits.must_run and not on[period] and not out[period] and not is_owed:
            faults.append(Fault("must_run", asset.name, period, 0.0, 1.0))
        hours += float(sheet.step_h[period])
        off_h += float(sheet.step_h[period])
    return faults


def _is_dry(sheet: Sheet, asset: Asset, row: int, period: int) -> bool:
    """A CSP plant's tank could not feed its least output."""
    if asset.store is None:
        return False
    needed = asset.p_min_mw * float(sheet.step_h[period]) / asset.store.discharge_efficiency
    return bool(sheet.soc_mwh[row, period] < needed)


def store_faults(sheet: Sheet) -> list[Fault]:
    """Power and energy limits, one direction at a time, and the energy balance from period to period."""
    faults = []
    for row, asset in enumerate(sheet.network.assets):
        store = asset.store
        if store is None:
            continue
        rows = [row]
        charge, discharge, soc = sheet.charge_mw[rows], sheet.discharge_mw[rows], sheet.soc_mwh[rows]
        faults += fault_list(sheet, "charge", rows, charge, np.array(store.charge_mw))
        faults += fault_list(sheet, "charge", rows, -charge, np.zeros(1))
        faults += fault_list(sheet, "discharge", rows, discharge, np.array(asset.p_max_mw))
        faults += fault_list(sheet, "discharge", rows, -discharge, np.zeros(1))
        net = discharge if sheet.is_switched(asset) else discharge - charge
        faults += fault_list(sheet, "net_power", rows, np.abs(sheet.power_mw[rows] - net), np.zeros(1))
        if not sheet.is_switched(asset):
            faults += fault_list(sheet, "one_direction", rows, np.minimum(charge, discharge), np.zeros(1))
            reserve, most = sheet.reserve_mw[rows], np.array(asset.p_max_mw)
            faults += fault_list(sheet, "reserve", rows, sheet.power_mw[rows] + reserve, most)
            # Reserve must last an hour.
            faults += fault_list(sheet, "reserve_energy", rows, reserve, soc * store.discharge_efficiency)
        faults += fault_list(sheet, "energy", rows, soc, np.array(store.energy_mwh))
        faults += fault_list(sheet, "energy", rows, -soc, np.zeros(1))
        change = sheet.step_h * (charge * store.charge_efficiency - discharge / store.discharge_efficiency)
        start = soc[:, :1] - change[:, :1]
        if sheet.state is not None and np.isfinite(sheet.state.soc_mwh[row]):
            start = np.clip(sheet.state.soc_mwh[row], 0.0, store.energy_mwh).reshape(1, 1)
        off = np.abs(np.diff(np.concatenate([start, soc], axis=1), axis=1) - change)
        faults += fault_list(sheet, "energy_balance", rows, off, np.zeros(1))
    return faults

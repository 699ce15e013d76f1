"""The outlook: what dispatch believes about the coming periods, from one forecast vintage and the given series."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.asset import Technology
from gridcore.errors import BadInputError
from gridcore.forecast import Vintage
from gridcore.network import Network
from gridcore.target import KIND_OF, SYSTEM, Kind, load_target
from gridcore.timeline import Instants, from_numpy

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MEDIAN = 0.5
"""Level that a plan counts on."""

MARGIN_LEVEL = 0.9
"""Level of net load that the uncertainty margin covers."""


@dataclass(frozen=True)
class Outlook:
    """What is expected; arrays are in the network's order."""

    issue_time: datetime
    """When the forecasts behind it were made."""

    valid_time: Instants
    """Period starts, without gaps, shape (periods,)."""

    resolution: timedelta
    """Period length."""

    load_mw: Floats
    """Demand, shape (buses, periods) [MW]."""

    available_mw: Floats
    """Power of wind, PV, rooftop PV and hydro, heat of a CSP field as electric power; 0 for the rest, shape (assets,
    periods) [MW]."""

    reserve_mw: Floats
    """Requirement of each reserve product, shape (products, periods) [MW]."""

    margin_mw: Floats
    """Upward margin for forecast uncertainty, soft and priced, shape (periods,) [MW]."""

    out_of_service: Bools
    """Shape (assets, periods)."""

    branch_out: Bools
    """Branches, then DC lines, out of service, shape (branches + DC lines, periods)."""

    def aggregated(self, resolution: timedelta) -> Outlook:
        """Means over longer periods, counted from the first; a short last period is the mean of what there is.

        An asset or branch out in a part is out in the whole.
        """
        step = resolution // self.resolution
        if step <= 1:
            return self
        starts = np.arange(0, len(self.valid_time), step)
        lengths = np.diff([*starts, len(self.valid_time)])

        def mean(array: Floats) -> Floats:
            return np.add.reduceat(array, starts, axis=-1) / lengths

        return Outlook(
            issue_time=self.issue_time,
            valid_time=self.valid_time[starts],
            resolution=resolution,
            load_mw=mean(self.load_mw),
            available_mw=mean(self.available_mw),
            reserve_mw=mean(self.reserve_mw),
            margin_mw=mean(self.margin_mw),
            out_of_service=np.logical_or.reduceat(self.out_of_service, starts, axis=-1),
            branch_out=np.logical_or.reduceat(self.branch_out, starts, axis=-1),
        )

    def first(self, periods: int) -> Outlook:
        """The first `periods` periods (all where there are fewer)."""
        return replace(
            self,
            valid_time=self.valid_time[:periods],
            load_mw=self.load_mw[:, :periods],
            available_mw=self.available_mw[:, :periods],
            reserve_mw=self.reserve_mw[:, :periods],
            margin_mw=self.margin_mw[:periods],
            out_of_service=self.out_of_service[:, :periods],
            branch_out=self.branch_out[:, :periods],
        )


def outlook_from(
    network: Network, vintage: Vintage, fixed_mw: Floats, reserve_mw: Floats, outages: pa.Table
) -> Outlook:
    """The outlook of one vintage: medians, area load shared to buses, given hydro and reserves, outages, margin.

    Args:
        network: The grid.
        vintage: Forecasts of every basic target, and of the system sums; equal steps without gaps.
        fixed_mw: Output of hydro units, shape (assets, periods), periods as in the vintage; other rows and NaN
            count as 0 [MW].
        reserve_mw: Requirement of each product, shape (products, periods); NaN counts as 0 [MW].
        outages: `OUTAGE_SCHEMA` rows known at the issue time.

    Raises:
        BadInputError: A target is missing, shapes disagree, or an outage names what the grid has not.
    """
    periods = len(vintage.valid_time)
    resolution = _resolution(vintage)
    given = (("fixed_mw", fixed_mw, len(network.assets)), ("reserve_mw", reserve_mw, len(network.reserves)))
    for what, array, rows in given:
        if array.shape != (rows, periods):
            raise BadInputError(what, got=array.shape, wanted=(rows, periods))
    asset_out, branch_out = _out(network, vintage.valid_time, resolution, outages)
    return Outlook(
        issue_time=vintage.issue_time,
        valid_time=vintage.valid_time,
        resolution=resolution,
        load_mw=_load(network, vintage),
        available_mw=np.where(asset_out, 0.0, _available(network, vintage, fixed_mw)),
        reserve_mw=np.nan_to_num(reserve_mw),
        margin_mw=_margin(network, vintage),
        out_of_service=asset_out,
        branch_out=branch_out,
    )


def _resolution(vintage: Vintage) -> timedelta:
    steps = np.unique(np.diff(vintage.valid_time))
    if len(steps) != 1:
        instant = vintage.issue_time.isoformat()
        raise BadInputError("periods of a vintage", instant=instant, got=f"{len(steps)} step lengths", wanted="1")
    return from_numpy(vintage.valid_time[1]) - from_numpy(vintage.valid_time[0])


def _level(vintage: Vintage, target: str, quantile: float) -> Floats:
    if target not in vintage.target_index:
        instant = vintage.issue_time.isoformat()
        raise BadInputError("no forecast of a target", asset=target, instant=instant, wanted="one in the vintage")
    return vintage.level(target, quantile)


def _load(network: Network, vintage: Vintage) -> Floats:
    shares = network.area_shares
    loaded = [column for column in range(len(network.areas)) if shares[:, column].any()]
    if not loaded:
        return np.zeros((len(network.buses), len(vintage.valid_time)))
    by_area = np.stack([_level(vintage, load_target(network.areas[column]), MEDIAN) for column in loaded])
    return shares[:, loaded] @ np.maximum(by_area, 0.0)


def _available(network: Network, vintage: Vintage, fixed_mw: Floats) -> Floats:
    available = np.zeros((len(network.assets), len(vintage.valid_time)))
    for row, asset in enumerate(network.assets):
        if asset.technology is Technology.HYDRO:
            available[row] = np.nan_to_num(fixed_mw[row])
        elif asset.technology in KIND_OF:
            power = _level(vintage, asset.name, MEDIAN)
            is_field = asset.technology is Technology.CSP
            available[row] = np.maximum(power, 0.0) if is_field else np.clip(power, 0.0, asset.p_max_mw)
    return available


def _margin(network: Network, vintage: Vintage) -> Floats:
    """Net load from P50 to P90: errors of load, wind, PV and rooftop PV taken as independent (root of summed squares).

    The sums come from the vintage's own system targets; where a vintage has none (a user's own forecast), the members
    count as independent too.
    """
    squares = np.zeros(len(vintage.valid_time))
    for kind in (Kind.LOAD, Kind.WIND, Kind.PV, Kind.ROOFTOP_PV):
        total = f"{SYSTEM}/{kind.value}"
        members = [total] if total in vintage.target_index else _members(network, vintage, kind)
        for target in members:
            worse = MARGIN_LEVEL if kind is Kind.LOAD else round(1.0 - MARGIN_LEVEL, 10)
            squares += (vintage.level(target, worse) - vintage.level(target, MEDIAN)) ** 2
    return np.sqrt(squares)


def _members(network: Network, vintage: Vintage, kind: Kind) -> list[str]:
    names = [asset.name for asset in network.assets if KIND_OF.get(asset.technology) is kind]
    names += [load_target(area) for area in network.areas] if kind is Kind.LOAD else []
    return [name for name in names if name in vintage.target_index]


def _out(network: Network, valid_time: Instants, resolution: timedelta, outages: pa.Table) -> tuple[Bools, Bools]:
    """A period is out where the outage overlaps it."""
    names = [*(branch.name for branch in network.branches), *(line.name for line in network.dc_lines)]
    branches = {name: row for row, name in enumerate(names)}
    asset_out = np.zeros((len(network.assets), len(valid_time)), dtype=np.bool_)
    branch_out = np.zeros((len(branches), len(valid_time)), dtype=np.bool_)
    ends = valid_time + np.timedelta64(resolution)
    since = outages.column("from").to_numpy().astype("datetime64[us]")
    until = outages.column("until").to_numpy().astype("datetime64[us]")
    for name, begin, end in zip(outages.column("asset").to_pylist(), since, until, strict=True):
        hit = (valid_time < end) & (ends > begin)
        if name in network.asset_index:
            asset_out[network.asset_index[name]] |= hit
        elif name in branches:
            branch_out[branches[name]] |= hit
        else:
            raise BadInputError("an outage of what is not there", asset=name, wanted="an asset or branch of the grid")
    return asset_out, branch_out

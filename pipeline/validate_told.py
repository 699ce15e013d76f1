"""What a plan was told, rebuilt from an export: median forecasts, known outages, required reserves of its issue time.

A day-ahead plan and a dispatch follow the medians to the letter. A commitment made within the day does so for the four
hours of the intraday forecast; later on it may have drawn the day-ahead medians towards the error seen by then, and
what it counted on is not in the export. Official hydro is not either: there the plan's own word stands, within limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dispatch.outlook import Outlook
from gridcore.asset import Technology
from gridcore.forecast import INTRADAY
from gridcore.network import Network
from gridcore.plan import Layer, Plan
from gridcore.reading import OFFICIAL_SCHEMA
from gridcore.target import KIND_OF, load_target
from gridcore.timeline import PERIOD, TIMESTAMP, Instants, from_numpy, to_numpy
from pipeline.exogenous import official_or_same_time

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MEDIAN = 0.5
"""Level that a plan counts on."""


@dataclass(frozen=True)
class OfficialThen:
    """The official series of an export as they were known at an instant; what `pipeline.exogenous` asks of history."""

    table: pa.Table
    """`OFFICIAL_SCHEMA`."""

    instant: datetime
    """The instant."""

    def official(self, assets: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        """Newest issue known of each (asset, valid_time in [start, end)), sorted by asset and valid_time."""
        table = self.table
        since, until, now = (pa.scalar(to_numpy(t)).cast(TIMESTAMP) for t in (start, end, self.instant))
        valid = table.column("valid_time")
        inside = pc.and_(pc.greater_equal(valid, since), pc.less(valid, until))
        known = pc.less_equal(table.column("available_at"), now)
        of_names = pc.is_in(table.column("asset"), value_set=pa.array(list(assets), pa.string()))
        order = [(key, "ascending") for key in ("asset", "valid_time", "issue_time", "available_at")]
        rows = table.filter(pc.and_(pc.and_(inside, known), of_names)).sort_by(order)
        keys = rows.group_by(["asset", "valid_time"], use_threads=False)
        last = keys.aggregate([("power_mw", "last"), ("issue_time", "last"), ("available_at", "last")])
        return last.rename_columns([name.removesuffix("_last") for name in last.column_names])


class Told:
    """Outlooks of one row's plans.

    Args:
        network: The grid of the export.
        forecasts: `FORECAST_SCHEMA` of the row.
        outages: `OUTAGE_SCHEMA` of the export.
        official: `OFFICIAL_SCHEMA` of the reserve requirements.
    """

    def __init__(self, network: Network, forecasts: pa.Table, outages: pa.Table, official: pa.Table) -> None:
        self._network, self._outages, self._official = network, outages, official
        self._areas = [row for row, area in enumerate(network.areas) if network.area_shares[:, row].any()]
        loads = [load_target(network.areas[row]) for row in self._areas]
        self._farms = [row for row, asset in enumerate(network.assets) if asset.technology in KIND_OF]
        self._row_of = {name: n for n, name in enumerate([*loads, *(network.assets[r].name for r in self._farms)])}
        self._medians = self._by_issue_time(forecasts)

    def outlook(self, plan: Plan) -> tuple[Outlook, int]:
        """What the plan was told over its periods, and for how many of the first load and weather are known.

        Load and available power are NaN where the export has no forecast of the plan's issue time for a period; beyond
        the known periods they are without meaning.
        """
        network = self._network
        names = {name: row for row, name in enumerate(plan.assets)}
        order = [names[asset.name] for asset in network.assets]
        medians = self._at(plan)
        loads, farms = medians[: len(self._areas)], medians[len(self._areas) :]
        out, lines_out = self._out(plan)
        available = plan.available_mw[order].copy()
        for row, asset in enumerate(network.assets):
            if asset.technology is Technology.HYDRO:
                available[row] = np.clip(available[row], 0.0, asset.p_max_mw)
            elif asset.technology not in KIND_OF:
                available[row] = 0.0
        for row, median in zip(self._farms, farms, strict=True):
            is_field = network.assets[row].technology is Technology.CSP
            available[row] = np.clip(median, 0.0, np.inf if is_field else network.assets[row].p_max_mw)
        outlook = Outlook(
            issue_time=plan.issue_time,
            valid_time=plan.valid_time,
            resolution=PERIOD,
            load_mw=network.area_shares[:, self._areas] @ np.maximum(loads, 0.0),
            available_mw=np.where(out, 0.0, available),
            reserve_mw=self._reserves(plan),
            margin_mw=np.zeros(len(plan.valid_time)),
            out_of_service=out,
            branch_out=lines_out,
        )
        return outlook, _told_periods(plan)

    def _by_issue_time(self, forecasts: pa.Table) -> dict[np.datetime64, tuple[Instants, Floats]]:
        """Period starts and medians, shape (targets, periods), of each issue time."""
        wanted = pc.is_in(forecasts.column("target"), value_set=pa.array(list(self._row_of), pa.string()))
        table = forecasts.filter(pc.and_(pc.equal(forecasts.column("quantile"), MEDIAN), wanted))
        issued, valid = (table.column(n).to_numpy().astype("datetime64[us]") for n in ("issue_time", "valid_time"))
        rows = np.array([self._row_of[name] for name in table.column("target").to_pylist()], dtype=np.int64)
        power = table.column("power_mw").to_numpy()
        found = {}
        for issue_time in np.unique(issued):
            here = issued == issue_time
            times, columns = np.unique(valid[here], return_inverse=True)
            medians = np.full((len(self._row_of), len(times)), np.nan)
            medians[rows[here], columns.reshape(-1)] = power[here]
            found[issue_time] = (times, medians)
        return found

    def _at(self, plan: Plan) -> Floats:
        """Medians of the plan's issue time in its periods, shape (targets, periods); NaN where there is none."""
        found = np.full((len(self._row_of), len(plan.valid_time)), np.nan)
        times, medians = self._medians.get(to_numpy(plan.issue_time), (plan.valid_time[:0], found[:, :0]))
        there = np.isin(plan.valid_time, times)
        found[:, there] = medians[:, np.searchsorted(times, plan.valid_time[there])]
        return found

    def _out(self, plan: Plan) -> tuple[Bools, Bools]:
        """Assets, and branches followed by DC lines, out by what was reported at the issue time; by periods."""
        network = self._network
        names = [a.name for a in network.assets]
        lines = [*(b.name for b in network.branches), *(d.name for d in network.dc_lines)]
        known = pc.less_equal(
            self._outages.column("available_at"), pa.scalar(to_numpy(plan.issue_time)).cast(TIMESTAMP)
        )
        outages = self._outages.filter(known)
        ends = plan.valid_time + np.timedelta64(PERIOD)
        return out_of_service(outages, names, plan.valid_time, ends), out_of_service(
            outages, lines, plan.valid_time, ends
        )

    def _reserves(self, plan: Plan) -> Floats:
        """Requirement of each product as known at the issue time, shape (products, periods) [MW]."""
        names = tuple(f"reserve/{product.name}" for product in self._network.reserves)
        if not names or not len(self._official):
            return np.zeros((len(names), len(plan.valid_time)))
        then = OfficialThen(self._official, plan.issue_time)
        return np.nan_to_num(official_or_same_time(then, names, plan.valid_time))


def out_of_service(outages: pa.Table, names: list[str], begins: Instants, ends: Instants) -> Bools:
    """Whether an outage of each name overlaps each period [begins, ends), shape (names, periods)."""
    out = np.zeros((len(names), len(begins)), dtype=np.bool_)
    row_of = {name: row for row, name in enumerate(names)}
    since = outages.column("from").to_numpy().astype("datetime64[us]")
    until = outages.column("until").to_numpy().astype("datetime64[us]")
    for name, first, last in zip(outages.column("asset").to_pylist(), since, until, strict=True):
        if name in row_of:
            out[row_of[name]] |= (begins < last) & (ends > first)
    return out


def reserve_series(official: pa.Table) -> pa.Table:
    """The reserve requirements among official series."""
    return official.filter(pc.starts_with(official.column("asset"), "reserve/")).cast(OFFICIAL_SCHEMA)


def _told_periods(plan: Plan) -> int:
    """First periods of a plan whose load and weather are the medians of its issue time."""
    starts_now = from_numpy(plan.valid_time[0]) <= plan.issue_time + PERIOD
    if plan.layer is Layer.SCED or not starts_now:
        return len(plan.valid_time)
    return int((plan.valid_time < to_numpy(plan.issue_time + PERIOD + INTRADAY)).sum())

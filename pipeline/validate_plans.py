"""Plans of an export: each within its own limits and the grid's, balanced for the load that it was told.

What a plan was told is rebuilt from the export (`pipeline.validate_told`); the laws are the validator's
(`dispatch.validate`), which knows no optimiser. A held plan was made for an earlier instant: it must be the plan before
it, for the periods that both speak of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dispatch.validate import validate_plan
from gridcore.asset import COMMITTED, CURTAILABLE, Family, Technology
from gridcore.network import Network
from gridcore.plan import Layer, Plan, PlanStatus, plan_from_table
from gridcore.timeline import PERIOD
from pipeline.commitment import FAILED
from pipeline.findings import Findings, Violation
from pipeline.validate_told import Told

Floats = npt.NDArray[np.float64]

POWER_MW = 1e-6
"""Tolerance of what is copied, not computed [MW]."""

LAWS = ("plan limits", "plan balance", "plan capacity")
"""Laws of this file that every export's plans must have been held against."""


def plans_of(table: pa.Table) -> Iterator[Plan]:
    """The plans in rows of `PLAN_SCHEMA` sorted as an export is: rows of one plan stand together."""
    codes = table.column("plan_id").combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    borders = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist(), len(table)]
    for begin, end in pairwise(borders):
        if end > begin:
            yield plan_from_table(table.slice(begin, end - begin), PERIOD)


def check_plans(table: pa.Table, network: Network, told: Told, row: str, findings: Findings) -> None:
    """Limits of every plan; outages, reserve, balance, flows and available power of every one that was solved.

    Args:
        table: `PLAN_SCHEMA`, sorted as an export is.
        network: The grid of the export.
        told: What the plans were told.
        row: Name of the row.
        findings: Where violations go.
    """
    before: Plan | None = None
    for plan in plans_of(table):
        if plan.purpose.startswith(FAILED):
            # A commitment that was refused, and never followed: another one stayed in force.
            continue
        periods = len(plan.valid_time)
        findings.looked(row, "plan limits", plan.power_mw.size)
        if plan.status is PlanStatus.HELD:
            own = _without_repeats(plan)
            out = told.outlook(own)[0].out_of_service
            broken = validate_plan(network, own, out_of_service=out)
            if plan.layer is Layer.SCED:
                _check_held(plan, before, row, findings)
        else:
            outlook, known = told.outlook(plan)
            broken = validate_plan(network, plan, None, outlook, known)
            findings.looked(row, "plan balance", known)
            findings.looked(row, "plan reserve", periods * len(network.reserves))
        for one in broken:
            place = (f"{one.plan_id} {one.place}", one.instant, str(one.got), str(one.wanted))
            findings.add(Violation(row, f"plan: {one.rule}", *place))
        _check_capacity(plan, network, row, findings)
        before = plan if plan.layer is Layer.SCED else before


def _without_repeats(plan: Plan) -> Plan:
    """A held plan without the copies of its last period that fill it up."""
    same = np.ones(len(plan.valid_time) - 1, dtype=np.bool_)
    for array in (plan.power_mw, plan.is_on, plan.charge_mw, plan.discharge_mw, plan.available_mw):
        same &= (array[:, 1:] == array[:, :-1]).all(axis=0)
    left = len(same) + 1 - (int(np.argmin(same[::-1])) if not same.all() else len(same))
    fields = ("is_on", "power_mw", "charge_mw", "discharge_mw", "soc_mwh", "available_mw", "curtailment_mw", "cause")
    cut = {name: getattr(plan, name)[:, :left] for name in (*fields, "reserve_mw")}
    return replace(plan, valid_time=plan.valid_time[:left], **cut)


def _check_held(plan: Plan, before: Plan | None, row: str, findings: Findings) -> None:
    """A held dispatch gives what the dispatch before it gave; the first one of an export may hold what is not in it."""
    if before is None:
        return
    shared, mine, theirs = np.intersect1d(plan.valid_time, before.valid_time, return_indices=True)
    order = [before.assets.index(name) for name in plan.assets]
    change = np.abs(plan.power_mw[:, mine] - before.power_mw[order][:, theirs])
    findings.looked(row, "plan held", change.size)
    for asset, period in np.argwhere(~(change <= POWER_MW)):
        got, wanted = plan.power_mw[asset, mine[period]], before.power_mw[order[asset], theirs[period]]
        place = (f"{plan.plan_id} {plan.assets[asset]}", f"{shared[period].astype('datetime64[s]')}Z")
        findings.add(Violation(row, "plan held", *place, str(got), f"{wanted}, as the plan before"))


def _check_capacity(plan: Plan, network: Network, row: str, findings: Findings) -> None:
    """Available power within the capacity; of a unit that is on it is the capacity."""
    for asset in network.assets:
        mine = plan.assets.index(asset.name)
        available, on = plan.available_mw[mine], plan.is_on[mine]
        findings.looked(row, "plan capacity", len(available))
        if asset.technology in CURTAILABLE or asset.technology in {Technology.HYDRO, Technology.ROOFTOP_PV}:
            good = (available >= 0) & (available <= asset.p_max_mw + POWER_MW)
        elif asset.technology in COMMITTED:
            good = np.abs(available - np.where(on, asset.p_max_mw, 0.0)) <= POWER_MW
        elif asset.family is Family.STORE:
            # The row without storage plans with batteries of no power.
            good = (available >= 0) & (available <= asset.p_max_mw + POWER_MW)
        else:
            good = np.isfinite(available)
        for period in np.flatnonzero(~good):
            place = (f"{plan.plan_id} {asset.name}", f"{plan.valid_time[period].astype('datetime64[s]')}Z")
            findings.add(Violation(row, "plan capacity", *place, str(available[period]), f"by {asset.p_max_mw} MW"))

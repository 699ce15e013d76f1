"""Plans of an export: every plan's own limits, and that each dispatch balances the load it was made for.

What load a plan was made for stands in the export too: medians of the load areas in the forecasts of its issue time.
Flows follow from the angles that the plan's injections give, outages apart.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dispatch.validate import validate_plan
from gridcore.network import Network
from gridcore.plan import Layer, PlanStatus, plan_from_table
from gridcore.target import load_target
from gridcore.timeline import PERIOD
from pipeline.findings import Findings, Grid2d, Violation

Floats = npt.NDArray[np.float64]

BALANCE_MW = 1e-4
"""Largest imbalance of a plan: the optimiser's tolerance, summed over its buses and assets [MW]."""

FLOW_MW = 1e-3
"""How far a planned flow may stand above its limit: the same tolerance times line sensitivities [MW]."""


def check_plans(directory: Path, network: Network, outages: pa.Table, row: str, findings: Findings) -> None:
    """Limits of every plan, balance and flows of every solved dispatch.

    Args:
        directory: decisions/ROW.
        network: The grid of the export.
        outages: `OUTAGE_SCHEMA`; flows are looked at where there are none.
        row: Name of the row.
        findings: Where violations go.
    """
    file = directory / "plans.parquet"
    if not file.is_file():
        return
    plans = pq.read_table(file)
    findings.checked["plan limits"] = findings.checked.get("plan limits", 0) + len(plans)
    codes = plans.column("plan_id").combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    borders = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist(), len(plans)]
    slices = (plans.slice(begin, end - begin) for begin, end in pairwise(borders))
    for broken in chain.from_iterable(validate_plan(network, plan_from_table(rows, PERIOD)) for rows in slices):
        place = (f"{broken.plan_id} {broken.place}", broken.instant, str(broken.got), str(broken.wanted))
        findings.add(Violation(row, f"plan: {broken.rule}", *place))
    solved = pc.equal(plans.column("status"), PlanStatus.SOLVED.value)
    dispatch = plans.filter(pc.and_(solved, pc.equal(plans.column("layer"), Layer.SCED.value)))
    forecasts = directory / "forecasts.parquet"
    if len(dispatch) and forecasts.is_file():
        _check_balance(dispatch, _loads(forecasts, network), network, not len(outages), row, findings)


def _check_balance(
    plans: pa.Table,
    loads: dict[tuple[np.datetime64, np.datetime64], list[Floats]],
    network: Network,
    has_no_outages: bool,
    row: str,
    findings: Findings,
) -> None:
    """Sum of injections and branch flows in each period of each plan."""
    injections, relaxed, when = _injections(plans, network)
    kept = [place for place, key in enumerate(when) if key in loads]
    if not kept:
        return
    net = np.empty((len(kept), len(network.buses)))
    for place, number in enumerate(kept):
        variants = [injections[number] - network.area_shares @ load for load in loads[when[number]]]
        net[place] = min(variants, key=lambda one: abs(float(one.sum())))
    times = np.array([when[number][1] for number in kept])
    total = net.sum(axis=1, keepdims=True)
    at = Grid2d(findings, row, times, (network.name,))
    at.demand("plan balance", np.abs(total) <= BALANCE_MW, total, f"0 within {BALANCE_MW} MW")
    if has_no_outages:
        flow = _flows(network, net)
        limit = np.array([branch.limit_mw for branch in network.branches]) + relaxed[kept]
        lines = Grid2d(findings, row, times, tuple(branch.name for branch in network.branches))
        lines.demand("plan flow", np.abs(flow) <= limit + FLOW_MW, flow, limit)


def _injections(plans: pa.Table, network: Network) -> tuple[Floats, Floats, list[tuple[np.datetime64, np.datetime64]]]:
    """Power put in at each bus besides load, limits relaxed by slacks, and (issue_time, valid_time) of each period.

    Returns:
        Shapes (periods, buses) and (periods, branches) [MW]; a period stands once for each plan.
    """
    ends: dict[str, tuple[tuple[int, float], ...]] = {
        asset.name: ((network.bus_index[asset.bus], 1.0),) for asset in network.assets
    }
    for line in network.dc_lines:
        ends[line.name] = ((network.bus_index[line.from_bus], -1.0), (network.bus_index[line.to_bus], 1.0))
    for name, number in network.bus_index.items():
        ends[f"slack/shed/{name}"] = ((number, 1.0),)
        ends[f"slack/over_generation/{name}"] = ((number, -1.0),)
    branch_of = {f"slack/line/{branch.name}": number for number, branch in enumerate(network.branches)}
    issued = plans.column("issue_time").to_numpy().astype("datetime64[us]")
    valid = plans.column("valid_time").to_numpy().astype("datetime64[us]")
    names = plans.column("plan_id").combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    keys, first, period = np.unique(
        np.stack([names.astype(np.int64), valid.astype(np.int64)]), axis=1, return_index=True, return_inverse=True
    )
    injections = np.zeros((keys.shape[1], len(network.buses)))
    relaxed = np.zeros((keys.shape[1], len(network.branches)))
    power = plans.column("power_mw").to_numpy()
    period = period.reshape(-1)
    assets = plans.column("asset").combine_chunks().dictionary_encode()
    codes = assets.indices.to_numpy(zero_copy_only=False)
    for code, name in enumerate(assets.dictionary.to_pylist()):
        rows = np.flatnonzero(codes == code)
        for bus, sign in ends.get(name, ()):
            np.add.at(injections[:, bus], period[rows], sign * power[rows])
        if name in branch_of:
            np.add.at(relaxed[:, branch_of[name]], period[rows], power[rows])
    return injections, relaxed, [(issued[row], valid[row]) for row in first]


def _loads(file: Path, network: Network) -> dict[tuple[np.datetime64, np.datetime64], list[Floats]]:
    """Median loads of the areas by (issue_time, valid_time), each of shape (areas,) [MW].

    Where a day-ahead and an intraday forecast of one issue time speak of one period, both are given: which one a plan
    went by does not stand in the export.
    """
    targets = [load_target(area) for area in network.areas]
    chosen = (pc.field("quantile") == 0.5) & pc.field("target").isin(targets)
    columns = ["issue_time", "valid_time", "target", "power_mw"]
    table = pq.read_table(file, columns=columns, filters=chosen)
    place = {target: area for area, target in enumerate(targets)}
    loads: dict[tuple[np.datetime64, np.datetime64], list[Floats]] = {}
    seen: Counter[tuple[np.datetime64, np.datetime64, str]] = Counter()
    issued = table.column("issue_time").to_numpy().astype("datetime64[us]")
    valid = table.column("valid_time").to_numpy().astype("datetime64[us]")
    rows = zip(issued, valid, table.column("target").to_pylist(), table.column("power_mw").to_pylist(), strict=True)
    for issue_time, valid_time, target, power_mw in rows:
        variants = loads.setdefault((issue_time, valid_time), [])
        number = seen[issue_time, valid_time, target]
        seen[issue_time, valid_time, target] += 1
        while len(variants) <= number:
            variants.append(np.zeros(len(targets)))
        variants[number][place[target]] = power_mw
    return loads


def _flows(network: Network, net: Floats) -> Floats:
    """Flow of each branch by angles, shape (periods, branches) [MW]; `net` sums to 0 in each period."""
    ends = [(network.bus_index[b.from_bus], network.bus_index[b.to_bus]) for b in network.branches]
    incidence = np.zeros((len(network.branches), len(network.buses)))
    for line, (from_bus, to_bus) in enumerate(ends):
        incidence[line, from_bus], incidence[line, to_bus] = 1.0, -1.0
    weight = np.array([1.0 / (branch.x_pu * branch.ratio) for branch in network.branches])
    nodal = incidence.T @ (weight[:, None] * incidence)
    angle = np.zeros(net.shape)
    if len(network.buses) > 1:
        angle[:, 1:] = np.linalg.solve(nodal[1:, 1:], net[:, 1:].T).T
    flows: Floats = (angle @ incidence.T) * weight
    return flows

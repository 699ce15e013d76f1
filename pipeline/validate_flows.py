"""Balance of every bus and flow of every branch, from an export's realised tables.

The flows are held against Kirchhoff's second law by a spanning tree (angles along the tree from the flows, then every
other branch must agree), which is neither the optimiser's PTDF nor the plant's factorised matrix.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.errors import BadInputError
from gridcore.network import Network
from pipeline.findings import Findings, Grid2d, Violation

Floats = npt.NDArray[np.float64]

BALANCE_MW = 1e-6
"""Largest imbalance of a bus (INTERFACES.md) [MW]."""

LOOP_MW = 1e-5
"""Largest disagreement of a branch's flow with the angles of the rest: sums of rounding over long loops [MW]."""


def check_flows(
    network: Network, tables: Mapping[str, pa.Table], outages: pa.Table, row: str, findings: Findings
) -> None:
    """Bus balance, branch limits, outages, loop law and signs of the slacks of one row.

    Args:
        network: The grid of the export.
        tables: `asset`, `bus` and `branch`.
        outages: `OUTAGE_SCHEMA`.
        row: Name of the row.
        findings: Where violations go.
    """
    assets, buses = [a.name for a in network.assets], [b.name for b in network.buses]
    ends = [(b.name, b.from_bus, b.to_bus, b.limit_mw) for b in network.branches]
    ends += [(d.name, d.from_bus, d.to_bus, d.limit_mw) for d in network.dc_lines]
    lines = [name for name, _, _, _ in ends]
    times, power = matrix(tables["asset"], "asset", assets, "power_mw", row)
    _, flow = matrix(tables["branch"], "branch", lines, "flow_mw", row)
    _, limit = matrix(tables["branch"], "branch", lines, "limit_mw", row)
    load, shed, over = (
        matrix(tables["bus"], "bus", buses, column, row)[1] for column in ("load_mw", "shed_mw", "over_generation_mw")
    )
    if not len(power) == len(flow) == len(load):
        got = f"{len(power)}, {len(load)}, {len(flow)}"
        raise BadInputError("periods of the realised tables", asset=row, got=got, wanted="equal numbers")
    incidence = np.zeros((len(lines), len(buses)))
    for line, (_, from_bus, to_bus, _) in enumerate(ends):
        incidence[line, network.bus_index[from_bus]] += 1
        incidence[line, network.bus_index[to_bus]] -= 1
    at_bus = np.zeros((len(assets), len(buses)))
    at_bus[np.arange(len(assets)), network.asset_bus] = 1
    imbalance = power @ at_bus - load + shed - over - flow @ incidence
    findings.max_bus_imbalance_mw[row] = float(np.abs(imbalance).max(initial=0.0))
    at_buses = Grid2d(findings, row, times, tuple(buses))
    at_buses.demand("bus balance", np.abs(imbalance) <= BALANCE_MW, imbalance, f"0 within {BALANCE_MW} MW")
    at_buses.demand("shed load", (shed >= 0) & (shed <= np.maximum(load, 0.0) + BALANCE_MW), shed, "0 to the load")
    at_buses.demand("over-generation", over >= 0, over, "0 MW or more")
    at_lines = Grid2d(findings, row, times, tuple(lines))
    stated = np.array([limit_mw for _, _, _, limit_mw in ends])
    at_lines.demand("branch limit as in grid/", limit == stated, limit, np.broadcast_to(stated, limit.shape))
    at_lines.demand("branch flow", np.abs(flow) <= limit, flow, limit)
    out = out_by_then(outages, lines, times)
    at_lines.demand("branch out of service", (np.abs(flow) <= BALANCE_MW) | ~out, flow, "0 MW")
    count = len(network.branches)
    _check_loops(network, flow[:, :count], ~out[:, :count], at_lines)


def out_by_then(outages: pa.Table, names: list[str], times: npt.NDArray[np.datetime64]) -> npt.NDArray[np.bool_]:
    """Whether each name is out of service as a period begins, shape (periods, names).

    An outage that is reported late begins when it is reported: nobody could have acted on it before.
    """
    out = np.zeros((len(times), len(names)), bool)
    place = {name: number for number, name in enumerate(names)}
    begins = outages.column("from").to_numpy().astype("datetime64[us]")
    reported = outages.column("available_at").to_numpy().astype("datetime64[us]")
    ends = outages.column("until").to_numpy().astype("datetime64[us]")
    starts = np.maximum(begins, reported)
    for name, begin, end in zip(outages.column("asset").to_pylist(), starts, ends, strict=True):
        if name in place:
            out[:, place[name]] |= (times >= begin) & (times < end)
    return out


def matrix(
    table: pa.Table, key: str, names: list[str], column: str, row: str
) -> tuple[npt.NDArray[np.datetime64], Floats]:
    """Values of a column by period and name, and the period starts.

    Args:
        table: Sorted by valid_time and `key`, each name once in each period.
        key: Column of the names.
        names: Names wanted, in order.
        column: Column of the values.
        row: Named in errors.

    Returns:
        Shapes (periods,) and (periods, names).

    Raises:
        BadInputError: A name is missing or stands twice in a period, or rows are not sorted.
    """
    order = sorted(names)
    periods, rest = divmod(len(table), len(names))
    found = table.column(key).to_numpy(zero_copy_only=False)
    times = table.column("valid_time").to_numpy().astype("datetime64[us]")
    if rest or not np.array_equal(found, np.tile(np.array(order, dtype=object), periods)):
        raise BadInputError(f"rows of realised {key}", asset=row, got=f"{len(table)} rows", wanted=f"each {key} once")
    by_period = times.reshape(periods, len(names))
    if (by_period != by_period[:, :1]).any() or (np.diff(by_period[:, 0]) <= np.timedelta64(0)).any():
        raise BadInputError(f"periods of realised {key}", asset=row, got="out of order", wanted="sorted by valid_time")
    place = {name: number for number, name in enumerate(order)}
    values = table.column(column).to_numpy(zero_copy_only=False).astype(np.float64).reshape(periods, len(names))
    return by_period[:, 0], values[:, [place[name] for name in names]]


def _check_loops(network: Network, flow: Floats, is_in_service: npt.NDArray[np.bool_], at: Grid2d) -> None:
    """Kirchhoff's second law: a branch's flow follows from the angles that the others give its ends.

    Args:
        network: The grid.
        flow: Shape (periods, branches) [MW].
        is_in_service: By the outages, same shape: a branch in service obeys the law with no flow too.
        at: The row's branches.
    """
    in_service, pattern_of = np.unique(is_in_service, axis=0, return_inverse=True)
    for number, pattern in enumerate(in_service):
        periods = np.flatnonzero(pattern_of.reshape(-1) == number)
        angle = _angles(network, flow[periods], pattern)
        for line, branch in enumerate(network.branches):
            if not pattern[line]:
                continue
            ends = network.bus_index[branch.from_bus], network.bus_index[branch.to_bus]
            expected = network.base_mva * (angle[:, ends[0]] - angle[:, ends[1]]) / (branch.x_pu * branch.ratio)
            wrong = np.flatnonzero(np.abs(expected - flow[periods, line]) > LOOP_MW)
            for period in wrong:
                instant = f"{np.datetime_as_string(at.valid_time[periods[period]], unit='s')}Z"
                got, wanted = str(flow[periods[period], line]), str(expected[period])
                at.findings.add(Violation(at.where, "loop law", branch.name, instant, got, wanted))
    at.findings.looked(at.where, "loop law", flow.size)


def _angles(network: Network, flow: Floats, in_service: npt.NDArray[np.bool_]) -> Floats:
    """Bus angles along spanning trees of the branches in service, shape (periods, buses) [rad]."""
    neighbours: list[list[tuple[int, int, float]]] = [[] for _ in network.buses]
    for line in np.flatnonzero(in_service).tolist():
        branch = network.branches[line]
        f, t = network.bus_index[branch.from_bus], network.bus_index[branch.to_bus]
        drop = branch.x_pu * branch.ratio / network.base_mva
        neighbours[f].append((t, line, -drop))
        neighbours[t].append((f, line, drop))
    angle = np.full((len(flow), len(network.buses)), np.nan)
    for root in range(len(network.buses)):
        if not np.isnan(angle[:, root]).any():
            continue
        angle[:, root] = 0.0
        front = [root]
        while front:
            bus = front.pop(0)
            for other, line, drop in neighbours[bus]:
                if np.isnan(angle[:, other]).any():
                    angle[:, other] = angle[:, bus] + drop * flow[:, line]
                    front.append(other)
    return angle

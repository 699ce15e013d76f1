"""`xiaona dispatch`: one day's commitment and dispatch from the official forecasts alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from dispatch.commit import commit
from dispatch.outlook import outlook_from
from dispatch.settings import DispatchSettings
from gridcore.network import Network
from gridcore.plan import Plan
from gridcore.ports import GridSource, Known
from gridcore.state import unknown_state
from gridcore.target import basic_targets, sum_targets
from gridcore.timeline import PERIOD, at_local_time, day_start, from_numpy
from pipeline import console
from pipeline.exogenous import fixed_hydro, reserve_requirements
from pipeline.forecast_command import check_covered
from pipeline.forecasters import RowForecaster, forecast_settings
from pipeline.schedule import GATE_HOUR
from pipeline.snapshot import store_as_of

HISTORY = timedelta(days=14)
"""Past that the fallback forecasts look at."""


def show_dispatch(source: GridSource, day: date, as_json: bool) -> None:
    """Commit and dispatch a day as of the gate of the day before, and print it by technology and hour.

    The state before the day is not known, so that commitment and output of its first period are free.

    Args:
        source: The grid.
        day: The day, in the grid's own zone.
        as_json: Print JSON alone.
    """
    zone = source.network.zone
    issue_time = at_local_time(day - timedelta(days=1), GATE_HOUR, zone)
    check_covered(source, issue_time)
    with console.bars() as bars:
        bars.stage("read", 0)
        with store_as_of(source, issue_time, HISTORY) as store:
            bars.stage("commit", 0)
            plan = plan_day(source.network, store.known_at(issue_time), issue_time)
    periods = int((day_start(day + timedelta(days=1), zone) - day_start(day, zone)) / PERIOD)
    if as_json:
        console.print_json(_facts(plan, source.network, periods))
    else:
        _show(plan, source.network, periods)


def plan_day(network: Network, known: Known, issue_time: datetime) -> Plan:
    """The commitment of the next local day from what is known at its gate, official forecasts first."""
    targets, sums = basic_targets(network), sum_targets(network)
    forecaster = RowForecaster(network, targets, sums, forecast_settings(0, network), "official")
    vintage = forecaster.issue(known, issue_time, "day_ahead")
    begins, ends = from_numpy(vintage.valid_time[0]), from_numpy(vintage.valid_time[-1]) + PERIOD
    outlook = outlook_from(
        network,
        vintage,
        fixed_hydro(known, network, vintage.valid_time),
        reserve_requirements(known, network, vintage.valid_time),
        known.outages(begins, ends),
    )
    return commit(network, outlook, unknown_state(network, begins), DispatchSettings())


def _by_technology(plan: Plan, network: Network, periods: int) -> dict[str, npt.NDArray[np.float64]]:
    """Mean output of each technology by hour, shape (hours,) [MW]."""
    row_of = {name: row for row, name in enumerate(plan.assets)}
    sums: dict[str, npt.NDArray[np.float64]] = {}
    for asset in network.assets:
        power = plan.power_mw[row_of[asset.name], :periods]
        sums[asset.technology.value] = sums.get(asset.technology.value, np.zeros(periods)) + power
    sums["curtailed"] = plan.curtailment_mw[:, :periods].sum(axis=0)
    starts: Sequence[int] = range(0, periods, timedelta(hours=1) // PERIOD)
    return {name: np.add.reduceat(power, starts) / (timedelta(hours=1) // PERIOD) for name, power in sums.items()}


def _facts(plan: Plan, network: Network, periods: int) -> dict[str, Any]:
    return {
        "plan_id": plan.plan_id,
        "status": plan.status.value,
        "reason": plan.reason,
        "gap": plan.gap,
        "cost": plan.objective,
        "currency": network.currency,
        "power_mw": {name: values.tolist() for name, values in _by_technology(plan, network, periods).items()},
        "slacks": [{"kind": s.kind, "place": s.place, "size_mw": s.size_mw, "cause": s.cause} for s in plan.slacks],
        "solver_work": plan.solver_work,
    }


def _show(plan: Plan, network: Network, periods: int) -> None:
    hours = _by_technology(plan, network, periods)
    used = {name: values for name, values in hours.items() if np.abs(values).max() > 0}
    title = f"{network.name}: {plan.plan_id}, {plan.status.value} {plan.reason}, gap {plan.gap:.2%}; mean MW"
    table = Table(title=title)
    table.add_column("hour")
    for name in used:
        table.add_column(name.replace("_", " "), justify="right")
    for hour in range(len(next(iter(hours.values())))):
        local = (from_numpy(plan.valid_time[0]) + timedelta(hours=hour)).astimezone(network.zone)
        table.add_row(f"{local:%a %H:%M}", *(f"{values[hour]:,.0f}" for values in used.values()))
    console.results.print(table)
    total = sum(slack.size_mw for slack in plan.slacks) * (PERIOD / timedelta(hours=1))
    words = ", ".join(sorted({slack.kind for slack in plan.slacks})) or "none"
    console.results.print(
        f"cost {plan.objective:,.0f} {network.currency} for the plan's horizon; slacks: {words}, {total:,.1f} MWh"
    )

"""A made export of a replay (`OUT/` of INTERFACES.md) for any network, and its summary: what the report's tests read.

No optimiser runs here. Load, wind and sun are drawn by seed; curtailment follows one capped farm (congestion) and the
thermal minimum (surplus); thermal units fill the rest in the order of the network. Sums in the summary are taken from
the very columns that are written, so that a test may hold the page against either.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.asset import COMMITTED, RENEWABLE, Family, Technology
from gridcore.forecast import QUANTILES, Vintage
from gridcore.network import Network
from gridcore.plan import Layer, Plan, PlanStatus, Slack
from gridcore.realised import REALISED_ASSET_SCHEMA, REALISED_BRANCH_SCHEMA, REALISED_BUS_SCHEMA
from gridcore.timeline import PERIOD, Instants, from_numpy, periods_between, to_numpy

ROWS = ("ours", "persistence", "no_storage", "perfect_foresight")
"""Rows of a whole replay."""

LOST_SHARE = {"ours": 0.25, "persistence": 0.4, "no_storage": 0.45, "perfect_foresight": 0.15}
"""Share of the capped farm's capacity that its line can't carry, by row."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """What to make."""

    network: Network
    start: datetime
    days: int = 1
    period: timedelta = timedelta(minutes=5)
    tick: timedelta = timedelta(minutes=15)
    rows: tuple[str, ...] = ROWS
    seed: int = 7
    lost_share: dict[str, float] = field(default_factory=lambda: dict(LOST_SHARE))


@dataclass(frozen=True)
class World:
    """What is the same in all rows: shape (assets, periods) and (buses, periods) [MW]."""

    valid_time: Instants
    available_mw: Floats
    load_mw: Floats


def make_world(recipe: Recipe) -> World:
    """Draw load and available power: smooth wind, sun by the local hour, flat hydro."""
    network, rng = recipe.network, np.random.default_rng(recipe.seed)
    valid = periods_between(recipe.start, recipe.start + timedelta(days=recipe.days), recipe.period)
    offset = recipe.start.astimezone(network.zone).utcoffset() or timedelta(0)
    local_h = ((valid - to_numpy(recipe.start)) / np.timedelta64(1, "h")) % 24
    local_h = (local_h + recipe.start.hour + offset.total_seconds() / 3600) % 24
    sun = np.clip(np.sin((local_h - 6) / 12 * np.pi), 0, None)
    available = np.zeros((len(network.assets), len(valid)))
    for row, asset in enumerate(network.assets):
        if asset.technology is Technology.WIND:
            walk = np.cumsum(rng.normal(size=len(valid))) * 0.12
            available[row] = asset.p_max_mw * (0.5 + 0.45 * np.sin(walk - walk.mean()))
        elif asset.technology in {Technology.PV, Technology.ROOFTOP_PV}:
            available[row] = asset.p_max_mw * sun * rng.uniform(0.8, 1.0)
        elif asset.technology is Technology.HYDRO:
            available[row] = 0.4 * asset.p_max_mw
    thermal_mw = sum(asset.p_max_mw for asset in network.assets if asset.technology in COMMITTED)
    area_mw = 0.45 * thermal_mw / len(network.areas) * (1 + 0.15 * np.sin((local_h - 9) / 12 * np.pi))
    return World(valid, available, network.area_shares.sum(axis=1)[:, None] * area_mw[None, :])


def make_row(recipe: Recipe, world: World, name: str) -> dict[str, Any]:
    """One row's realised arrays: power, curtailment, cause, soc, on/off, shed."""
    network = recipe.network
    available, hours = world.available_mw, recipe.period / timedelta(hours=1)
    power, curtailed = available.copy(), np.zeros_like(available)
    cause = np.full(available.shape, "", dtype=object)
    soc = np.full(available.shape, np.nan)
    farms = [row for row, a in enumerate(network.assets) if a.technology in {Technology.WIND, Technology.PV}]
    if farms:
        capped = max(farms, key=lambda row: network.assets[row].p_max_mw)
        lost = recipe.lost_share[name] * network.assets[capped].p_max_mw
        curtailed[capped] = np.clip(available[capped] - (network.assets[capped].p_max_mw - lost), 0, None)
        cause[capped, curtailed[capped] > 0] = "congestion"
    phase = np.arange(len(world.valid_time)) * hours / 24 * 2 * np.pi
    for row, asset in enumerate(network.assets):
        if asset.store is not None and not (name == "no_storage" and asset.family is Family.STORE):
            power[row] = 0.6 * asset.p_max_mw * np.sin(phase) * (1 if asset.family is Family.STORE else 0.5)
            power[row] = power[row] if asset.family is Family.STORE else np.abs(power[row])
            swing = np.cumsum(-power[row]) * hours
            soc[row] = np.clip(asset.store.initial_soc_mwh + swing, 0, asset.store.energy_mwh)
    units = [row for row, a in enumerate(network.assets) if a.technology in COMMITTED and a.store is None]
    rest = world.load_mw.sum(axis=0) - (power - curtailed).sum(axis=0)
    least = 0.1 * sum(network.assets[row].p_max_mw for row in units)
    surplus = np.clip(least - rest, 0, None)
    room = (power - curtailed)[farms].sum(axis=0) if farms else np.zeros(len(rest))
    share = np.divide(np.minimum(surplus, room), room, out=np.zeros_like(rest), where=room > 0)
    for row in farms:
        more = (available[row] - curtailed[row]) * share
        cause[row, (more > 0) & (cause[row] == "")] = "surplus"
        curtailed[row] += more
    power = power - curtailed
    rest = world.load_mw.sum(axis=0) - power.sum(axis=0)
    for row in units:
        power[row] = np.clip(rest, 0, network.assets[row].p_max_mw)
        rest = rest - power[row]
    shed = np.clip(rest, 0, None)[None, :] * (world.load_mw / np.maximum(world.load_mw.sum(axis=0), 1e-9))
    over = np.zeros_like(shed)
    over[0] = np.clip(-rest, 0, None)
    is_on = (power > 1e-9) | ~np.isin(np.arange(len(power)), units)[:, None]
    return dict(power=power, curtailed=curtailed, cause=cause, soc=soc, is_on=is_on, shed=shed, over=over)


def flows(network: Network, injection_mw: Floats) -> Floats:
    """DC flows of the branches, clipped to their limits: shape (branches, periods); no balance is claimed."""
    count = len(network.buses)
    matrix, incidence = np.zeros((count, count)), np.zeros((len(network.branches), count))
    for row, branch in enumerate(network.branches):
        weight = 1 / (branch.x_pu * branch.ratio)
        i, j = network.bus_index[branch.from_bus], network.bus_index[branch.to_bus]
        matrix[[i, j, i, j], [i, j, j, i]] += [weight, weight, -weight, -weight]
        incidence[row, [i, j]] = weight, -weight
    angle = np.zeros_like(injection_mw)
    if count > 1:
        balanced = injection_mw - injection_mw.mean(axis=0)
        angle[1:] = np.linalg.solve(matrix[1:, 1:], balanced[1:])
    limit = np.array([branch.limit_mw for branch in network.branches])[:, None]
    return np.clip(incidence @ angle, -limit, limit)


def _long(schema: pa.Schema, valid: Instants, names: list[str], **columns: Any) -> pa.Table:
    """Rows sorted by valid_time and name from arrays of shape (names, periods)."""
    order = np.argsort(np.array(names))
    arrays = [pa.array(np.repeat(valid, len(names))).cast(schema.field(0).type)]
    arrays.append(pa.array(np.tile(np.array(names, dtype=object)[order], len(valid)), pa.string()))
    arrays += [pa.array(np.asarray(v)[order].T.reshape(-1), schema.field(k).type) for k, v in columns.items()]
    return pa.Table.from_arrays(arrays, schema=schema)


def write_realised(recipe: Recipe, world: World, row: dict[str, Any], folder: Path) -> None:
    """`realised/ROW/`: asset, bus and branch."""
    network, shape = recipe.network, world.available_mw.shape
    folder.mkdir(parents=True)
    bus = np.broadcast_to(np.array([a.bus for a in network.assets], dtype=object)[:, None], shape)
    names = [a.name for a in network.assets]
    available = np.where(world.available_mw > 0, world.available_mw, row["power"])
    columns = dict(bus=bus, power_mw=row["power"], available_mw=available, curtailment_mw=row["curtailed"])
    columns |= dict(cause=row["cause"], soc_mwh=row["soc"], is_on=row["is_on"])
    pq.write_table(_long(REALISED_ASSET_SCHEMA, world.valid_time, names, **columns), folder / "asset.parquet")
    columns = dict(load_mw=world.load_mw, shed_mw=row["shed"], over_generation_mw=row["over"])
    buses = [b.name for b in network.buses]
    pq.write_table(_long(REALISED_BUS_SCHEMA, world.valid_time, buses, **columns), folder / "bus.parquet")
    injection = -world.load_mw + row["shed"] - row["over"]
    np.add.at(injection, network.asset_bus, row["power"])
    flow = np.vstack([flows(network, injection), np.zeros((len(network.dc_lines), shape[1]))])
    limits = [*(b.limit_mw for b in network.branches), *(d.limit_mw for d in network.dc_lines)]
    limit = np.broadcast_to(np.array(limits)[:, None], flow.shape)
    names = [*(b.name for b in network.branches), *(d.name for d in network.dc_lines)]
    table = _long(REALISED_BRANCH_SCHEMA, world.valid_time, names, flow_mw=flow, limit_mw=limit)
    pq.write_table(table, folder / "branch.parquet")


def _truth(recipe: Recipe, world: World) -> dict[str, Floats]:
    """15-minute truth of the system sums and the largest wind farm, shape (periods,)."""
    network, step = recipe.network, max(int(PERIOD / recipe.period), 1)
    truth = {}
    for technology in (Technology.WIND, Technology.PV, Technology.ROOFTOP_PV):
        rows = [i for i, a in enumerate(network.assets) if a.technology is technology]
        if rows:
            truth[f"system/{technology.value}"] = world.available_mw[rows].sum(axis=0)
    if farms := network.of(Technology.WIND):
        largest = max(farms, key=lambda a: a.p_max_mw)
        truth[largest.name] = world.available_mw[network.asset_index[largest.name]]
    truth["system/load"] = world.load_mw.sum(axis=0)
    return {name: values[::step] for name, values in truth.items()}


def make_vintages(recipe: Recipe, world: World) -> list[Vintage]:
    """Intraday vintages of 16 steps at every tick, and a day-ahead one each day at 08:00 of the day before."""
    rng, truth = np.random.default_rng(recipe.seed + 1), _truth(recipe, world)
    grid = world.valid_time[:: max(int(PERIOD / recipe.period), 1)]
    step = np.median(np.diff(grid))
    per_day, spread = round(np.timedelta64(1, "D") / step), np.array(QUANTILES) - 0.5
    cuts = [(from_numpy(t - step), n, min(n + 16, len(grid))) for n, t in enumerate(grid)]
    cuts = cuts[:: max(round(np.timedelta64(recipe.tick) / step), 1)]
    day_ahead = range(0, len(grid), per_day)
    cuts += [(from_numpy(grid[n]) - timedelta(hours=16), n, min(n + per_day, len(grid))) for n in day_ahead]
    vintages = []
    for issue, first, last in sorted(cuts):
        lead = (grid[first:last] - to_numpy(issue)) / np.timedelta64(1, "h")
        scale = 0.02 + 0.03 * np.sqrt(lead)
        power = np.empty((len(truth), last - first, len(QUANTILES)))
        for row, (name, values) in enumerate(truth.items()):
            size = scale * values.max() * (0.2 if name.endswith("load") else 1.0)
            middle = values[first:last] + size * rng.normal(scale=0.4)
            power[row] = np.clip(middle[:, None] + 2.5 * size[:, None] * spread, 0, None)
        models = tuple("made" for _ in truth)
        vintages.append(
            Vintage(issue, grid[first:last], tuple(truth), QUANTILES, power, models, issue, tuple("" for _ in truth))
        )
    return vintages


def make_plans(recipe: Recipe, world: World, row: dict[str, Any]) -> list[Plan]:
    """A day-ahead plan each day and a SCED plan at every tick; the third SCED is held, the fourth has slacks."""
    network, stride = recipe.network, max(int(PERIOD / recipe.period), 1)
    grid, columns = world.valid_time[::stride], slice(None, None, stride)
    step = np.median(np.diff(grid))
    per_day, every = round(np.timedelta64(1, "D") / step), max(round(np.timedelta64(recipe.tick) / step), 1)
    names = tuple(a.name for a in network.assets) + tuple(d.name for d in network.dc_lines)
    pad = len(network.dc_lines)

    def cut(array: npt.NDArray[Any], fill: Any, first: int, last: int) -> npt.NDArray[Any]:
        part = array[:, columns][:, first:last]
        return np.concatenate([part, np.full((pad, part.shape[1]), fill, dtype=part.dtype)])

    def plan(layer: Layer, issue: datetime, first: int, last: int, number: int) -> Plan:
        power = cut(row["power"], 0.0, first, last)
        slacks: tuple[Slack, ...] = ()
        held = layer is Layer.SCED and number == 2
        if layer is Layer.SCED and number == 3:
            slacks = (Slack("reserve_up", "Spin_Up_R1", grid[first], 12.5, "reserve"),)
        reserve = np.where(power > 0, 0.05 * power, 0.0)
        return Plan(
            layer, issue, grid[first:last], PERIOD, names, cut(row["is_on"], True, first, last), power,
            np.clip(-power, 0, None), np.zeros_like(power), cut(row["soc"], np.nan, first, last),
            cut(world.available_mw, 0.0, first, last), cut(row["curtailed"], 0.0, first, last),
            cut(row["cause"], "", first, last), reserve, PlanStatus.HELD if held else PlanStatus.SOLVED,
            "infeasible" if held else "", 0.004 if layer is Layer.SCUC else 0.0, 0.0, slacks,
        )  # fmt: skip

    day_ahead = [
        plan(Layer.SCUC, from_numpy(grid[n]) - timedelta(hours=16), n, min(n + per_day, len(grid)), k)
        for k, n in enumerate(range(0, len(grid), per_day))
    ]
    ticks = range(0, len(grid), every)
    rolling = [plan(Layer.SCED, from_numpy(grid[n] - step), n, min(n + 16, len(grid)), k) for k, n in enumerate(ticks)]
    return sorted([*day_ahead, *rolling], key=lambda p: (p.issue_time, p.layer.value))


def summarise(recipe: Recipe, world: World, row: dict[str, Any], name: str) -> dict[str, Any]:
    """The row's object of `xiaona replay --json`, from the same arrays."""
    hours = recipe.period / timedelta(hours=1)
    green = np.array([a.technology in RENEWABLE for a in recipe.network.assets])
    available = float(world.available_mw[green].sum()) * hours
    lost = float(row["curtailed"].sum()) * hours
    causes = sorted(set(row["cause"].ravel()) - {""})
    thermal = float(row["power"][~green].clip(0).sum()) * hours
    shed = float(row["shed"].sum()) * hours
    insufficient: dict[str, Any] = dict(n=96, rmse_accuracy=None, pinball=None, skill_persistence=None)
    insufficient |= dict(skill_official=None, coverage_80=None)
    scored: dict[str, Any] = dict(n=2880, rmse_accuracy=0.913, pinball=0.0184, skill_persistence=0.31)
    scored |= dict(skill_official=None, coverage_80=0.79)
    return {
        "name": name, "available_mwh": available, "absorbed_mwh": available - lost,
        "absorption": (available - lost) / available if available else None, "curtailment_mwh": lost,
        "curtailment_by_cause": {c: float(row["curtailed"][row["cause"] == c].sum()) * hours for c in causes},
        "shed_mwh": shed, "over_generation_mwh": float(row["over"].sum()) * hours,
        "cost": {"fuel": 21.5 * thermal, "start": 800.0, "vom": 1.1 * thermal, "penalty": 10_000.0 * shed},
        "tco2": 0.41 * thermal, "starts": 5, "violations": 0, "max_bus_imbalance_mw": 2.1e-9,
        "plans": {"scuc": recipe.days, "sced": 96 * recipe.days, "held": 1, "late": 0, "infeasible": 1},
        "accuracy": [{"kind": "wind", "lead_block": "15-60 min"} | scored,
                     {"kind": "pv", "lead_block": "D+1"} | insufficient],
    }  # fmt: skip


def make_export(recipe: Recipe, out: Path) -> dict[str, Any]:
    """Write `OUT/` (all but `grid/`) and return the summary of the replay."""
    world = make_world(recipe)
    rows = []
    for name in recipe.rows:
        row = make_row(recipe, world, name)
        write_realised(recipe, world, row, out / "realised" / name)
        folder = out / "decisions" / name
        folder.mkdir(parents=True)
        vintages = make_vintages(recipe, world)
        pq.write_table(pa.concat_tables([v.to_table() for v in vintages]), folder / "forecasts.parquet")
        plans = make_plans(recipe, world, row)
        pq.write_table(pa.concat_tables([p.to_table() for p in plans]), folder / "plans.parquet")
        rows.append(summarise(recipe, world, row, name))
    seeds, versions = {"replay": recipe.seed}, {"xiaona": "0.1.0"}
    manifest = {"decisions_sha256": "d" * 64, "data_sha256": "e" * 64, "seeds": seeds, "versions": versions}
    (out / "manifest.json").write_text(json.dumps(manifest))
    end = recipe.start + timedelta(days=recipe.days)
    member = dict(kind="wind", mode="intraday", lead_block="15-60 min")
    return {
        "schema_version": 1, "status": "ok", "grid": recipe.network.name, "time_zone": recipe.network.zone_name,
        "currency": recipe.network.currency, "start": recipe.start.isoformat(), "end": end.isoformat(),
        "period_minutes": 15, "plant_period_minutes": int(recipe.period / timedelta(minutes=1)),
        "data_sha256": "e" * 64, "decisions_sha256": "d" * 64, "wall_seconds": 61.5, "cpu_seconds": 118.0,
        "peak_rss_mb": 812.0, "stage_seconds": {"fit": 30.0, "loop": 25.0, "export": 1.0}, "rows": rows,
        "models": [member | {"member": "lightgbm", "weight": 0.8, "pinball": 0.041},
                   member | {"member": "persistence", "weight": 0.2, "pinball": 0.05}],
        "provenance": {"versions": versions, "seeds": seeds, "commit": "0" * 40, "cache_hits": ["wind/intraday"],
                       "telemetry_latency_s": recipe.network.telemetry_latency_s},
        "warnings": [],
    }  # fmt: skip

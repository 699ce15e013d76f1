"""The grid's state as it is known: from telemetry up to now, from setpoints for the minutes until the plan begins."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from gridcore.asset import Technology
from gridcore.network import Network
from gridcore.plan import Plan
from gridcore.ports import Known
from gridcore.reading import to_matrix
from gridcore.state import GridState, unknown_state
from gridcore.target import inflow_channel, power_channel, soc_channel, status_channel
from gridcore.timeline import PERIOD, PLANT_PERIOD, from_numpy, periods_between, to_numpy

MEMORY = timedelta(hours=49)
"""How far back the on/off history is read at least; further on a grid with a longer minimum up or down time."""

MARGIN = timedelta(hours=1)
"""How much longer than the longest minimum up or down time the history is: it must tell held from unknown."""

RECENT = timedelta(hours=1)
"""How old the last reading of wind, sun or water may be; older ones tell nothing."""

LATE = timedelta(hours=3)
"""How old the plant's last own reading may be. It can be told by whole hours, come an hour after them, and the next be
an hour away; setpoints carry it on since then, which weather has not."""


def grid_state(known: Known, network: Network, begins: datetime) -> GridState:
    """The state at `begins`, the start of a plan's first period, in the eyes of `known.instant`.

    A setpoint that is in force between the last reading and `begins` is taken as followed, within the unit's ramp from
    its last reading. Where nothing is known (no reading of any status, ever), the state is free.
    """
    committed = [row for row, asset in enumerate(network.assets) if asset.commitment is not None]
    start = known.instant - _memory(network)
    start = from_numpy(periods_between(start, known.instant, PLANT_PERIOD)[0])
    names = [network.assets[row].name for row in committed]
    channels = [status_channel(name) for name in names]
    status = to_matrix(known.readings(channels, start, begins), channels, start, begins, PLANT_PERIOD)
    if committed and not np.isfinite(status).any():
        return unknown_state(network, begins)
    commands = _commands(known, network)
    on, hours = _on_and_hours(status, [commands.get(name, {}) for name in names], start, begins)
    is_on, hours_in_state = np.ones(len(network.assets), bool), np.full(len(network.assets), np.inf)
    is_on[committed], hours_in_state[committed] = on, hours
    power = _power(known, network, commands, is_on, begins)
    return GridState(begins, power, is_on, hours_in_state, _soc(known, network, commands, begins))


def _memory(network: Network) -> timedelta:
    """How far back the on/off history is read on this grid."""
    limits = [asset.commitment for asset in network.assets if asset.commitment is not None]
    longest_h = max((max(limit.min_up_h, limit.min_down_h) for limit in limits), default=0.0)
    return max(MEMORY, timedelta(hours=longest_h) + MARGIN)


def _commands(known: Known, network: Network) -> dict[str, dict[np.datetime64, tuple[float, bool]]]:
    """(power_mw, is_on) of each asset by valid_from, of setpoints in force since the oldest reading that counts."""
    table = known.setpoints(known.instant - LATE - 2 * PERIOD)
    found: dict[str, dict[np.datetime64, tuple[float, bool]]] = {}
    columns = zip(
        table.column("asset").to_pylist(),
        table.column("valid_from").to_numpy().astype("datetime64[us]"),
        table.column("power_mw").to_pylist(),
        table.column("is_on").to_pylist(),
        strict=True,
    )
    for asset, valid_from, power_mw, is_on in columns:
        if asset in network.asset_index:
            found.setdefault(asset, {})[valid_from] = (power_mw, is_on)
    return found


def _on_and_hours(
    status: npt.NDArray[np.float64],
    commands: list[dict[np.datetime64, tuple[float, bool]]],
    start: datetime,
    begins: datetime,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """On/off and hours since the last switch at `begins`, of the committed units; inf where none is remembered."""
    times = periods_between(start, begins, PLANT_PERIOD)
    anything = np.asarray(np.isfinite(status).any(axis=0))
    filled = status.copy()
    period = np.timedelta64(PERIOD)
    for row, of_unit in enumerate(commands):
        # Each unit from its own last reading on: another's telemetry may be late. One never heard of, from the newest.
        seen = np.isfinite(status[row])
        known_until = len(times) - int(np.argmax((seen if seen.any() else anything)[::-1]))
        for column in range(known_until, len(times)):
            quarter = max((t for t in of_unit if t <= times[column] < t + period), default=None)
            filled[row, column] = filled[row, column - 1] if quarter is None else float(of_unit[quarter][1])
    last_seen = np.maximum.accumulate(np.where(np.isfinite(filled), np.arange(len(times)), -1), axis=1)
    known_mask = last_seen >= 0
    on = np.asarray(np.take_along_axis(np.nan_to_num(filled), np.maximum(last_seen, 0), axis=1) > 0.5)
    differs = np.asarray((on != on[:, -1:]) | ~known_mask)
    run = np.where(differs.any(axis=1), np.argmax(differs[:, ::-1], axis=1), len(times))
    reached_unknown = ~known_mask[np.arange(len(run)), np.maximum(len(times) - 1 - run, 0)] | (run == len(times))
    hours = np.where(reached_unknown, np.inf, run * (PLANT_PERIOD / timedelta(hours=1)))
    return on[:, -1], hours


def _plants_last_values(
    known: Known, channels: list[str], begins: datetime
) -> tuple[npt.NDArray[np.float64], list[datetime]]:
    """As `_last_values`, of channels that the plant itself tells; where it told nothing in `RECENT`, within `LATE`."""
    values, seen_until = _last_values(known, channels, begins)
    missing = np.flatnonzero(~np.isfinite(values))
    if not len(missing):
        return values, seen_until
    older, older_until = _last_values(known, [channels[row] for row in missing], begins, LATE)
    for row, value, until in zip(missing, older, older_until, strict=True):
        if np.isfinite(value):
            values[row], seen_until[row] = value, until
    return values, seen_until


def _last_values(
    known: Known, channels: list[str], begins: datetime, within: timedelta = RECENT
) -> tuple[npt.NDArray[np.float64], list[datetime]]:
    """The newest value of each channel within so long, NaN where there is none, and the end of its period.

    Where there is none, the end is that of the newest period any of the channels tells of.
    """
    start = from_numpy(periods_between(known.instant - within, known.instant, PLANT_PERIOD)[0])
    matrix = to_matrix(known.readings(channels, start, begins), channels, start, begins, PLANT_PERIOD)
    seen = np.isfinite(matrix)
    has_any = seen.any(axis=1)
    last = matrix.shape[1] - 1 - np.argmax(seen[:, ::-1], axis=1)
    values = np.where(has_any, matrix[np.arange(len(channels)), last], np.nan)
    newest = int(last[has_any].max()) if seen.any() else 0
    last = np.where(has_any, last, newest)
    return values, [start + (int(column) + 1) * PLANT_PERIOD for column in last]


def _power(
    known: Known,
    network: Network,
    commands: dict[str, dict[np.datetime64, tuple[float, bool]]],
    is_on: npt.NDArray[np.bool_],
    begins: datetime,
) -> npt.NDArray[np.float64]:
    """Output just before `begins`: the setpoint in force then, as far as the ramp from the last reading reaches."""
    is_plants = np.array([asset.commitment is not None or asset.store is not None for asset in network.assets], bool)
    channels = [power_channel(asset.name) for asset in network.assets]
    power = np.full(len(channels), np.nan)
    recorded, own = np.flatnonzero(~is_plants), np.flatnonzero(is_plants)
    if len(recorded):
        power[recorded] = _last_values(known, [channels[row] for row in recorded], begins)[0]
    if not len(own):
        return power
    values, seen_until = _plants_last_values(known, [channels[row] for row in own], begins)
    quarter = to_numpy(begins - PERIOD)
    for row, value, seen in zip(own, values, seen_until, strict=True):
        asset = network.assets[row]
        power[row] = value
        told = commands.get(asset.name, {}).get(quarter)
        if told is not None:
            reach = asset.ramp_mw_per_min * ((begins - seen) / timedelta(minutes=1))
            power[row] = told[0] if not np.isfinite(value) else min(max(told[0], value - reach), value + reach)
        if asset.commitment is not None:
            limited = min(max(power[row], asset.p_min_mw), asset.p_max_mw)
            power[row] = limited if is_on[row] else 0.0
    return power


def _soc(
    known: Known,
    network: Network,
    commands: dict[str, dict[np.datetime64, tuple[float, bool]]],
    begins: datetime,
) -> npt.NDArray[np.float64]:
    """Stored energy at `begins`: the last reading, carried on by the setpoints in force since."""
    soc = np.full(len(network.assets), np.nan)
    rows = [row for row, asset in enumerate(network.assets) if asset.store is not None]
    if not rows:
        return soc
    values, seen_until = _plants_last_values(known, [soc_channel(network.assets[row].name) for row in rows], begins)
    inflows, _ = _last_values(known, [inflow_channel(network.assets[row].name) for row in rows], begins)
    for row, value, seen, inflow in zip(rows, values, seen_until, inflows, strict=True):
        asset = network.assets[row]
        store = asset.store
        assert store is not None
        energy = store.initial_soc_mwh if not np.isfinite(value) else value
        for step in periods_between(seen, begins, PLANT_PERIOD):
            told = [v for t, v in commands.get(asset.name, {}).items() if t <= step < t + np.timedelta64(PERIOD)]
            power_mw = told[-1][0] if told else 0.0
            step_h = PLANT_PERIOD / timedelta(hours=1)
            gained = max(-power_mw, 0.0) * store.charge_efficiency - max(power_mw, 0.0) / store.discharge_efficiency
            if asset.technology is Technology.CSP:
                gained += float(np.nan_to_num(inflow)) * store.charge_efficiency
            energy = min(max(energy + gained * step_h, 0.0), store.energy_mwh)
        soc[row] = energy
    return soc


def projected_state(network: Network, state: GridState, in_force: Plan, begins: datetime) -> GridState:
    """The state at a later instant if the commitment in force is followed until then; for the next day's commitment.

    Args:
        network: The grid.
        state: State at the first period of `in_force`.
        in_force: Commitment plan from `state.instant` to `begins`, assets in the network's order.
        begins: Start of the later plan.
    """
    step_h = in_force.resolution / timedelta(hours=1)
    count = len(network.assets)
    on, hours = state.is_on.copy(), state.hours_in_state.copy()
    for column in range(in_force.is_on.shape[1]):
        now = in_force.is_on[:count, column]
        hours = np.where(now == on, hours + step_h, step_h)
        on = now.copy()
    power = in_force.power_mw[:count, -1].copy()
    committed = np.array([asset.commitment is not None for asset in network.assets])
    power = np.where(committed & ~on, 0.0, power)
    soc = np.where(np.isfinite(in_force.soc_mwh[:count, -1]), in_force.soc_mwh[:count, -1], state.soc_mwh)
    return GridState(begins, power, on, hours, soc)

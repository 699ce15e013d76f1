"""What a plant step looks like from outside: realised tables, and telemetry as the field would send it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.network import Network
from gridcore.reading import READING_SCHEMA
from gridcore.realised import REALISED_ASSET_SCHEMA, REALISED_BRANCH_SCHEMA, REALISED_BUS_SCHEMA
from gridcore.target import limit_channel, power_channel, soc_channel, status_channel
from gridcore.timeline import PLANT_PERIOD, TIMESTAMP, to_numpy
from ingest.channels import channels_of
from pipeline.plant_state import columns_of

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Realised:
    """What really flowed in one step; asset arrays have shape (assets,), bus arrays (buses,)."""

    valid_time: datetime
    """Start of the step."""

    power_mw: Floats
    """Output [MW]."""

    available_mw: Floats
    """Possible output; of a CSP the inflow, of a unit its capacity while on, of a battery its power [MW]."""

    curtailment_mw: Floats
    """Available minus used, of wind and PV; 0 elsewhere [MW]."""

    cause: npt.NDArray[np.object_]
    """`Cause` value where something is curtailed, '' elsewhere."""

    limit_mw: Floats
    """Limit that a farm's controller was held to; inf where none was in force [MW]."""

    soc_mwh: Floats
    """Stored energy at the step's end, NaN where there is no store [MWh]."""

    is_on: npt.NDArray[np.bool_]
    """On/off."""

    load_mw: Floats
    """Demand of each bus before shedding [MW]."""

    shed_mw: Floats
    """Load shed [MW]."""

    over_generation_mw: Floats
    """Power without a taker [MW]."""

    flow_mw: Floats
    """Flow of each branch, then each DC line, shape (branches + dc_lines,) [MW]."""


class PlantTables:
    """Writes steps of one grid as Arrow tables.

    Args:
        network: The grid.
    """

    def __init__(self, network: Network) -> None:
        lines = [(b.name, b.limit_mw) for b in network.branches] + [(d.name, d.limit_mw) for d in network.dc_lines]
        self._by_asset = np.argsort(np.array([asset.name for asset in network.assets]))
        self._by_bus = np.argsort(np.array([bus.name for bus in network.buses]))
        self._by_line = np.argsort(np.array([name for name, _ in lines]))
        self._asset = pa.array([network.assets[row].name for row in self._by_asset], pa.string())
        self._asset_bus = pa.array([network.assets[row].bus for row in self._by_asset], pa.string())
        self._bus = pa.array([network.buses[row].name for row in self._by_bus], pa.string())
        self._line = pa.array([lines[row][0] for row in self._by_line], pa.string())
        self._line_limit = np.array([limit_mw for _, limit_mw in lines])[self._by_line]
        self._latency = timedelta(seconds=network.telemetry_latency_s)
        self._set_channels(network)

    def realised(self, step: Realised) -> dict[str, pa.Table]:
        """Tables `asset`, `bus` and `branch` of one step, sorted by name; schemas of `gridcore.realised`."""
        a, b, n = self._by_asset, self._by_bus, self._by_line
        asset = [
            _constant(step.valid_time, len(a)), self._asset, self._asset_bus, pa.array(step.power_mw[a]),
            pa.array(step.available_mw[a]), pa.array(step.curtailment_mw[a]), pa.array(step.cause[a], pa.string()),
            pa.array(step.soc_mwh[a]), pa.array(step.is_on[a]),
        ]  # fmt: skip
        bus = [
            _constant(step.valid_time, len(b)), self._bus, pa.array(step.load_mw[b]), pa.array(step.shed_mw[b]),
            pa.array(step.over_generation_mw[b]),
        ]  # fmt: skip
        branch = [
            _constant(step.valid_time, len(n)), self._line, pa.array(step.flow_mw[n]), pa.array(self._line_limit),
        ]  # fmt: skip
        return {
            "asset": pa.Table.from_arrays(asset, schema=REALISED_ASSET_SCHEMA),
            "bus": pa.Table.from_arrays(bus, schema=REALISED_BUS_SCHEMA),
            "branch": pa.Table.from_arrays(branch, schema=REALISED_BRANCH_SCHEMA),
        }

    def telemetry(self, step: Realised) -> pa.Table:
        """Readings that come from the plant itself, sorted by channel; `READING_SCHEMA`.

        Power of units and stores, stored energy, status of units, and the limit of a farm while one is in force. Wind,
        sun, water, load and inflow are the recording's; a shed is known to the operator and load telemetry tells the
        demand before it.
        """
        values = np.concatenate(
            [
                step.power_mw[self._power_rows],
                step.soc_mwh[self._soc_rows],
                step.is_on[self._status_rows].astype(np.float64),
                step.limit_mw[self._limit_rows],
            ]
        )[self._channel_order]
        sent = np.flatnonzero(np.isfinite(values))
        take = pa.array(sent)
        arrays = [
            _constant(step.valid_time + PLANT_PERIOD + self._latency, len(sent)),
            _constant(step.valid_time, len(sent)), self._site.take(take), self._channel.take(take),
            self._quantity.take(take), pa.array(values[sent]), self._unit.take(take),
            pa.array(np.zeros(len(sent), np.int32)), pa.array(np.zeros(len(sent), np.int32)),
        ]  # fmt: skip
        return pa.Table.from_arrays(arrays, schema=READING_SCHEMA)

    def _set_channels(self, network: Network) -> None:
        """Rows of the assets behind each kind of channel, and the channels' constant columns in order of name."""
        columns = columns_of(network)
        self._power_rows = np.flatnonzero((columns.is_switched | columns.is_battery) & (columns.p_max_mw > 0))
        self._soc_rows = np.flatnonzero(columns.energy_mwh > 0)
        self._status_rows = np.flatnonzero(columns.is_switched)
        self._limit_rows = np.flatnonzero(columns.is_variable)
        kinds = (
            (power_channel, self._power_rows),
            (soc_channel, self._soc_rows),
            (status_channel, self._status_rows),
            (limit_channel, self._limit_rows),
        )
        names = [channel_of(network.assets[row].name) for channel_of, rows in kinds for row in rows]
        self._channel_order = np.argsort(np.array(names, dtype=np.str_))
        table = channels_of(network)
        channels = [table[names[place]] for place in self._channel_order]
        self._channel = pa.array([channel.name for channel in channels], pa.string())
        self._site = pa.array([channel.site for channel in channels], pa.string())
        self._quantity = pa.array([channel.quantity for channel in channels], pa.string())
        self._unit = pa.array([channel.unit for channel in channels], pa.string())


def _constant(instant: datetime, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(to_numpy(instant)).cast(TIMESTAMP), count)

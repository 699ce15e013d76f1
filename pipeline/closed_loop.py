"""The closed loop's feed: a recording plays, and a simulated plant answers the setpoints into the same stream.

What the recording says of a farm is what it could have given; where the plant curtailed it, the farm reports what
really flowed. The recording's delays, gaps, repetitions and corrections stay as they are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.asset import CURTAILABLE
from gridcore.network import Network
from gridcore.plan import SETPOINT_SCHEMA
from gridcore.ports import Batch, Feed
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from gridcore.target import power_channel
from gridcore.timeline import PERIOD, PLANT_PERIOD, TIMESTAMP, floor_to, to_numpy
from pipeline.plant import Plant
from pipeline.realised_log import RealisedLog

PLANT_SOURCE = "plant"
"""Source name of the plant's own readings; an offset is a count of its steps."""

STEP = "step"
"""Column of the plant's step number in a checkpoint."""

PENDING_SCHEMA = READING_SCHEMA.append(pa.field(STEP, pa.int64()))
"""Readings on their way, in a checkpoint."""

KEPT_PERIODS = 4
"""Setpoints older than this many periods have run out and can't be in force."""


@runtime_checkable
class WaitingFeed(Protocol):
    """A feed that may have to wait for its readings: a stream."""

    def readiness(self) -> Mapping[str, str]:
        """Why the last instant asked for waited no longer, by partition."""
        ...


class ClosedLoopFeed:
    """A `ControlledFeed`: the recording's stream, as the simulated plant changes it.

    Args:
        network: The grid.
        recorded: Feeds of the recorded readings, official series and outages, in order.
        period: Period of a recorded reading, a multiple of the plant's.
        plant: The simulated plant; it has not stepped beyond its `instant`.
        log: Where each tick's realised flows are kept.
        origin: Start of the plant's first period ever; earlier readings are history as recorded.
    """

    def __init__(
        self,
        network: Network,
        recorded: Sequence[Feed],
        plant: Plant,
        log: RealisedLog,
        origin: datetime,
        period: timedelta = PLANT_PERIOD,
    ) -> None:
        self._network, self._recorded, self._plant, self._log, self._origin = network, recorded, plant, log, origin
        self._steps_a_reading = max(period // PLANT_PERIOD, 1)
        self._setpoints = SETPOINT_SCHEMA.empty_table()
        self._pending: deque[tuple[int, pa.Table]] = deque()
        self._steps, self._skip_steps = 0, 0
        self._curtailed: dict[str, dict[int, float]] = {power_channel(a.name): {} for a in network.of(*CURTAILABLE)}

    def next_until(self, due: datetime) -> Batch | None:
        """The next batch that arrives up to `due`: the plant's own readings first, then recorded ones."""
        self._simulate(due)
        tables, start = [], None
        while self._pending and pc.max(self._pending[0][1].column("available_at")).as_py() <= due:
            number, table = self._pending.popleft()
            if number >= self._skip_steps:
                start = number if start is None else start
                tables.append(table)
        if start is not None:
            readings = pa.concat_tables(tables)
            empty = (OFFICIAL_SCHEMA.empty_table(), OUTAGE_SCHEMA.empty_table())
            return Batch(PLANT_SOURCE, start, start + len(tables), readings, *empty)
        for feed in self._recorded:
            if (batch := feed.next_until(due)) is not None:
                return replace(batch, readings=self._as_flowed(batch.readings))
        return None

    def seek(self, offsets: Mapping[str, int]) -> None:
        """Continue the recording, and pass over plant steps that the store has already."""
        for feed in self._recorded:
            feed.seek(offsets)
        self._skip_steps = offsets.get(PLANT_SOURCE, 0)

    def deliver(self, issue_time: datetime, setpoints: pa.Table) -> None:
        """The plant holds the newest setpoint for each period."""
        oldest = pa.scalar(to_numpy(issue_time - KEPT_PERIODS * PERIOD)).cast(TIMESTAMP)
        kept = self._setpoints.filter(pc.greater_equal(self._setpoints.column("valid_from"), oldest))
        self._setpoints = pa.concat_tables([kept, setpoints])

    def checkpoint(self) -> bytes:
        """Number of steps made, the plant's state, and the readings that are still on their way."""
        plant = self._plant.to_bytes()
        head = self._steps.to_bytes(8, "big") + len(plant).to_bytes(8, "big")
        return head + plant + _packed(self._pending)

    def readiness(self) -> dict[str, str]:
        """Why the last instant asked for waited no longer, by partition of the recorded feeds that wait at all."""
        waiting = [feed for feed in self._recorded if isinstance(feed, WaitingFeed)]
        return {source: str(why) for feed in waiting for source, why in feed.readiness().items()}

    def restore(self, checkpoint: bytes, setpoints: pa.Table, due: datetime) -> None:
        """Continue after the tick at `due`, with the setpoints issued until then."""
        self._steps = int.from_bytes(checkpoint[:8], "big")
        end = 16 + int.from_bytes(checkpoint[8:16], "big")
        self._plant.restore(checkpoint[16:end])
        self._pending = _unpacked(checkpoint[end:])
        self._setpoints = setpoints
        self._remember(self._log.read("asset", due))

    def _simulate(self, due: datetime) -> None:
        tables: dict[str, list[pa.Table]] = {"asset": [], "bus": [], "branch": []}
        while self._plant.instant + PLANT_PERIOD <= due:
            step = self._plant.step(self._setpoints)
            for name, table in step.tables.items():
                tables[name].append(table)
            self._pending.append((self._steps, self._on_time(step.telemetry)))
            self._steps += 1
        if tables["asset"]:
            whole = {name: pa.concat_tables(parts) for name, parts in tables.items()}
            self._log.append(due, whole)
            self._remember(whole["asset"])

    def _on_time(self, telemetry: pa.Table) -> pa.Table:
        """The plant's readings, none before the recorded reading that drove it is there.

        On a grid recorded every 15 min, an output of 5 min would else tell what the running quarter of an hour is like.
        """
        if self._steps_a_reading == 1:
            return telemetry
        valid = telemetry.column("valid_time").to_numpy().astype("datetime64[us]")
        period = self._steps_a_reading * PLANT_PERIOD
        ends = floor_to(valid, period) + np.timedelta64(period)
        arrives = ends + np.timedelta64(timedelta(seconds=self._network.telemetry_latency_s))
        column = READING_SCHEMA.get_field_index("available_at")
        return telemetry.set_column(column, "available_at", pa.array(arrives).cast(TIMESTAMP))

    def _remember(self, realised: pa.Table) -> None:
        """Keep what was curtailed, by channel and period start in microseconds."""
        rows = realised.filter(pc.greater(realised.column("curtailment_mw"), 0.0))
        starts = rows.column("valid_time").to_numpy().astype("datetime64[us]").astype(np.int64)
        for asset, start, size in zip(
            rows.column("asset").to_pylist(), starts, rows.column("curtailment_mw").to_pylist(), strict=True
        ):
            of_channel = self._curtailed.get(power_channel(asset))
            if of_channel is not None:
                of_channel[int(start)] = size

    def _as_flowed(self, readings: pa.Table) -> pa.Table:
        """Recorded readings with what was curtailed taken off; those before the plant's first period as they are."""
        if not len(readings) or pc.max(readings.column("valid_time")).as_py() < self._origin:
            return readings
        starts = readings.column("valid_time").to_numpy().astype("datetime64[us]").astype(np.int64)
        values = readings.column("value").to_numpy().copy()
        self._subtract(readings.column("channel").to_pylist(), starts, values)
        return readings.set_column(READING_SCHEMA.get_field_index("value"), "value", pa.array(values))

    def _subtract(self, channels: list[str], starts: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> None:
        first = to_numpy(self._origin).astype(np.int64)
        step = int(PLANT_PERIOD / timedelta(microseconds=1))
        for row in np.flatnonzero(starts >= first):
            of_channel = self._curtailed.get(channels[row])
            if of_channel:
                start = int(starts[row])
                sizes = [of_channel.get(start + k * step, 0.0) for k in range(self._steps_a_reading)]
                values[row] -= sum(sizes) / self._steps_a_reading


def _packed(pending: Iterable[tuple[int, pa.Table]]) -> bytes:
    """Steps and their readings as one Arrow stream."""
    tables = [table.append_column(STEP, pa.repeat(pa.scalar(number), len(table))) for number, table in pending]
    whole = pa.concat_tables(tables) if tables else PENDING_SCHEMA.empty_table()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, PENDING_SCHEMA) as writer:
        writer.write_table(whole.cast(PENDING_SCHEMA).combine_chunks())
    return bytes(sink.getvalue())


def _unpacked(content: bytes) -> deque[tuple[int, pa.Table]]:
    whole = pa.ipc.open_stream(content).read_all()
    numbers = sorted(pc.unique(whole.column(STEP)).to_pylist())
    parts = (whole.filter(pc.equal(whole.column(STEP), number)).drop_columns(STEP) for number in numbers)
    return deque(zip(numbers, parts, strict=True))

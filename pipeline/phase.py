"""A phase of a replay: one row's loop over a stretch of time, on its own store; resumable after any tick."""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from time import process_time

import pyarrow as pa
import pyarrow.compute as pc

from dispatch.settings import DispatchSettings
from gridcore.clock import Clock, SystemClock, VirtualClock
from gridcore.network import Network
from gridcore.ports import Feed, Store
from gridcore.target import basic_targets, sum_targets
from gridcore.timeline import PERIOD, PLANT_PERIOD
from ingest.channels import ChannelTable, channels_of
from ingest.recording_feed import RecordingFeed
from ingest.trip_switch import TripSwitch
from pipeline import checkpoint
from pipeline.beyond import Beyond
from pipeline.closed_loop import ClosedLoopFeed
from pipeline.commitment import Commitments
from pipeline.decide import Desk, Forecasting
from pipeline.forecasters import MEMBERS, RowForecaster, forecast_settings
from pipeline.loop import Loop
from pipeline.oracle import Oracle
from pipeline.plant import Plant
from pipeline.realised_log import RealisedLog
from pipeline.schedule import Tick, ticks
from pipeline.stopwatch import Stopwatch
from pipeline.stores import open_store
from pipeline.stream_settings import StreamSettings
from pipeline.truth import Truth

HISTORY = "history"
"""Source of the readings that arrived before the plant's first period."""

RECORDING = "recording"
"""Source of what arrives while the loop runs."""


@dataclass(frozen=True)
class Recorded:
    """Three tables of one stretch, in the order of available_at."""

    readings: pa.Table
    """`READING_SCHEMA`."""

    official: pa.Table
    """`OFFICIAL_SCHEMA`."""

    outages: pa.Table
    """`OUTAGE_SCHEMA`."""


@dataclass(frozen=True)
class Phase:
    """All that one row's run needs; it can be sent to another process."""

    row: str
    """Name of the row: who forecasts, and whether there is storage."""

    network: Network
    """The row's grid."""

    world: Recorded
    """What arrives after `origin`."""

    truth: pa.Table
    """`READING_SCHEMA` from a day before `origin` on: what the plant answers with."""

    outages: pa.Table
    """`OUTAGE_SCHEMA`, also of those reported before `origin`: what the plant meets."""

    origin: datetime
    """Start of the plant's first period."""

    start: datetime
    """Start of the first period this phase controls."""

    end: datetime
    """End of the last one."""

    directory: Path
    """Holds the store and the realised log."""

    seed: int
    """Of fits and solver."""

    is_last: bool = True
    """Nothing follows on its store; else the next phase takes over at its last tick."""

    portfolios: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Named portfolios."""

    holidays: str = ""
    """Country of load's holidays in place of the grid's own; `none` for none."""

    reading_period: timedelta = PLANT_PERIOD
    """Period of a recorded reading."""

    deadline_s: float | None = None
    """Wall-time limit of a solve, for live runs; None in replay [s]."""

    stream: StreamSettings | None = field(default=None, repr=False)
    """Kafka that recorded readings come from in place of `world` and the history before it, for live runs."""

    store: str = field(default="", repr=False)
    """Address of a store on a server, for live runs; empty for the embedded one in `directory`."""


@dataclass
class PhaseResult:
    """What a phase tells besides its store and log: times and counts, none of which enters a decision."""

    row: str
    stage_seconds: dict[str, float]
    cpu_seconds: float
    peak_rss_mb: float
    received: int
    dead_letters: dict[str, int]
    flags: dict[str, int]
    resumed: bool


def store_path(directory: Path) -> Path:
    """Where a phase's store lies."""
    return directory / "store"


def store_of(phase: Phase) -> Store:
    """The phase's store, opened; the caller closes it."""
    return open_store(phase.store or store_path(phase.directory))


def log_of(directory: Path) -> RealisedLog:
    """The phase's realised log."""
    return RealisedLog(directory / "realised")


def tick_count(phase: Phase) -> int:
    """Number of ticks of a phase."""
    return int((phase.end - phase.start) / PERIOD)


def run_phase(
    phase: Phase,
    history: Recorded | None = None,
    on_tick: Callable[[Tick], None] = lambda tick: None,
    clock: Clock | None = None,
) -> PhaseResult:
    """Run the loop over the phase, from its start or from where it stopped.

    Args:
        phase: The row and its stretch of time.
        history: What arrived before `origin`; for the first phase on a store.
        on_tick: Called after each tick, also for those already done.
        clock: A virtual clock by default.
    """
    began = process_time()
    store, close = store_of(phase), _nothing
    try:
        loop, resumed_at = wire(phase, store, history, clock or VirtualClock(phase.origin - PERIOD))
        loop.on_tick, close = on_tick, loop.close
        left = []
        for tick in ticks(phase.start, phase.end, phase.network.zone, phase.origin):
            if resumed_at is not None and tick.due <= resumed_at:
                on_tick(tick)
            else:
                left.append(tick)
        loop.run(left)
        if phase.is_last:
            loop.finish(phase.end)
    finally:
        close()
        store.close()
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    counts = loop.counts
    return PhaseResult(
        phase.row, loop.stopwatch.seconds, process_time() - began, peak, counts.received, counts.dead_letters,
        counts.flags, resumed_at is not None,
    )  # fmt: skip


def _nothing() -> None:
    """A recording's tables need no closing."""


def wire(phase: Phase, store: Store, history: Recorded | None, clock: Clock) -> tuple[Loop, datetime | None]:
    """The loop of a phase, and the last tick it had done before, if any."""
    channels = channels_of(phase.network, min(phase.reading_period, PLANT_PERIOD))
    feeds, close = feeds_of(phase, store, history, channels)
    truth = Truth(phase.network, phase.truth, phase.outages, phase.reading_period)
    plant = Plant(phase.network, truth, phase.origin)
    feed = ClosedLoopFeed(
        phase.network, feeds, plant, log_of(phase.directory), phase.origin, period=phase.reading_period
    )
    desk = Desk(phase.network, forecaster_of(phase), DispatchSettings(seed=phase.seed, deadline_s=phase.deadline_s))
    done = store.last_decision()
    if done is not None:
        due, words = done
        desk_part, world_part = checkpoint.split(words)
        known = store.known_at(due)
        feed.restore(world_part, known.setpoints(due - 4 * PERIOD), due)
        if due >= phase.start - PERIOD:
            desk.restore(desk_part)
            desk.commitments = Commitments.known(known, phase.start - PERIOD)
            desk.recall_last_plan(known)
            desk.beyond = Beyond.known(known, phase.start - PERIOD)
    if done is None or done[0] < phase.start - PERIOD:
        desk.commitments = Commitments([])
    feed.seek(store.offsets())
    loop = Loop(clock, feed, store, channels, desk, Stopwatch(), close=close)
    if phase.stream is not None:
        loop.switch = TripSwitch(phase.stream.largest_dead_share)
    return loop, done[0] if done is not None and done[0] >= phase.start - PERIOD else None


def feeds_of(
    phase: Phase, store: Store, history: Recorded | None, channels: ChannelTable
) -> tuple[list[Feed], Callable[[], None]]:
    """Where recorded readings come from, and how that is closed: a stream, or the recording's own tables."""
    if phase.stream is not None:
        from pipeline.streams import kafka_feed

        # The machine's clock measures how long a broker may be away, whatever clock the loop runs on.
        stream = kafka_feed(phase.stream, channels, store.offsets, SystemClock(), honours_recorded_arrival=True)
        return [stream], stream.close
    world = phase.world
    feeds: list[Feed] = [RecordingFeed(world.readings, world.official, world.outages, source=RECORDING)]
    if history is not None:
        feeds.insert(0, RecordingFeed(history.readings, history.official, history.outages, source=HISTORY))
    return feeds, _nothing


def forecaster_of(phase: Phase) -> Forecasting:
    """Who forecasts in the phase's row."""
    network = phase.network
    targets, sums = basic_targets(network), sum_targets(network, phase.portfolios)
    if phase.row in MEMBERS:
        settings = forecast_settings(phase.seed, network, phase.holidays)
        return RowForecaster(network, targets, sums, settings, MEMBERS[phase.row])
    last = pc.max(phase.truth.column("valid_time")).as_py() + phase.reading_period
    return Oracle(network, targets, sums, phase.truth, phase.start, last)

"""A live run without a simulated plant: real telemetry comes from the stream, setpoints leave through the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from dispatch.settings import DispatchSettings
from gridcore.clock import Clock, SystemClock
from gridcore.network import Network
from gridcore.ports import Batch, Store
from gridcore.target import basic_targets, sum_targets
from gridcore.timeline import PERIOD, PLANT_PERIOD, day_start
from ingest.catalogue import open_grid
from ingest.channels import channels_of
from ingest.kafka_feed import KafkaFeed
from ingest.trip_switch import TripSwitch
from pipeline import checkpoint, console
from pipeline.beyond import Beyond
from pipeline.commitment import Commitments
from pipeline.decide import Desk
from pipeline.forecasters import MEMBERS, RowForecaster, forecast_settings
from pipeline.loop import Loop
from pipeline.relay_command import relaying
from pipeline.schedule import ticks
from pipeline.settings import ROWS, LiveSettings
from pipeline.stores import open_store
from pipeline.stream_settings import StreamSettings
from pipeline.streams import kafka_feed


@dataclass(frozen=True)
class FieldFeed:
    """A `ControlledFeed` whose world is the real one: it has its own state, and hears of setpoints by the relay."""

    stream: KafkaFeed
    """Telemetry, official values and outages."""

    def next_until(self, due: datetime) -> Batch | None:
        """The next batch that came up to `due`."""
        return self.stream.next_until(due)

    def seek(self, offsets: Mapping[str, int]) -> None:
        """Continue at the store's offsets."""
        self.stream.seek(offsets)

    def deliver(self, issue_time: datetime, setpoints: pa.Table) -> None:
        """Nothing: the outbox holds them since they were published."""

    def checkpoint(self) -> bytes:
        """Nothing: the world goes on by itself."""
        return b""

    def readiness(self) -> dict[str, str]:
        """Why the last instant asked for waited no longer, by partition."""
        return {source: str(why) for source, why in self.stream.readiness().items()}


def run_field(settings: LiveSettings) -> None:
    """Run the loop on real telemetry for the days of the settings, from now on or from where it stopped.

    Raises:
        BadInputError: A setting is wrong, or the broker refuses us.
        StoreConflictError: Another process runs the same loop on the same store.
    """
    source = open_grid(settings.grid or "")
    clock, network = SystemClock(), source.network
    start = day_start(settings.start, network.zone)
    end = day_start(settings.start + timedelta(days=settings.days), network.zone)
    settings.work.mkdir(parents=True, exist_ok=True)
    store_at = settings.store_at or str(Path(settings.work) / "store")
    store = open_store(store_at)
    try:
        loop, done = wire_field(settings, network, source.reading_period, store, clock)
        try:
            now = clock.now()
            every = ticks(start, end, network.zone, start)
            # What was due while nobody ran is not decided in hindsight: its setpoints would be too late.
            left = (tick for tick in every if tick.due > now - PERIOD and (done is None or tick.due > done))
            with relaying(store_at, settings.stream):
                loop.run(left)
        finally:
            loop.close()
    finally:
        store.close()
    console.print_json({"received": loop.counts.received, "dead_letters": loop.counts.dead_letters})


def wire_field(
    settings: LiveSettings, network: Network, reading_period: timedelta, store: Store, clock: Clock
) -> tuple[Loop, datetime | None]:
    """The loop on real telemetry, and the last tick that was decided, if any."""
    channels = channels_of(network, min(reading_period, PLANT_PERIOD))
    forecasts = forecast_settings(settings.seed, network, settings.holidays)
    targets, sums = basic_targets(network), sum_targets(network, settings.portfolios)
    forecaster = RowForecaster(network, targets, sums, forecasts, MEMBERS[ROWS[0]])
    desk = Desk(network, forecaster, DispatchSettings(seed=settings.seed, deadline_s=settings.deadline_s))
    done = store.last_decision()
    desk.commitments = Commitments([])
    if done is not None:
        due, words = done
        known = store.known_at(due)
        desk.restore(checkpoint.split(words)[0])
        since = due - timedelta(days=2)
        desk.commitments, desk.beyond = Commitments.known(known, since), Beyond.known(known, since)
        desk.recall_last_plan(known)
    stream = StreamSettings.model_validate(settings.stream)
    kafka = kafka_feed(stream, channels, store, clock, honours_recorded_arrival=False)
    feed = FieldFeed(kafka)
    feed.seek(store.offsets())
    switch = TripSwitch(stream.largest_dead_share)
    loop = Loop(clock, feed, store, channels, desk, close=kafka.close, switch=switch, senses_between=True)
    return loop, done[0] if done is not None else None

"""A live run without a simulated plant: real telemetry comes from the stream, setpoints leave through the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import cast

import pyarrow as pa

from dispatch.settings import DispatchSettings
from gridcore.clock import SystemClock
from gridcore.network import Network
from gridcore.ports import Batch, Store
from gridcore.target import basic_targets, sum_targets
from gridcore.timeline import PERIOD, PLANT_PERIOD, day_start
from ingest.catalogue import open_grid
from ingest.channels import ChannelTable, channels_of
from ingest.kafka_feed import KafkaFeed
from ingest.push import PushFeed
from ingest.trip_switch import TripSwitch
from pipeline import checkpoint, console
from pipeline.beyond import Beyond
from pipeline.commitment import Commitments
from pipeline.decide import Desk
from pipeline.forecasters import MEMBERS, RowForecaster, forecast_settings
from pipeline.loop import Loop
from pipeline.relay_command import relaying
from pipeline.schedule import Tick, ticks
from pipeline.settings import ROWS, LiveSettings
from pipeline.stores import open_store
from pipeline.stream_settings import StreamSettings
from pipeline.streams import kafka_feed
from pipeline.watch import LOOP, Watch, watched
from storage.outbox import pending_count
from storage.sql import Sql


@dataclass(frozen=True)
class FieldFeed:
    """A `ControlledFeed` whose world is the real one: it has its own state, and hears of setpoints by the relay."""

    stream: KafkaFeed
    """Telemetry, official values and outages."""

    push: PushFeed | None = None
    """Telemetry that is pushed."""

    def next_until(self, due: datetime) -> Batch | None:
        """The next batch that came up to `due`; what is pushed first, since its senders wait."""
        pushed = self.push.next_until(due) if self.push is not None else None
        return pushed if pushed is not None else self.stream.next_until(due)

    def seek(self, offsets: Mapping[str, int]) -> None:
        """Continue at the store's offsets."""
        self.stream.seek(offsets)
        if self.push is not None:
            self.push.seek(offsets)

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
    channels = channels_of(network, min(source.reading_period, PLANT_PERIOD))
    store_at = settings.store_at or str(Path(settings.work) / "store")
    with ExitStack() as opened:
        store = opened.enter_context(closing(open_store(store_at)))
        watch = opened.enter_context(watched(clock, channels, store.receipt, settings.http, settings.metrics))
        loop, done = wire_field(settings, network, channels, store, watch)
        try:
            watch.health.well(LOOP)
            now = clock.now()
            every = ticks(start, end, network.zone, start)
            # What was due while nobody ran is not decided in hindsight: its setpoints would be too late.
            left = (tick for tick in every if tick.due > now - PERIOD and (done is None or tick.due > done))
            with relaying(store_at, settings.stream):
                loop.run(left)
        finally:
            loop.close()
    console.print_json({"received": loop.counts.received, "dead_letters": loop.counts.dead_letters})


def wire_field(
    settings: LiveSettings, network: Network, channels: ChannelTable, store: Store, watch: Watch
) -> tuple[Loop, datetime | None]:
    """The loop on real telemetry, and the last tick that was decided, if any."""
    clock = SystemClock()
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
    feed = FieldFeed(kafka, watch.push)
    feed.seek(store.offsets())
    switch = TripSwitch(stream.largest_dead_share)
    loop = Loop(
        clock, feed, store, channels, desk, on_tick=partial(_count_queues, watch, kafka, store), close=kafka.close,
        switch=switch, observer=watch.observer, senses_between=True,
    )  # fmt: skip
    return loop, done[0] if done is not None else None


def _count_queues(watch: Watch, kafka: KafkaFeed, store: Store, _tick: Tick) -> None:
    """Tell how much waits before and behind us."""
    watch.metrics.lags(kafka.lags())
    watch.metrics.outbox.set(pending_count(cast(Sql, store)))

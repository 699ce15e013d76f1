"""A live run without a simulated plant: real telemetry comes from the stream, setpoints leave through the outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pyarrow as pa
import structlog

from dispatch.settings import DispatchSettings
from gridcore.clock import SystemClock
from gridcore.errors import StoreConflictError, StoreUnreachableError
from gridcore.network import Network
from gridcore.ports import Batch, Counts, Store
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
from pipeline.health import LOOP, STORE
from pipeline.lasting_store import LastingStore
from pipeline.loop import Loop
from pipeline.relaying import relayed
from pipeline.schedule import Tick, ticks
from pipeline.settings import ROWS, LiveSettings
from pipeline.stream_settings import StreamSettings
from pipeline.streams import kafka_feed
from pipeline.watch import Watch, watched
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

    A store that is lost ends nothing: the loop begins again from what the store has, as after a start, once it answers.

    Raises:
        BadInputError: A setting is wrong, or the broker refuses us.
        StoreUnreachableError: The store does not answer at the start.
        BrokenInvariantError: Another process runs a loop on the same store, and decided otherwise.
    """
    source = open_grid(settings.grid or "")
    clock, network = SystemClock(), source.network
    settings.work.mkdir(parents=True, exist_ok=True)
    where = settings.store_at or Path(settings.work) / "store"
    channels = channels_of(network, min(source.reading_period, PLANT_PERIOD))
    stream = StreamSettings.model_validate(settings.stream)
    counts, switch = Counts(), TripSwitch(stream.largest_dead_share)
    with ExitStack() as opened:
        lasting = opened.enter_context(closing(LastingStore(where, clock)))
        watch = opened.enter_context(watched(clock, channels, lasting.receipt, settings.http, settings.metrics))
        published = opened.enter_context(relayed(where, stream))
        field = Field(settings, network, channels, stream, watch, published)
        while True:
            try:
                field.run(lasting.store, counts, switch)
                break
            except (StoreConflictError, StoreUnreachableError) as error:
                field.wait_for(lasting, error)
    console.print_json({"received": counts.received, "dead_letters": counts.dead_letters})


@dataclass(frozen=True)
class Field:
    """What stays when the store is lost."""

    settings: LiveSettings
    network: Network
    channels: ChannelTable
    stream: StreamSettings
    watch: Watch
    published: Callable[[], None]
    """To be called after a decision: it wakes the relay, and raises what ended it."""

    def run(self, store: Store, counts: Counts, switch: TripSwitch) -> None:
        """Run the loop from what the store has to the end of the days.

        Raises:
            StoreConflictError: Another owner moved an offset, or keeps the store locked.
            StoreUnreachableError: The store was lost.
        """
        zone, clock = self.network.zone, SystemClock()
        start = day_start(self.settings.start, zone)
        end = day_start(self.settings.start + timedelta(days=self.settings.days), zone)
        loop, done = self._wire(store, counts, switch)
        with closing(loop):
            self.watch.health.well(LOOP)
            now = clock.now()
            every = ticks(start, end, zone, start)
            # What was due while nobody ran is not decided in hindsight: its setpoints would be too late.
            loop.run(tick for tick in every if tick.due > now - PERIOD and (done is None or tick.due > done))

    def wait_for(self, lasting: LastingStore, error: StoreConflictError | StoreUnreachableError) -> None:
        """Say that the store is away, wait until it answers, and say that."""
        log, clock = structlog.get_logger(), SystemClock()
        began = clock.now()
        log.warning("store lost", reason=str(error))
        self.watch.health.ill(STORE, str(error))
        lasting.reopen(self.watch.observer.turned)
        self.watch.health.well(STORE)
        log.warning("store back", seconds=round((clock.now() - began).total_seconds(), 3))

    def _wire(self, store: Store, counts: Counts, switch: TripSwitch) -> tuple[Loop, datetime | None]:
        """The loop on real telemetry, and the last tick that was decided, if any."""
        settings, network, watch = self.settings, self.network, self.watch
        forecasts = forecast_settings(settings.seed, network, settings.holidays)
        targets, sums = basic_targets(network), sum_targets(network, settings.portfolios)
        forecaster = RowForecaster(network, targets, sums, forecasts, MEMBERS[ROWS[0]])
        desk = Desk(network, forecaster, DispatchSettings(seed=settings.seed, deadline_s=settings.deadline_s))
        done, offsets = store.last_decision(), store.offsets()
        desk.commitments = Commitments([])
        if done is not None:
            due, words = done
            known = store.known_at(due)
            desk.restore(checkpoint.split(words)[0])
            since = due - timedelta(days=2)
            desk.commitments, desk.beyond = Commitments.known(known, since), Beyond.known(known, since)
            desk.recall_last_plan(known)
        clock = SystemClock()
        kafka = kafka_feed(self.stream, self.channels, store.offsets, clock, honours_recorded_arrival=False)
        feed = FieldFeed(kafka, watch.push)

        def on_tick(_tick: Tick) -> None:
            self.published()
            watch.look(kafka)
            watch.metrics.outbox.set(pending_count(cast(Sql, store)))

        loop = Loop(
            clock, feed, store, self.channels, desk, counts=counts, on_tick=on_tick, close=kafka.close,
            switch=switch, observer=watch.observer, senses_between=True,
        )  # fmt: skip
        try:
            feed.seek(offsets)
        except BaseException:
            loop.close()
            raise
        return loop, done[0] if done is not None else None

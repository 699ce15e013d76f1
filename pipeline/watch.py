"""Watch over a live run: its log, its metrics and health, and the web servers that tell them and take readings in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import structlog

from gridcore.clock import Clock
from gridcore.ports import Receipt
from ingest.channels import ChannelTable
from ingest.kafka_feed import KafkaFeed
from ingest.push import PushFeed
from pipeline.health import LIVE_WITHIN_FIT_S, LOOP, STREAM, Health
from pipeline.http import OperationsDoor, TelemetryDoor, web_app
from pipeline.http_access import read_senders
from pipeline.http_server import served
from pipeline.logs import LogObserver, set_up_logs
from pipeline.metrics import Metrics
from pipeline.observer import Observer, Observers
from pipeline.web_settings import HttpSettings, MetricsSettings


@dataclass(frozen=True)
class Watch:
    """What a live run tells, and what is pushed to it."""

    health: Health
    """What is wrong, by part."""

    metrics: Metrics
    """What is counted."""

    observer: Observer
    """To be told what the loop does: log, metrics and health."""

    push: PushFeed | None
    """What senders push; None without `[http]`."""

    def look(self, stream: KafkaFeed) -> None:
        """Tell how much of a stream waits, and whether its partitions were read to their ends in time."""
        self.metrics.lags(stream.lags())
        if stream.is_ready:
            self.health.well(STREAM)
        else:
            self.health.ill(STREAM, "no partitions are assigned, or not all were read to their ends in time")


@contextmanager
def watched(
    clock: Clock,
    channels: ChannelTable,
    receipt_of: Callable[[str], Receipt | None],
    http: HttpSettings | None,
    metrics_at: MetricsSettings | None,
    *,
    live_within_s: float = LIVE_WITHIN_FIT_S,
) -> Iterator[Watch]:
    """Log, count and answer while the block runs.

    Args:
        clock: Stamps log lines and pushed readings.
        channels: The grid's channels.
        receipt_of: The store's receipts, asked in the thread that runs the loop.
        http: Where readings are pushed to; nowhere where it is None.
        metrics_at: Where health and metrics are told, besides there; nowhere where it is None.
        live_within_s: How long the loop may take to come round [s].

    Raises:
        BadInputError: An address or the tokens file is wrong.
    """
    set_up_logs(clock)
    health, metrics = Health(LOOP, live_within_s=live_within_s), Metrics(channels)
    operations = OperationsDoor(health, metrics)
    push = PushFeed(channels, receipt_of, node=http.node) if http is not None else None
    log = structlog.get_logger()
    with ExitStack() as servers:
        if metrics_at is not None:
            port = servers.enter_context(served(web_app(operations), metrics_at.address))
            log.info("listening", what="metrics", host=metrics_at.address.host, port=port)
        if http is not None and push is not None:
            door = TelemetryDoor(push, read_senders(http.tokens_file), clock, http.limits)
            port = servers.enter_context(served(web_app(operations, door), http.address))
            log.info("listening", what="telemetry", host=http.address.host, port=port)
            # Before the server stops: whoever waits is told.
            servers.callback(push.close)
        yield Watch(health, metrics, Observers(health, metrics, LogObserver()), push)

"""Kafka as a feed: the store's offsets decide where each partition is read, whoever owns it and whatever died before.

A consumer alone reads every partition; members of a group share them (KIP-848, or cooperative-sticky on older brokers).
An owner that was cut off and comes back is refused by the store, since another moved the offset meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka import Message as KafkaMessage

from gridcore.clock import Clock
from gridcore.errors import BadInputError
from gridcore.ports import Batch
from gridcore.timeline import to_numpy
from ingest.channels import ChannelTable
from ingest.cycle_search import no_cycle_search
from ingest.kafka_client import (
    REFUSED,
    Complaints,
    consumer_settings,
    gap,
    lacks_new_protocol,
    meaning,
    topics_of,
)
from ingest.kafka_group import is_spare
from ingest.kafka_partition import Partition, topics_in
from ingest.kafka_run import by_partition, run_of
from ingest.kafka_settings import KafkaFeedSettings, Readiness

POLL_S = 0.1
"""How long messages that the broker has are waited for before what came is looked at [s]."""

MOST_MESSAGES, WANTED_BYTES = 10_000, 8 << 20
"""Messages of one poll: at most so many, which stay in the processor's cache until they are columns (a poll of 50,000
takes twice as long for each), and about so many bytes by the size of the last ones."""

FULL_MESSAGES = 20_000
"""A partition with so many messages is handed out before more are polled: below it commits cost more than rows."""


LOOK_ANEW = timedelta(seconds=30)
"""How often a reader without a group looks for topics and partitions that were added."""

PLACE_AFTER = timedelta(seconds=2)
"""A member without partitions for so long, and as long after each answer, asks whether there are any for it."""


class KafkaFeed:
    """The `Feed` of a grid's topics.

    Args:
        settings: How it reads.
        channels: The grid's channels.
        clock: Measures the grace time; the machine's, also where the loop's is a virtual one.
        offsets: The store's offsets, asked at each assignment of partitions.

    Raises:
        BadInputError: No broker answers, it refuses us, or there is no telemetry topic.
    """

    def __init__(
        self,
        settings: KafkaFeedSettings,
        channels: ChannelTable,
        clock: Clock,
        offsets: Callable[[], Mapping[str, int]],
    ) -> None:
        self._settings, self._clock, self._offsets = settings, clock, offsets
        recorded = settings.honours_recorded_arrival
        # All that may be there; `_topics` are those that are.
        self._known = topics_in(settings.prefix, channels, honours_recorded_arrival=recorded, readers=settings.readers)
        self._topics = dict(self._known)
        self._looked_at = clock.now()
        self._brokers = str(settings.client["bootstrap.servers"])
        self._partitions: dict[tuple[str, int], Partition] = {}
        self._ends: dict[tuple[str, int], int] = {}
        self._asked_at: datetime | None = None
        self._readiness: dict[str, Readiness] = {}
        self._gained: set[tuple[str, int]] = set()
        self._is_assigned, self._is_drained, self._message_bytes = False, False, WANTED_BYTES // 500
        self._consumer, self._complaints = self._connect(is_classic=settings.is_classic)

    def seek(self, offsets: Mapping[str, int]) -> None:
        """Continue each partition at the store's offset, at its beginning where the store has none."""
        self._asked_at = None
        if self._settings.group:
            for key in list(self._partitions):
                self._begin(key, offsets)
                self._consumer.seek(self._place(key))
            self._consumer.resume([TopicPartition(*key) for key in self._partitions])
            return
        found = topics_of(self._consumer, self._complaints, self._brokers) if not self._is_assigned else {}
        keys = [(name, number) for name in self._topics for number in found.get(name, ())] or list(self._partitions)
        for key in keys:
            self._begin(key, offsets)
        self._consumer.assign([self._place(key) for key in keys])
        self._consumer.resume([TopicPartition(*key) for key in keys])
        self._is_assigned = True

    def next_until(self, due: datetime) -> Batch | None:
        """The next messages of one partition that were had up to `due`.

        None when each partition is read past `due`, or to the end that it had after the call, or `grace_s` has passed;
        `readiness` then tells which.

        Raises:
            StreamGapError: The broker no longer has what comes next.
            BadInputError: The broker refuses us, or a topic stamps messages with their senders' clocks.
        """
        due_us = int(to_numpy(due).astype(np.int64))
        if self._asked_at is None:
            self._asked_at, self._ends = self._clock.now(), {}
            if not self._settings.group and self._asked_at - self._looked_at >= LOOK_ANEW:
                self._look_anew(self._asked_at)
            # Also where nothing is missing: a member that does not poll is taken for dead.
            self._poll(1, 0.0)
        while True:
            if (batch := self._take(due_us)) is not None:
                return batch
            self._ask_ends()
            self._ask_place()
            waiting_for = [
                key
                for key, partition in self._partitions.items()
                if not (partition.is_past(due_us) or self._is_at_end(key, partition))
            ]
            is_late = self._clock.now() - self._asked_at >= timedelta(seconds=self._settings.grace_s)
            if is_late or (self._is_assigned and not waiting_for):
                self._readiness = {
                    partition.source: self._why(key, partition, due_us) for key, partition in self._partitions.items()
                }
                self._asked_at = None
                return None
            self._wait(waiting_for)

    def readiness(self) -> dict[str, Readiness]:
        """Why the last instant asked for waited no longer, by partition."""
        return dict(self._readiness)

    def lags(self) -> dict[str, int]:
        """Messages of each partition that are not yet handed out, as far as the broker has told its end."""
        ends = {at: self._consumer.get_watermark_offsets(self._place(at), cached=True)[1] for at in self._partitions}
        return {(of := self._partitions[at]).source: max(end - of.start, 0) for at, end in ends.items() if end >= 0}

    @property
    def is_ready(self) -> bool:
        """Partitions are assigned, and none ended the last wait by its grace time."""
        return self._is_assigned and Readiness.GRACE not in self._readiness.values()

    def close(self) -> None:
        """Leave the group and close the connections."""
        self._consumer.close()

    def _connect(self, *, is_classic: bool) -> tuple[Consumer, Complaints]:
        complaints = Complaints(self._brokers)
        group = self._settings.group or f"{self._settings.prefix}-reader"
        settings = consumer_settings(self._settings.client, group, is_classic=is_classic)
        try:
            consumer = Consumer(settings | {"error_cb": complaints})
        except (KafkaException, ValueError) as cause:
            raise BadInputError("settings that Kafka's client refuses", file=self._brokers, got=cause) from cause
        try:
            found = topics_of(consumer, complaints, self._brokers)
            self._topics = {name: topic for name, topic in self._known.items() if name in found}
            if (telemetry := f"{self._settings.prefix}.telemetry.v1") not in self._topics:
                raise BadInputError("no such topic", file=self._brokers, got=telemetry, wanted="a topic that was made")
            if self._settings.group:
                consumer.subscribe(list(self._topics), on_assign=self._gain, on_revoke=self._lose, on_lost=self._lose)
        except BaseException:
            consumer.close()
            raise
        return consumer, complaints

    def _gain(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Partitions become ours: the store alone knows where their last owner stopped."""
        offsets = self._offsets()
        keys = [(partition.topic, partition.partition) for partition in partitions]
        for key in keys:
            self._begin(key, offsets)
        self._gained |= set(keys)
        consumer.incremental_assign([self._place(key) for key in keys])
        # Paused for what waited here when it was lost.
        consumer.resume([TopicPartition(*key) for key in keys])
        self._is_assigned, self._ends = True, {}

    def _lose(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Partitions go to another member: what waits of them here is no longer ours to store."""
        for partition in partitions:
            self._partitions.pop((partition.topic, partition.partition), None)
        consumer.incremental_unassign(list(partitions))

    def _ask_place(self) -> None:
        """A member of a group that gives it nothing waits for nothing: another one that ends leaves it a place."""
        now = self._clock.now()
        if self._is_assigned or not self._settings.group or now - self._looked_at < PLACE_AFTER:
            return
        self._is_assigned = is_spare(self._settings.client, self._settings.group, self._consumer.memberid() or "")
        self._looked_at = self._clock.now()

    def _look_anew(self, now: datetime) -> None:
        """Read from topics and partitions that were added as well; members of a group are given them."""
        self._looked_at = now
        try:
            listed = self._consumer.list_topics(timeout=1.0).topics
        except KafkaException:
            return  # A broker that is away for a while.
        present = {name: sorted(listed[name].partitions) for name in self._known if name in listed}
        keys = [(name, number) for name, numbers in present.items() for number in numbers]
        if added := [key for key in keys if key not in self._partitions]:
            offsets = self._offsets()
            self._topics |= {name: self._known[name] for name, _ in added}
            for key in added:
                self._begin(key, offsets)
            self._consumer.incremental_assign([self._place(key) for key in added])

    def _begin(self, key: tuple[str, int], offsets: Mapping[str, int]) -> None:
        source = f"{key[0]}/{key[1]}"
        honours = self._settings.honours_recorded_arrival
        start = offsets.get(source, 0)
        self._partitions[key] = Partition(source, self._topics[key[0]], start, honours_recorded_arrival=honours)

    def _place(self, key: tuple[str, int]) -> TopicPartition:
        return TopicPartition(*key, self._partitions[key].start or OFFSET_BEGINNING)

    def _take(self, due_us: int) -> Batch | None:
        """A batch of the fullest partition, once it is full or the broker has no more for the moment."""
        for partition in sorted(self._partitions.values(), key=lambda partition: -partition.waiting_messages):
            is_full = partition.waiting_messages >= FULL_MESSAGES or partition.waiting_bytes >= WANTED_BYTES
            if not (is_full or partition.is_paused or self._is_drained):
                continue
            if (batch := partition.take(due_us)) is not None:
                self._resume(partition)
                return batch
        return None

    def _is_at_end(self, key: tuple[str, int], partition: Partition) -> bool:
        return key in self._ends and partition.reached >= self._ends[key] and not partition.waiting_messages

    def _why(self, key: tuple[str, int], partition: Partition, due_us: int) -> Readiness:
        if partition.is_past(due_us):
            return Readiness.PAST
        return Readiness.END if self._is_at_end(key, partition) else Readiness.GRACE

    def _ask_ends(self) -> None:
        """The ends of the partitions, asked once for each instant, after it: an end from before it would not do."""
        missing = [TopicPartition(*key, OFFSET_END) for key in self._partitions if key not in self._ends]
        if not missing:
            return
        try:
            answers = self._consumer.offsets_for_times(missing, timeout=1.0)
        except KafkaException as cause:
            if cause.args[0].code() in REFUSED:
                raise meaning(cause.args[0], self._brokers) from cause
            return  # A broker that is away for a while: the grace time bounds how long it is asked again.
        for answer in answers:
            if answer.error is None:
                key = answer.topic, answer.partition
                self._ends[key] = answer.offset
                if (partition := self._partitions[key]).start > answer.offset:
                    raise gap(partition.source, partition.start, 0, answer.offset)

    def _wait(self, waiting_for: Sequence[tuple[str, int]]) -> None:
        """Poll for what is missing, and for no more, so that no poll waits for messages that are not there."""
        wanted = MOST_MESSAGES
        if self._is_assigned and set(waiting_for) <= set(self._ends):
            flowing = [key for key, partition in self._partitions.items() if not partition.is_paused]
            wanted = sum(max(self._ends.get(key, 0) - self._partitions[key].reached, 0) for key in flowing)
        if not wanted:
            self._is_drained = True
            return
        # A poll returns what it asked for, however large it is: the last messages tell how many will do.
        asked = min(wanted, MOST_MESSAGES, max(WANTED_BYTES // self._message_bytes, 1))
        self._is_drained = self._poll(asked, POLL_S) < asked or asked == wanted

    def _poll(self, most: int, timeout_s: float) -> int:
        """Take at most so many messages in; their number, ends of partitions among them."""
        self._gained.clear()
        with no_cycle_search():
            messages = self._consumer.consume(most, timeout_s)
            self._complaints.demand_none()
            # By identity: an error of the client compared with None leaves an exception behind, raised later.
            failed = [message for message in messages if message.error() is not None]
            good = [message for message in messages if message.error() is None] if failed else messages
            if good:
                self._sort_in(good)
        # An end stands behind the messages that came with it.
        for message in failed:
            if (error := message.error()) is not None:
                self._heed(message, error)
        return len(messages)

    def _heed(self, message: KafkaMessage, error: KafkaError) -> None:
        topic, number = message.topic(), message.partition()
        if error.code() == KafkaError._PARTITION_EOF:
            key = topic or "", -1 if number is None else number
            if key in self._gained and key in self._partitions:
                # It stands behind messages that are fetched again, and comes again behind them.
                self._consumer.seek(self._place(key))
            elif (partition := self._partitions.get(key)) is not None:
                partition.ended_at = message.offset() or 0
        elif error.code() == KafkaError._AUTO_OFFSET_RESET and topic is not None and number is not None:
            if (partition := self._partitions.get((topic, number))) is not None:
                self._meet_gap(TopicPartition(topic, number), partition)
        elif self._settings.group and not self._is_assigned and lacks_new_protocol(error):
            self._consumer.close()
            self._consumer, self._complaints = self._connect(is_classic=True)
        elif error.code() in REFUSED or error.code() == KafkaError._FATAL or error.fatal():
            raise meaning(error, topic or self._brokers)

    def _meet_gap(self, place: TopicPartition, partition: Partition) -> None:
        """The broker has not what comes next: that is told, or what it deleted is passed over if the user wants so."""
        first, end = self._consumer.get_watermark_offsets(place, timeout=5.0)
        if not self._settings.accepts_loss or first <= partition.read_to:
            raise gap(partition.source, partition.read_to, first, end)
        partition.pass_over(first, self._clock.now())
        # Its fetching has ended with the error: only a new assignment begins it again.
        self._consumer.incremental_unassign([place])
        self._consumer.incremental_assign([TopicPartition(place.topic, place.partition, first)])

    def _sort_in(self, messages: Sequence[KafkaMessage]) -> None:
        """Give each partition its messages, and pause those that hold more than their share."""
        for key, found in by_partition(messages).items():
            partition = self._partitions.get(key)
            if partition is not None and key in self._gained:
                # Fetched before or after the store was asked? Nobody can tell, so they are fetched again.
                self._consumer.seek(self._place(key))
            elif partition is not None:
                run = run_of(found, partition.source, honours_recorded_arrival=self._settings.honours_recorded_arrival)
                self._message_bytes = max(run.size_bytes // len(found), 1)
                partition.add(run)
                self._pause(partition)

    def _share_bytes(self) -> int:
        return (self._settings.max_buffered_mb << 20) // max(len(self._partitions), 1)

    def _pause(self, partition: Partition) -> None:
        if not partition.is_paused and partition.waiting_bytes > self._share_bytes():
            self._consumer.pause([_named(partition.source)])
            partition.is_paused = True

    def _resume(self, partition: Partition) -> None:
        """Half empty is early enough: what is fetched anew arrives before the rest is stored."""
        if partition.is_paused and partition.waiting_bytes <= self._share_bytes() // 2:
            self._consumer.resume([_named(partition.source)])
            partition.is_paused = False


def _named(source: str) -> TopicPartition:
    topic, _, number = source.rpartition("/")
    return TopicPartition(topic, int(number))

"""Ports: what the loop asks of a feed and of a store, and the one door to history.

Adapters live in the rooms; `pipeline` wires them. Every adapter of a port passes the same contract suite.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.forecast import Vintage
from gridcore.network import Network
from gridcore.plan import Plan


@dataclass(frozen=True, eq=False)
class Origin:
    """Where each row of a batch stood, for a dead letter to name; a message may hold many rows.

    Rows are counted through the readings, then the official values, then the outages.
    """

    offset: npt.NDArray[np.int64]
    """Offset of its message, shape (rows,)."""

    row: npt.NDArray[np.int64]
    """Its row in that message, from 0, shape (rows,)."""


@dataclass(frozen=True)
class Batch:
    """What a feed delivers at once: one partition's rows in their order, and where the next ones begin."""

    source: str
    """Feed and partition, e.g. `recording/readings` or `xiaona.telemetry.v1/3`."""

    start_offset: int
    """Offset of the first row; the store compares it with its own and refuses another."""

    next_offset: int
    """Offset after the last row."""

    readings: pa.Table
    """`READING_SCHEMA`, decoded but not yet checked; may be empty."""

    official: pa.Table
    """`OFFICIAL_SCHEMA`; may be empty."""

    outages: pa.Table
    """`OUTAGE_SCHEMA`; may be empty."""

    undecodable: tuple[DeadLetter, ...] = ()
    """Messages that could not be decoded."""

    origin: Origin | None = field(default=None, compare=False)
    """Where each row stood; None where a row is a message, and offsets count them."""

    receipt: Receipt | None = None
    """Of a pushed request, to be kept with it; None for other feeds."""


@dataclass(frozen=True)
class DeadLetter:
    """A message that could not be decoded or placed, kept as it came."""

    available_at: datetime
    """When it came."""

    source: str
    """Feed and partition."""

    offset: int
    """Its offset there."""

    reason: str
    """One of a fixed set of words, e.g. `unknown_channel`."""

    detail: str
    """What came and what was wanted."""

    payload: bytes
    """The message's bytes."""


@dataclass
class Counts:
    """Conservation of readings: received = stored + duplicate + revised + conflict + the dead letters' sum."""

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    revised: int = 0
    conflict: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)

    def add(self, other: Counts) -> None:
        """Add another batch's counts to these."""
        for name in ("received", "stored", "duplicate", "revised", "conflict"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, theirs in ((self.dead_letters, other.dead_letters), (self.flags, other.flags)):
            for key, count in theirs.items():
                mine[key] = mine.get(key, 0) + count

    @property
    def is_conserved(self) -> bool:
        """The conservation law holds."""
        kept = self.stored + self.duplicate + self.revised + self.conflict
        return self.received == kept + sum(self.dead_letters.values())

    def to_json(self) -> bytes:
        """What became of the readings, as a receipt answers it: one line of JSON, the same bytes for equal counts."""
        names = ("received", "stored", "duplicate", "revised", "conflict")
        told = {name: getattr(self, name) for name in names} | {"dead_letters": dict(sorted(self.dead_letters.items()))}
        return json.dumps(told, separators=(",", ":")).encode()


RECEIPTS_KEPT = timedelta(days=30)
"""A receipt is forgotten with the first one that comes this much later; a repeat after that is told by its readings,
which are duplicates then."""


@dataclass(frozen=True)
class Receipt:
    """Proof that a request was kept: its sender, who may never have had the answer, can ask again."""

    key: str
    """The sender and its own name of the request."""

    body_sha256: str
    """Hash of what was sent, in hex; the same key with another body is another request, which its reader refuses."""

    received_at: datetime
    """When it came."""

    answer: bytes = b""
    """`Counts.to_json` of its batch, put in by the store, which alone knows what is a duplicate."""


class Feed(Protocol):
    """Where readings come from: Kafka, HTTP push, a recording, a simulated plant."""

    def next_until(self, due: datetime) -> Batch | None:
        """The next batch of rows with `available_at <= due`, in order; None when there is none left.

        Offsets continue from the last batch given; `seek` moves them.
        """
        ...

    def seek(self, offsets: Mapping[str, int]) -> None:
        """Continue each source at the store's offset (0 where the store has none)."""
        ...


class Known(Protocol):
    """What was known at `instant`: every row has `available_at <= instant` (forecasts and plans: issue_time)."""

    @property
    def instant(self) -> datetime:
        """The instant of the cut."""
        ...

    def readings(self, channels: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        """Current revision of each (channel, valid_time in [start, end)).

        Columns channel, valid_time, value, quality, revision, available_at; sorted by channel, valid_time.
        """
        ...

    def official(self, assets: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        """Newest issue of each (asset, valid_time in [start, end)).

        Columns asset, valid_time, power_mw, issue_time, available_at; sorted by asset, valid_time.
        """
        ...

    def official_vintages(self, assets: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        """All known issues, same columns as `official`; for fitting: which one was known when is in available_at."""
        ...

    def outages(self, start: datetime, end: datetime) -> pa.Table:
        """`OUTAGE_SCHEMA` rows that overlap [start, end)."""
        ...

    def model(self, name: str) -> RegisteredModel | None:
        """The newest model of a name with `fitted_as_of <= instant`."""
        ...

    def plans(self, layer: str, since: datetime) -> pa.Table:
        """`PLAN_SCHEMA` rows of plans issued in [since, instant], by issue_time, plan_id, valid_time, asset."""
        ...

    def setpoints(self, since: datetime) -> pa.Table:
        """`SETPOINT_SCHEMA` rows issued in [since, instant], sorted by issue_time, asset, valid_from."""
        ...

    def forecasts(self, since: datetime) -> pa.Table:
        """`FORECAST_SCHEMA` rows issued in [since, instant]."""
        ...

    def first_valid_time(self) -> datetime | None:
        """Start of the oldest reading known; None when there is none."""
        ...


@dataclass(frozen=True)
class RegisteredModel:
    """A fitted model as the registry keeps it."""

    name: str
    """What it is for, e.g. `wind/intraday`."""

    fitted_as_of: datetime
    """It was fitted from `known_at(fitted_as_of)` and is visible from that instant on."""

    model_id: str
    """Name and a hash of its content."""

    payload: bytes
    """The fitted model, in its library's own portable text form (never a pickle)."""


@dataclass(frozen=True)
class Decision:
    """All that one tick decided; published in one transaction."""

    issue_time: datetime
    """The tick."""

    vintages: tuple[Vintage, ...]
    """Forecasts issued."""

    plans: tuple[Plan, ...]
    """Plans decided."""

    setpoints: pa.Table
    """`SETPOINT_SCHEMA`."""

    checkpoint: bytes = b""
    """What the loop needs to continue after this tick as if it had never stopped."""


class Store(Protocol):
    """What was known, and when; the only owner of history."""

    def accept(self, batch: Batch, dead_letters: Sequence[DeadLetter], receipt: Receipt | None = None) -> Counts:
        """Keep a checked batch: rows, dead letters, the next offset and the receipt, if any, in one transaction.

        Raises:
            StoreConflictError: The batch does not start at the store's offset of its source, or the receipt's key is
                kept already.
            NoSpaceError: The disk is full; nothing of the batch was kept.
        """
        ...

    def receipt(self, key: str) -> Receipt | None:
        """The receipt of a key, with its answer; None where no such request was kept."""
        ...

    def known_at(self, instant: datetime) -> Known:
        """The only door to history."""
        ...

    def register(self, model: RegisteredModel) -> None:
        """Keep a fitted model; the same name and instant with equal payload is a no-op."""
        ...

    def publish(self, decision: Decision) -> None:
        """Keep a decision and its outbox messages in one transaction; publishing it again is a no-op."""
        ...

    def offsets(self) -> dict[str, int]:
        """Next offset of each source."""
        ...

    def last_decision(self) -> tuple[datetime, bytes] | None:
        """Issue time and checkpoint of the newest decision; None when there is none."""
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...


class GridSource(Protocol):
    """A grid with its history: the network and what a perfect telemetry of it would have delivered."""

    @property
    def network(self) -> Network:
        """The grid."""
        ...

    @property
    def first(self) -> datetime:
        """Start of the first period with data."""
        ...

    @property
    def last(self) -> datetime:
        """End of the last period with data."""
        ...

    @property
    def reading_period(self) -> timedelta:
        """Period of a reading."""
        ...

    @property
    def official_period(self) -> timedelta:
        """An official value holds for this long from its valid_time."""
        ...

    @property
    def notice(self) -> str:
        """Words that must travel with a copy of the data; empty where none must."""
        ...

    def readings(self, start: datetime, end: datetime) -> pa.Table:
        """`READING_SCHEMA` of valid_time in [start, end), sorted by available_at, channel, valid_time."""
        ...

    def official(self, start: datetime, end: datetime) -> pa.Table:
        """`OFFICIAL_SCHEMA` of valid_time in [start, end), sorted by available_at, asset, valid_time."""
        ...

    def outages(self, start: datetime, end: datetime) -> pa.Table:
        """`OUTAGE_SCHEMA` rows that overlap [start, end)."""
        ...

    def data_sha256(self) -> str:
        """Hash of everything this grid was read from."""
        ...

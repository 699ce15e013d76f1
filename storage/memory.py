"""The store in memory: the simplest one that is right, the yardstick of the contract suite. It keeps nothing on a disk.

The law of what is current is written here a second time, row by row: the fast one is held against it.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa

from gridcore.errors import BrokenInvariantError, StoreConflictError
from gridcore.plan import Layer
from gridcore.ports import RECEIPTS_KEPT, Batch, Counts, DeadLetter, Decision, Known, Receipt, RegisteredModel
from gridcore.reading import OUTAGE_SCHEMA, UNUSABLE, Quality
from gridcore.timeline import TIMESTAMP
from storage.documents import content_sha256, documents_of, forecast_rows, plan_rows, setpoint_rows


class Cell(NamedTuple):
    """What several claims compete for."""

    name: str
    """Channel or asset."""

    valid_time: datetime
    """Period start."""


class Claim(NamedTuple):
    """One value given for a cell."""

    version: Any
    """Revision, or issue time of an official value."""

    value: float
    """NaN where there is none."""

    available_at: datetime
    """First had at."""

    quality: int
    """Sum of `Quality` flags."""

    @property
    def identity(self) -> tuple[Any, bytes]:
        """Version and the value's bits."""
        return self.version, struct.pack("<d", self.value)

    @property
    def is_usable(self) -> bool:
        """It may enter models and state."""
        return math.isfinite(self.value) and not self.quality & UNUSABLE

    @property
    def precedence(self) -> tuple[bool, datetime, int]:
        """Which sending of a value it is known by: the smallest of these."""
        return not self.is_usable, self.available_at, self.quality

    @property
    def standing(self) -> tuple[bool, float, bytes]:
        """Which of two values of one version stands: the larger of these."""
        return self.is_usable, -math.inf if math.isnan(self.value) else self.value, self.identity[1]


Ledger = dict[Cell, dict[tuple[Any, bytes], list[Claim]]]
"""Sendings of each cell's values by identity."""


class MemoryStore:
    """What was known, and when, in Python's own containers."""

    def __init__(self) -> None:
        self.readings: Ledger = {}
        self.official: Ledger = {}
        self.outages: dict[tuple[str, datetime, datetime], datetime] = {}
        self.labels: dict[str, tuple[str, str, str]] = {}
        self.models: dict[tuple[str, datetime], RegisteredModel] = {}
        self.decisions: dict[datetime, tuple[str, Decision]] = {}
        self.message_ids: set[str] = set()
        self.dead_letters: list[DeadLetter] = []
        self.receipts: dict[str, Receipt] = {}
        self._offsets: dict[str, int] = {}

    def accept(self, batch: Batch, dead_letters: Sequence[DeadLetter], receipt: Receipt | None = None) -> Counts:
        """Keep a checked batch: rows, dead letters, the next offset and the receipt.

        Raises:
            StoreConflictError: The batch does not start at the store's offset of its source, or the receipt is kept.
            BrokenInvariantError: A channel changed its site, quantity or unit; nothing of the batch was kept.
        """
        expected = self._offsets.get(batch.source, 0)
        if batch.start_offset != expected:
            what = "a batch does not start where its source stands"
            raise StoreConflictError(what, file=batch.source, got=batch.start_offset, wanted=expected)
        if receipt is not None and receipt.key in self.receipts:
            raise StoreConflictError("a request is kept already", got=receipt.key, wanted="a key that is new")
        rows = batch.readings.to_pylist()
        self._learn_labels(rows)
        letters = tuple(dict.fromkeys([*batch.undecodable, *dead_letters]))
        counts = Counts(received=len(rows) + len(letters), dead_letters=dict(Counter(le.reason for le in letters)))
        for row in rows:
            claim = Claim(row["revision"], _canonical(row["value"]), row["available_at"], row["quality"])
            what = _add(self.readings, Cell(row["channel"], row["valid_time"]), claim)
            setattr(counts, what, getattr(counts, what) + 1)
        for row in batch.official.to_pylist():
            claim = Claim(row["issue_time"], _canonical(row["power_mw"]), row["available_at"], 0)
            _add(self.official, Cell(row["asset"], row["valid_time"]), claim)
        for row in batch.outages.to_pylist():
            key = (row["asset"], row["from"], row["until"])
            self.outages[key] = min(row["available_at"], self.outages.get(key, row["available_at"]))
        self.dead_letters.extend(letters)
        self._offsets[batch.source] = batch.next_offset
        if receipt is not None:
            oldest = receipt.received_at - RECEIPTS_KEPT
            self.receipts = {key: kept for key, kept in self.receipts.items() if kept.received_at >= oldest}
            self.receipts[receipt.key] = replace(receipt, answer=counts.to_json())
        return counts

    def receipt(self, key: str) -> Receipt | None:
        """The receipt of a key; None where no such request was kept."""
        return self.receipts.get(key)

    def known_at(self, instant: datetime) -> Known:
        """The only door to history."""
        return MemoryKnown(self, instant)

    def register(self, model: RegisteredModel) -> None:
        """Keep a fitted model; the same again is a no-op, another of that name and instant `BrokenInvariantError`."""
        found = self.models.setdefault((model.name, model.fitted_as_of), model)
        if found != model:
            raise BrokenInvariantError("two models of one name and instant", asset=model.name, got=model.model_id)

    def publish(self, decision: Decision) -> None:
        """Keep a decision; the same again is a no-op, another of its time or plan name `BrokenInvariantError`."""
        documents, instant = documents_of(decision), decision.issue_time.isoformat()
        sha256 = content_sha256(decision.issue_time, documents, decision.checkpoint)
        if decision.issue_time in self.decisions:
            found = self.decisions[decision.issue_time][0]
            if found != sha256:
                raise BrokenInvariantError("two decisions of one issue time", instant=instant, got=sha256, wanted=found)
            return
        names = [document.message_id for document in documents]
        if len(set(names)) < len(names) or self.message_ids & set(names):
            raise BrokenInvariantError("two plans of one name", instant=instant, got=names, wanted="each its own")
        self.message_ids |= set(names)
        self.decisions[decision.issue_time] = (sha256, decision)

    def offsets(self) -> dict[str, int]:
        """Next offset of each source."""
        return dict(sorted(self._offsets.items()))

    def last_decision(self) -> tuple[datetime, bytes] | None:
        """Issue time and checkpoint of the newest decision; None when there is none."""
        newest = max(self.decisions, default=None)
        return None if newest is None else (newest, self.decisions[newest][1].checkpoint)

    def close(self) -> None:
        """Nothing to release."""

    def _learn_labels(self, rows: Iterable[dict[str, Any]]) -> None:
        labels = dict(self.labels)
        for row in rows:
            label = (row["site"], row["quantity"], row["unit"])
            if labels.setdefault(row["channel"], label) != label:
                wanted = labels[row["channel"]]
                raise BrokenInvariantError(
                    "a series changed what it is", asset=row["channel"], got=label, wanted=wanted
                )
        self.labels = labels


class MemoryKnown:
    """What a `MemoryStore` knew at an instant."""

    def __init__(self, store: MemoryStore, instant: datetime) -> None:
        self._store, self._instant = store, instant

    @property
    def instant(self) -> datetime:
        """The instant of the cut."""
        return self._instant

    def readings(self, channels: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        """Current revision of each (channel, valid_time in [start, end)), sorted by channel, valid_time."""
        rows = []
        for cell, claims in self._known(self._store.readings, channels, start, end):
            newest = [c for c in claims if c.version == max(claim.version for claim in claims)]
            best = max(newest, key=lambda c: c.standing)
            quality = best.quality | (int(Quality.CONFLICT) if len(newest) > 1 else 0)
            rows.append((*cell, best.value, quality, best.version, best.available_at))
        names = ("channel", "valid_time", "value", "quality", "revision", "available_at")
        return _table(names, (_NAME, TIMESTAMP, pa.float64(), pa.int32(), pa.int32(), TIMESTAMP), rows)

    def official(self, assets: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        """Newest issue of each (asset, valid_time in [start, end)), sorted by asset, valid_time."""
        return self._official(assets, start, end, lambda issues: [max(issues)])

    def official_vintages(self, assets: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        """All known issues, sorted by asset, valid_time, issue_time."""
        return self._official(assets, start, end, sorted)

    def outages(self, start: datetime, end: datetime) -> pa.Table:
        """`OUTAGE_SCHEMA` rows that overlap [start, end), sorted by available_at, asset, from, until."""
        known = [(at, *key) for key, at in self._store.outages.items() if at <= self._instant]
        near = [row for row in known if row[2] < end and row[3] > start]
        return _table(OUTAGE_SCHEMA.names, OUTAGE_SCHEMA.types, sorted(near))

    def model(self, name: str) -> RegisteredModel | None:
        """The newest model of a name with `fitted_as_of <= instant`."""
        fitted = [at for known, at in self._store.models if known == name and at <= self._instant]
        return self._store.models[name, max(fitted)] if fitted else None

    def plans(self, layer: str, since: datetime) -> pa.Table:
        """`PLAN_SCHEMA` rows of plans issued in [since, instant]; a layer is one of `Layer`."""
        return plan_rows([p.to_table() for d in self._issued(since) for p in d.plans if p.layer is Layer(layer)])

    def setpoints(self, since: datetime) -> pa.Table:
        """`SETPOINT_SCHEMA` rows issued in [since, instant], sorted by issue_time, asset, valid_from."""
        return setpoint_rows([decision.setpoints for decision in self._issued(since)])

    def forecasts(self, since: datetime) -> pa.Table:
        """`FORECAST_SCHEMA` rows issued in [since, instant], sorted by issue_time, valid_time, target, quantile."""
        return forecast_rows([vintage for decision in self._issued(since) for vintage in decision.vintages])

    def first_valid_time(self) -> datetime | None:
        """Start of the oldest reading known; None when there is none."""
        ledger = self._store.readings
        sent = [(cell, s) for cell, claims in ledger.items() for value in claims.values() for s in value]
        known = [cell for cell, sending in sent if sending.available_at <= self._instant]
        return min((cell.valid_time for cell in known), default=None)

    def _issued(self, since: datetime) -> list[Decision]:
        decisions = self._store.decisions
        return [decisions[issue_time][1] for issue_time in sorted(decisions) if since <= issue_time <= self._instant]

    def _known(
        self, ledger: Ledger, names: Sequence[str], start: datetime, end: datetime
    ) -> list[tuple[Cell, list[Claim]]]:
        """Cells of some names in [start, end) with the claims known, sorted."""
        found = []
        for cell in sorted(c for c in ledger if c.name in set(names) and start <= c.valid_time < end):
            sent = [[s for s in value if s.available_at <= self._instant] for value in ledger[cell].values()]
            if known := [min(value, key=lambda s: s.precedence) for value in sent if value]:
                found.append((cell, known))
        return found

    def _official(
        self, assets: Sequence[str], start: datetime, end: datetime, choose: Callable[[set[datetime]], list[datetime]]
    ) -> pa.Table:
        rows = []
        for cell, claims in self._known(self._store.official, assets, start, end):
            for issue_time in choose({claim.version for claim in claims}):
                best = max((c for c in claims if c.version == issue_time), key=lambda c: c.standing)
                rows.append((*cell, best.value, issue_time, best.available_at))
        names = ("asset", "valid_time", "power_mw", "issue_time", "available_at")
        return _table(names, (_NAME, TIMESTAMP, pa.float64(), TIMESTAMP, TIMESTAMP), rows)


_NAME = pa.dictionary(pa.int32(), pa.string())


def _canonical(value: float | None) -> float:
    """The value with one kind of NaN and without a negative zero."""
    return math.nan if value is None or math.isnan(value) else value + 0.0


def _add(ledger: Ledger, cell: Cell, claim: Claim) -> str:
    """Add a claim; gives the count of `Counts` that it belongs to."""
    claims = ledger.setdefault(cell, {})
    if claim.identity in claims:
        what = "duplicate"
    elif any(version == claim.version for version, _ in claims):
        what = "conflict"
    else:
        what = "revised" if claims else "stored"
    claims.setdefault(claim.identity, []).append(claim)
    return what


def _table(names: Sequence[str], types: Sequence[pa.DataType], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)})

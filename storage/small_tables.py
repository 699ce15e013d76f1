"""The small tables (offsets, decisions, models, receipts, outbox), which both databases have with the same columns.

What is read of them, and what a second writing of the same thing means, is said once, here; how it is written is each
store's own.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gridcore.errors import BrokenInvariantError, StoreDamagedError
from gridcore.ports import Decision, Receipt, RegisteredModel
from storage.checksums import content_checksum, verify_rows
from storage.columns import instant_of, micros
from storage.documents import TOPICS, Document
from storage.receipts import read_receipt

Row = tuple[Any, ...]
"""A row of a table."""


class SmallTables(ABC):
    """Reads of the small tables, by the `rows` of a store."""

    def __init__(self) -> None:
        self._models: dict[str, RegisteredModel] = {}

    @abstractmethod
    def rows(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        """Rows of a query, with `?` for a value."""

    def receipt(self, key: str) -> Receipt | None:
        """The receipt of a key; None where no such request was kept."""
        return read_receipt(self.rows, key)

    def offsets(self) -> dict[str, int]:
        """Next offset of each source.

        Raises:
            StoreDamagedError: One is not what was written.
        """
        rows = self.rows("SELECT source, next_offset, checksum FROM source_offset ORDER BY source")
        verify_rows("an offset", rows)
        return {source: next_offset for source, next_offset, _ in rows}

    def last_decision(self) -> tuple[datetime, bytes] | None:
        """Issue time and checkpoint of the newest decision; None when there is none."""
        found = self.rows("SELECT issue_time, checkpoint FROM decision ORDER BY issue_time DESC LIMIT 1")
        return (instant_of(found[0][0]), found[0][1]) if found else None

    def model_at(self, name: str, fitted_as_of: int) -> RegisteredModel:
        """A registered model; the last read of each name stays in memory, since every tick asks for the same ones.

        Raises:
            StoreDamagedError: It is not what was written.
        """
        kept = self._models.get(name)
        if kept is None or micros(kept.fitted_as_of) != fitted_as_of:
            query = "SELECT model_id, sha256, payload FROM model WHERE name = ? AND fitted_as_of = ?"
            model_id, sha256, payload = self.rows(query, (name, fitted_as_of))[0]
            if (found := hashlib.sha256(payload).hexdigest()) != sha256:
                what = "a model has other bytes than were written"
                raise StoreDamagedError(what, asset=name, got=found, wanted=sha256)
            kept = self._models[name] = RegisteredModel(name, instant_of(fitted_as_of), model_id, payload)
        return kept


def model_row(model: RegisteredModel) -> Row:
    """A model's row."""
    key = model.name, micros(model.fitted_as_of)
    return (*key, model.model_id, hashlib.sha256(model.payload).hexdigest(), model.payload)


def demand_same_model(found: Row, model: RegisteredModel) -> None:
    """Raise `BrokenInvariantError` where a name and instant have another model (model_id, payload) than this."""
    if found != (model.model_id, model.payload):
        instant, what = model.fitted_as_of.isoformat(), "two models of one name and instant"
        raise BrokenInvariantError(what, asset=model.name, instant=instant, got=model.model_id, wanted=found[0])


def demand_same_decision(found: str, sha256: str, decision: Decision) -> None:
    """Raise `BrokenInvariantError` where an issue time has a decision of another content."""
    if found != sha256:
        instant = decision.issue_time.isoformat()
        raise BrokenInvariantError("two decisions of one issue time", instant=instant, got=sha256, wanted=found)


def two_plans(issue_time: int, message_id: str) -> BrokenInvariantError:
    """A message of that name stands in the outbox already."""
    instant = instant_of(issue_time).isoformat()
    return BrokenInvariantError("two plans of one name", instant=instant, got=message_id, wanted="its own")


def document_rows(issue_time: int, documents: Sequence[Document]) -> list[Row]:
    """Rows of a decision's documents."""
    return [(issue_time, d.kind, d.place, d.layer, content_checksum(d.content), d.content) for d in documents]


def outbox_rows(issue_time: int, documents: Sequence[Document]) -> list[Row]:
    """Rows of the messages that tell of a decision's documents: message_id, topic, issue_time, kind, place."""
    return [(d.message_id, TOPICS[d.kind], issue_time, d.kind, d.place) for d in documents]

"""Documents as they travel: one JSON message for each target or asset (docs/asyncapi.yaml), under a name that lasts.

A number that is none (the stored energy of what has no store) travels as null, since NaN is not JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from gridcore.timeline import Instants
from storage.documents import FORECAST, PLAN, decode_table, decode_vintage
from storage.outbox import Message

VERSION = 1
"""Version of the messages' form."""

PLAN_FACTS = ("plan_id", "layer", "issue_time", "asset", "status", "gap")
"""Fields of a plan's message that its periods share."""

PLAN_SERIES = (
    "valid_time", "is_on", "power_mw", "charge_mw", "discharge_mw", "soc_mwh", "available_mw", "curtailment_mw",
    "cause", "reserve_mw",
)  # fmt: skip
"""Fields that are arrays by period."""

SETPOINT_FIELDS = ("plan_id", "valid_from", "valid_until", "power_mw", "role", "is_on", "on_expiry")
"""Fields of one setpoint; those of an asset travel together."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Envelope:
    """A message ready to be sent."""

    topic: str
    """Its topic."""

    key: str
    """What its partition is chosen by, so that one asset's messages keep their order."""

    message_id: str
    """Deterministic: sent again, it has the same id and the same bytes."""

    value: bytes
    """JSON."""


def envelopes_of(message: Message) -> Iterator[Envelope]:
    """The messages of a document, by asset or target."""
    if message.kind == FORECAST:
        told = _vintage(message.content)
    elif message.kind == PLAN:
        told = _plan(decode_table(message.content))
    else:
        told = _setpoints(decode_table(message.content))
    for key, words in told:
        yield Envelope(message.topic, key, f"{message.message_id}/{key}", _encode({"v": VERSION, **words}))


def _vintage(content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    vintage = decode_vintage(content)
    facts = {"issue_time": vintage.issue_time.astimezone(UTC), "data_cutoff": vintage.data_cutoff.astimezone(UTC)}
    valid_time, quantiles = _instants(vintage.valid_time), list(vintage.quantiles)
    for row, target in enumerate(vintage.targets):
        model = {"model_id": vintage.model_id[row], "fallback_reason": vintage.fallback_reason[row]}
        values = {"quantiles": quantiles, "valid_time": valid_time, "power_mw": vintage.power_mw[row].tolist()}
        yield target, {"target": target, **facts, **model, **values}


def _plan(rows: pa.Table) -> Iterator[tuple[str, dict[str, Any]]]:
    for asset, table in _by_asset(rows, "valid_time"):
        facts = table.slice(0, 1).select(PLAN_FACTS).to_pylist()[0]
        yield asset, facts | {name: table.column(name).to_pylist() for name in PLAN_SERIES}


def _setpoints(rows: pa.Table) -> Iterator[tuple[str, dict[str, Any]]]:
    for asset, table in _by_asset(rows, "valid_from"):
        issue_time = table.column("issue_time")[0].as_py()
        yield asset, {"issue_time": issue_time, "asset": asset, "setpoints": table.select(SETPOINT_FIELDS).to_pylist()}


def _by_asset(rows: pa.Table, then: str) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each asset, in the order of a column."""
    table = rows.sort_by([("asset", "ascending"), (then, "ascending")]).combine_chunks()
    codes = table.column("asset").combine_chunks().dictionary_encode().indices.to_numpy()
    edges = [*np.flatnonzero(np.diff(codes, prepend=-1)).tolist(), len(table)]
    for start, end in pairwise(edges):
        yield table.column("asset")[start].as_py(), table.slice(start, end - start)


def _instants(instants: Instants) -> list[datetime]:
    return [instant.replace(tzinfo=UTC) for instant in instants.astype("datetime64[us]").tolist()]

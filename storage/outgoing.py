"""What leaves the house: a published document as messages, one an asset, as docs/asyncapi.yaml describes them.

An id is a function of what was decided alone. Whoever gets a message twice, since the relay died between its sending
and its mark, sees the same id and bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from storage.columns import instant_of
from storage.documents import FORECAST, PLAN, SETPOINT, TOPICS
from storage.outbox import Message

VERSION = 1
"""Version of the messages' form."""

DEAD_LETTER = "xiaona.dead_letter.v1"
"""Topic of dead letters."""

OF_A_PLAN = ("plan_id", "layer", "issue_time", "asset", "status", "gap")
"""Columns of a plan that are the same for all periods of an asset."""

OF_A_FORECAST = ("issue_time", "target", "model_id", "data_cutoff", "fallback_reason")
"""Columns of a forecast that are the same for all values of a target."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Outgoing:
    """One message on the wire."""

    topic: str
    """Its topic, with the prefix `xiaona`."""

    key: str
    """Asset, target or source: messages of one key stay in order."""

    message_id: str
    """Deterministic, in the header `id`."""

    value: bytes
    """JSON."""


def outgoing(message: Message) -> Iterator[Outgoing]:
    """The messages of a document of the outbox, by asset or target."""
    kind = next(kind for kind, topic in TOPICS.items() if topic == message.topic)
    key_column = "target" if kind == FORECAST else "asset"
    tell = {FORECAST: _forecast, PLAN: _plan, SETPOINT: _setpoints}[kind]
    for key, rows in _by(message.rows, key_column):
        value = _encode({"v": VERSION, **tell(rows)})
        yield Outgoing(message.topic, key, f"{message.message_id}/{key}", value)


def outgoing_letter(letter: tuple[Any, ...]) -> Outgoing:
    """The message of a dead letter: available_at [us], source, offset, reason, detail, payload."""
    available_at, source, offset, reason, detail, payload = letter
    mark = hashlib.sha256(f"{reason}|{detail}|".encode() + bytes(payload)).hexdigest()[:16]
    words = {
        "v": VERSION,
        "available_at": instant_of(available_at).isoformat(),
        "source": source,
        "offset": offset,
        "reason": reason,
        "detail": detail,
        "payload": base64.b64encode(bytes(payload)).decode(),
    }
    return Outgoing(DEAD_LETTER, source, f"dead_letter-{source}-{offset}-{mark}", _encode(words))


def _by(rows: pa.Table, column: str) -> Iterator[tuple[str, pa.Table]]:
    """Rows of each name of a column, in order of name; the order of rows within stays."""
    names = rows.column(column).to_numpy(zero_copy_only=False).astype(str)
    order = np.argsort(names, kind="stable")
    ordered, names = rows.take(pa.array(order)), names[order]
    starts = [place for place in range(len(names)) if place == 0 or names[place] != names[place - 1]]
    for start, end in zip(starts, [*starts[1:], len(names)], strict=True):
        yield str(names[start]), ordered.slice(start, end - start)


def _first(rows: pa.Table, columns: tuple[str, ...]) -> dict[str, Any]:
    return dict(rows.select(columns).slice(0, 1).to_pylist()[0])


def _forecast(rows: pa.Table) -> dict[str, Any]:
    """Rows of one target by valid_time and quantile."""
    levels = np.unique(rows.column("quantile").to_numpy())
    periods = rows.column("valid_time").to_pylist()[:: len(levels)]
    power_mw = rows.column("power_mw").to_numpy().reshape(len(periods), len(levels))
    told = {"quantiles": levels.tolist(), "valid_time": periods, "power_mw": power_mw.tolist()}
    return _first(rows, OF_A_FORECAST) | told


def _plan(rows: pa.Table) -> dict[str, Any]:
    by_period = [name for name in rows.column_names if name not in OF_A_PLAN]
    return _first(rows, OF_A_PLAN) | {name: rows.column(name).to_pylist() for name in by_period}


def _setpoints(rows: pa.Table) -> dict[str, Any]:
    each = [name for name in rows.column_names if name not in {"issue_time", "asset"}]
    return _first(rows, ("issue_time", "asset")) | {"setpoints": rows.select(each).to_pylist()}

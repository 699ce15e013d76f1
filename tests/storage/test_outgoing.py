"""What goes out fits docs/asyncapi.yaml, says all that was decided, and has a name of its own that lasts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gridcore.forecast import FORECAST_SCHEMA
from gridcore.plan import PLAN_SCHEMA, SETPOINT_SCHEMA, Cause, Layer, Slack
from gridcore.ports import Decision
from storage.embedded import EmbeddedStore
from storage.outbox import Message, pending
from storage.outgoing import PLAN_FACTS, PLAN_SERIES, Envelope, envelopes_of
from tests.contracts.store_content import decision, minutes, plan, rows_of, setpoints
from tests.ingest.test_asyncapi import validator

KEYS = {
    "forecast": ("issue_time", "valid_time", "target", "quantile"),
    "plan": ("plan_id", "valid_time", "asset"),
    "setpoint": ("issue_time", "asset", "valid_from"),
}
SCHEMAS = {"forecast": FORECAST_SCHEMA, "plan": PLAN_SCHEMA, "setpoint": SETPOINT_SCHEMA}


def wide_decision(issued: float) -> Decision:
    """A tick whose day-ahead plan has two assets, one of them a battery, and a slack in one period alone."""
    narrow = plan(issued, Layer.SCUC, 5.0)
    both = {
        name: np.concatenate([array := getattr(narrow, name), array])
        for name in ("is_on", "power_mw", "charge_mw", "discharge_mw", "available_mw", "curtailment_mw", "cause")
    }
    both |= {"soc_mwh": np.array([[np.nan, np.nan], [1.5, 0.1 + 0.2]]), "reserve_mw": np.zeros((2, 2))}
    slack = Slack("shed", "bus-1", narrow.valid_time[1], 0.25, Cause.SHORTAGE.value)
    wide = replace(narrow, assets=("W1", "B1"), slacks=(slack,), gap=float("nan"), **both)
    told = pa.concat_tables([setpoints(issued, 3.0), setpoints(issued, -0.0)])
    other = pa.array(["W1", "B1"], pa.string())
    return replace(
        decision(issued), plans=(wide, plan(issued, Layer.SCED, 4.0)), setpoints=told.set_column(4, "asset", other)
    )


def messages_of(folder: Path, *decisions: Decision) -> tuple[Message, ...]:
    store = EmbeddedStore(folder)
    for one in decisions:
        store.publish(one)
    found = pending(store, 99)
    store.close()
    return found


def words_of(envelope: Envelope) -> dict[str, Any]:
    return dict(json.loads(envelope.value))


def rows_in(kind: str, words: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a document that a message tells of."""
    if kind == "setpoint":
        return [{"issue_time": words["issue_time"], "asset": words["asset"], **one} for one in words["setpoints"]]
    if kind == "plan":
        facts = {name: words[name] for name in PLAN_FACTS}
        return [{**facts, **{name: words[name][n] for name in PLAN_SERIES}} for n in range(len(words["valid_time"]))]
    names = ("issue_time", "target", "model_id", "data_cutoff", "fallback_reason")
    return [
        {**{name: words[name] for name in names}, "valid_time": at, "quantile": level, "power_mw": value}
        for at, values in zip(words["valid_time"], words["power_mw"], strict=True)
        for level, value in zip(words["quantiles"], values, strict=True)
    ]


def table_of(kind: str, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows in the schema of their kind; null is no number."""
    columns = {}
    for field in SCHEMAS[kind]:
        values = [row[field.name] for row in rows]
        if pa.types.is_timestamp(field.type):
            values = [datetime.fromisoformat(value).astimezone(UTC) for value in values]
        if pa.types.is_floating(field.type):
            values = [float("nan") if value is None else float(value) for value in values]
        columns[field.name] = pa.array(values, field.type)
    return pa.table(columns, schema=SCHEMAS[kind])


def sorted_rows(kind: str, table: pa.Table) -> list[tuple[Any, ...]]:
    return rows_of(table.sort_by([(key, "ascending") for key in KEYS[kind]]))


def test_messages_say_every_row_of_a_document_bit_for_bit(tmp_path: Path) -> None:
    for message in messages_of(tmp_path, wide_decision(0), decision(15)):
        told = [row for envelope in envelopes_of(message) for row in rows_in(message.kind, words_of(envelope))]
        assert sorted_rows(message.kind, table_of(message.kind, told)) == sorted_rows(message.kind, message.rows)


def test_messages_fit_the_page(tmp_path: Path) -> None:
    for message in messages_of(tmp_path, wide_decision(0)):
        for envelope in envelopes_of(message):
            validator(message.kind).validate(words_of(envelope))
            assert envelope.topic == f"xiaona.{message.kind}.v1"


def test_the_key_is_the_asset_or_the_target_that_the_message_is_about(tmp_path: Path) -> None:
    for message in messages_of(tmp_path, wide_decision(0)):
        about = "target" if message.kind == "forecast" else "asset"
        envelopes = list(envelopes_of(message))
        assert [envelope.key for envelope in envelopes] == [words_of(envelope)[about] for envelope in envelopes]
        assert {envelope.key for envelope in envelopes} == set(message.rows.column(about).to_pylist())


def test_a_message_has_a_name_of_its_own_and_the_same_bytes_when_it_is_made_again(tmp_path: Path) -> None:
    made, again = (
        [e for m in messages_of(tmp_path / name, wide_decision(0), decision(15)) for e in envelopes_of(m)]
        for name in ("one", "two")
    )
    assert made == again
    assert len({envelope.message_id for envelope in made}) == len(made)
    assert f"setpoint-{minutes(15):%Y%m%dT%H%M%SZ}/W1" in {envelope.message_id for envelope in made}

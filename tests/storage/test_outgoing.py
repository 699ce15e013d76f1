"""What leaves the house says all that was published, under ids that depend on nothing else."""

from __future__ import annotations

import json

import numpy as np

from storage.embedded import EmbeddedStore
from storage.outbox import pending
from storage.outgoing import outgoing
from tests.contracts.store_content import decision


def test_messages_of_a_decision_hold_each_of_its_rows_once(tmp_path):
    store = EmbeddedStore(tmp_path)
    store.publish(decision(0.0))
    for document in pending(store, 100):
        messages = list(outgoing(document))
        assert [m.message_id for m in messages] == [f"{document.message_id}/{m.key}" for m in messages]
        assert len({m.key for m in messages}) == len(messages)
        told = [json.loads(m.value) for m in messages]
        if document.topic.endswith("forecast.v1"):
            amount = sum(np.size(words["power_mw"]) for words in told)
        elif document.topic.endswith("plan.v1"):
            amount = sum(len(words["valid_time"]) for words in told)
        else:
            amount = sum(len(words["setpoints"]) for words in told)
        assert amount == len(document.rows)
        assert [m.value for m in outgoing(document)] == [m.value for m in messages]
    store.close()


def test_a_forecast_s_values_stand_at_their_period_and_level(tmp_path):
    store = EmbeddedStore(tmp_path)
    store.publish(decision(0.0))
    document = next(d for d in pending(store, 100) if d.topic.endswith("forecast.v1"))
    message = next(outgoing(document))
    words = json.loads(message.value)
    rows = [row for row in document.rows.to_pylist() if row["target"] == message.key]
    for row in rows:
        period = [at[:19] for at in words["valid_time"]].index(row["valid_time"].isoformat()[:19])
        value = words["power_mw"][period][words["quantiles"].index(row["quantile"])]
        assert value == row["power_mw"] or (value is None and np.isnan(row["power_mw"]))
    store.close()

"""The relay to a real broker: at least once, the same id and bytes each time, dead letters with the rest."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gridcore.errors import BadInputError
from gridcore.ports import Batch, DeadLetter
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from storage.embedded import EmbeddedStore
from storage.kafka_outlet import KafkaOutlet
from storage.outbox import pending_count
from storage.relay import EmbeddedOutbox, Relay
from tests.contracts.store_content import decision
from tests.servers.clients import read_all

pytestmark = pytest.mark.kafka

KINDS = ("forecast", "plan", "setpoint", "dead_letter")


class DyingOutlet:
    """Sends, and dies before anybody hears of it."""

    def __init__(self, outlet: KafkaOutlet) -> None:
        self.outlet = outlet

    def send(self, messages):
        self.outlet.send(messages)
        raise KeyboardInterrupt


def fill(path: Path) -> EmbeddedStore:
    """A store with a decision and two dead letters to tell of."""
    store = EmbeddedStore(path)
    store.publish(decision(0.0))
    letters = [
        DeadLetter(datetime(2025, 1, 1, tzinfo=UTC), "s/0", offset, "not_json", "got junk", b"\xffjunk")
        for offset in range(2)
    ]
    empty = (schema.empty_table() for schema in (READING_SCHEMA, OFFICIAL_SCHEMA, OUTAGE_SCHEMA))
    store.accept(Batch("s/0", 0, 2, *empty), letters)
    return store


def test_a_relay_that_died_before_the_mark_sends_the_same_again_and_then_no_more(kafka, topic_prefix, tmp_path):
    kafka.create_topics([f"{topic_prefix}.{kind}.v1" for kind in KINDS])
    store, outlet = fill(tmp_path / "store"), KafkaOutlet(kafka.client(), topic_prefix)
    outbox = EmbeddedOutbox(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        Relay(outbox, DyingOutlet(outlet)).step()
    assert pending_count(store) > 0
    relay = Relay(outbox, outlet)
    while relay.step():
        pass
    assert pending_count(store) == 0
    assert Relay(outbox, outlet).step() == 0
    for kind in KINDS:
        told = read_all(kafka.client(), f"{topic_prefix}.{kind}.v1")
        by_id = Counter((dict(m.headers())["id"], m.value()) for m in told)
        # One body an id; what was sent before the death came twice, what came after it once.
        assert len({name for name, _ in by_id}) == len(by_id)
        assert set(by_id.values()) == {1 if kind == "dead_letter" else 2}
        for message in told:
            words = json.loads(message.value())
            assert message.key().decode() == words.get("asset", words.get("target", words.get("source")))
    outbox.close()
    store.close()


def test_what_no_broker_took_stays_in_the_outbox(kafka, topic_prefix, tmp_path):
    store = fill(tmp_path / "store")
    outbox = EmbeddedOutbox(tmp_path / "store")
    waiting = pending_count(store)
    with pytest.raises(BadInputError):
        Relay(outbox, KafkaOutlet(kafka.client() | {"message.timeout.ms": 1500}, f"{topic_prefix}-none")).step()
    assert pending_count(store) == waiting
    outbox.close()
    store.close()

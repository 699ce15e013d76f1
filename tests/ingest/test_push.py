"""Pushed requests: answered after commit, each kept once whatever is repeated, none beyond the bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcore.errors import NoSpaceError, StoreConflictError
from gridcore.ports import Batch, Counts
from ingest.accept import accept
from ingest.arrow_stream import VERSION, VERSION_KEY
from ingest.channels import ChannelTable, channels_of
from ingest.push import HTTP, Kept, PushFeed, Refused, Reply, Request, Why
from ingest.push_body import CONTENT_TYPES, MOST_MESSAGES, NDJSON, messages_of
from ingest.wire_parts import ARROW, JSON
from storage.memory import MemoryStore
from tests.ingest.builders import LOAD, MINUTE, START, WIND, batch_of, reading, small_network

CHANNELS: ChannelTable = channels_of(small_network())
NOW = START + 10 * MINUTE
ANSWER = b'{"received":1,"stored":1,"duplicate":0,"revised":0,"conflict":0,"dead_letters":{}}'


def wire(channel: tuple[str, str, str, str] = WIND, valid: float = 0.0, value: float = 1.0, **other: Any) -> dict:
    """A JSON reading."""
    site, name, _, unit = channel
    words = {"v": 1, "site": site, "channel": name, "valid_time": (START + valid * MINUTE).isoformat()}
    return words | {"value": value, "unit": unit} | other


def body_of(*readings: dict) -> bytes:
    return json.dumps(readings[0] if len(readings) == 1 else readings).encode()


def request(body: bytes, kind: str = JSON, key: str = "", sites: frozenset[str] | None = None) -> Request:
    return Request(body, kind, NOW, sites, key)


def why(reply: Reply) -> Why | None:
    """Why a request was refused; None where it was kept."""
    return reply.why if isinstance(reply, Refused) else None


class Port:
    """A push feed and the memory store that it fills."""

    def __init__(self, **bounds: int) -> None:
        self.store = MemoryStore()
        self.feed = PushFeed(CHANNELS, self.store.receipt, **bounds)
        self.counts = Counts()

    def take(self) -> None:
        """Keep all that waits."""
        while (batch := self.feed.next_until(NOW)) is not None:
            self.counts.add(accept(batch, self.store, CHANNELS))

    def reply(self, pushed: Request) -> Reply:
        """The reply to one request."""
        reply = self.feed.submit(pushed)
        self.take()
        return reply.result(0)


@pytest.mark.parametrize(
    ("body", "kind", "stored"),
    [
        (body_of(wire()), JSON, 1),
        (body_of(wire(), wire(valid=5)), JSON, 2),
        (b" [" + body_of(wire()) + b" ]", JSON, 1),
        (body_of(wire()) + b"\n\r\n" + body_of(wire(valid=5)) + b"\n", NDJSON, 2),
    ],
)
def test_each_form_of_json_gives_its_readings(body: bytes, kind: str, stored: int) -> None:
    port = Port()
    reply = port.reply(request(body, kind))
    assert isinstance(reply, Kept)
    assert json.loads(reply.answer)["stored"] == stored == port.counts.stored
    rows = port.store.known_at(NOW).readings(["W/power"], START, NOW).to_pylist()
    assert [row["available_at"] for row in rows] == [NOW] * stored
    assert port.store.offsets() == {HTTP: stored}


def test_an_arrow_body_is_one_message_of_many_readings() -> None:
    table = batch_of([reading(WIND), reading(LOAD)]).readings.select(["site", "channel", "valid_time", "value", "unit"])
    body = _stream(table)
    port = Port()
    reply = port.reply(request(body, ARROW))
    assert isinstance(reply, Kept)
    assert json.loads(reply.answer)["stored"] == 2
    assert port.store.offsets() == {HTTP: 1}


def _stream(table: Any) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema.with_metadata({VERSION_KEY: VERSION})) as writer:
        writer.write_table(table)
    told: bytes = sink.getvalue().to_pybytes()
    return told


def test_a_reply_is_there_only_after_the_store_has_the_batch() -> None:
    port = Port()
    reply = port.feed.submit(request(body_of(wire())))
    batch = port.feed.next_until(NOW)
    assert isinstance(batch, Batch)
    assert not reply.done()
    accept(batch, port.store, CHANNELS)
    assert not reply.done()
    assert port.feed.next_until(NOW) is None
    assert reply.result(0) == Kept(ANSWER)


def test_a_repeat_has_the_first_answer_and_changes_nothing() -> None:
    port = Port()
    first = port.reply(request(body_of(wire()), key="a/1"))
    again = port.reply(request(body_of(wire()), key="a/1"))
    assert (first, again) == (Kept(ANSWER), Kept(ANSWER, is_repeat=True))
    assert (port.counts.received, port.store.offsets()) == (1, {HTTP: 1})
    restarted = PushFeed(CHANNELS, port.store.receipt)
    restarted.seek(port.store.offsets())
    reply = restarted.submit(request(body_of(wire()), key="a/1"))
    assert restarted.next_until(NOW) is None
    assert reply.result(0) == again


def test_equal_keys_at_once_are_kept_once_and_answered_alike() -> None:
    port = Port()
    replies = [port.feed.submit(request(body_of(wire()), key="a/1")) for _ in range(5)]
    port.take()
    assert [reply.result(0) for reply in replies] == [Kept(ANSWER), *[Kept(ANSWER, is_repeat=True)] * 4]
    assert port.counts.received == 1


def test_a_key_with_another_body_is_refused() -> None:
    port = Port()
    port.reply(request(body_of(wire()), key="a/1"))
    other = port.reply(request(body_of(wire(value=2.0)), key="a/1"))
    assert why(other) is Why.OTHER_BODY
    assert isinstance(port.reply(request(body_of(wire(value=2.0)), key="b/1")), Kept)


def test_a_repeat_without_a_key_is_told_by_its_readings() -> None:
    port = Port()
    answers = [port.reply(request(body_of(wire()))) for _ in range(2)]
    assert answers[0] == Kept(ANSWER)
    assert isinstance(answers[1], Kept)
    assert json.loads(answers[1].answer) | {"duplicate": 1, "stored": 0} == json.loads(answers[1].answer)


def test_one_foreign_site_refuses_the_whole_request() -> None:
    port = Port()
    both = body_of(wire(WIND), wire(LOAD))
    refused = port.reply(request(both, sites=frozenset({WIND[0]})))
    assert why(refused) is Why.FOREIGN_SITE
    assert isinstance(refused, Refused)
    assert LOAD[0] in refused.detail
    assert (port.counts.received, port.store.offsets()) == (0, {})
    assert isinstance(port.reply(request(both, sites=frozenset({WIND[0], LOAD[0]}))), Kept)


def test_a_foreign_channel_under_the_own_site_is_a_dead_letter() -> None:
    port = Port()
    reply = port.reply(request(body_of(wire(LOAD, site=WIND[0])), sites=frozenset({WIND[0]})))
    assert isinstance(reply, Kept)
    assert json.loads(reply.answer)["dead_letters"] == {"wrong_site": 1}


def test_a_faulty_reading_among_good_ones_is_a_dead_letter_with_its_place() -> None:
    port = Port()
    port.reply(request(body_of(wire())))
    reply = port.reply(request(body_of(wire(valid=5), {"v": 1}, wire(valid=10))))
    assert isinstance(reply, Kept)
    assert json.loads(reply.answer) | {"received": 3, "stored": 2} == json.loads(reply.answer)
    letter = port.store.dead_letters[0]
    assert (letter.source, letter.offset, json.loads(letter.payload)) == (HTTP, 2, {"v": 1})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", JSON),
        (b" \n ", NDJSON),
        (b"[]", JSON),
        (b"[1,", JSON),
        (b"{}", JSON),
        (b"\xff", JSON),
        (b"[" * 5000, JSON),
        (b"[" + b",".join([b"1"] * 1002) + b"," + body_of(wire()) + b"]", JSON),
        (b"\n".join([b"1"] * (MOST_MESSAGES + 1)), NDJSON),
        (b"ARROW1", ARROW),
        (b"v=1", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_of_which_nothing_can_be_read_is_refused_and_leaves_no_trace(body: bytes, kind: str) -> None:
    port = Port()
    refused = port.reply(request(body, kind, key="a/1"))
    assert why(refused) is Why.UNREADABLE
    assert (port.counts.received, port.store.offsets(), port.store.receipt("a/1")) == (0, {}, None)


def test_more_than_may_wait_is_refused_at_once_and_room_is_made_by_answers() -> None:
    port = Port(most_requests=2, most_bytes=1000)
    waiting = [port.feed.submit(request(body_of(wire(valid=5 * n)))) for n in range(3)]
    assert [reply.done() for reply in waiting] == [False, False, True]
    assert why(waiting[2].result(0)) is Why.FULL
    large = port.feed.submit(request(b"1" * 900))
    port.take()
    assert why(large.result(0)) is Why.FULL
    assert [type(reply.result(0)) for reply in waiting[:2]] == [Kept, Kept]
    assert isinstance(port.reply(request(body_of(wire(valid=20)))), Kept)


def test_a_request_that_came_after_the_instant_waits() -> None:
    port = Port()
    reply = port.feed.submit(request(body_of(wire())))
    assert port.feed.next_until(NOW - MINUTE) is None
    assert not reply.done()
    port.take()
    assert isinstance(reply.result(0), Kept)


def test_a_batch_that_was_not_kept_is_answered_as_failed_and_the_next_goes_on() -> None:
    port = Port()
    first, second = (port.feed.submit(request(body_of(wire(valid=5 * n)))) for n in range(2))
    port.feed.next_until(NOW)
    port.feed.seek(port.store.offsets())
    assert why(first.result(0)) is Why.FAILED
    port.take()
    assert isinstance(second.result(0), Kept)
    assert port.store.offsets() == {HTTP: 1}


def test_a_batch_whose_commit_got_lost_on_the_way_back_is_answered_as_kept() -> None:
    port = Port()
    reply = port.feed.submit(request(body_of(wire())))
    batch = port.feed.next_until(NOW)
    assert batch is not None
    accept(batch, port.store, CHANNELS)
    port.feed.seek(port.store.offsets())
    assert reply.result(0) == Kept(ANSWER)


@pytest.mark.parametrize("keys", [("", ""), ("a/1", "a/1")])
def test_two_servers_of_one_source_acknowledge_nothing_that_only_the_other_kept(keys: tuple[str, str]) -> None:
    port = Port()
    other = PushFeed(CHANNELS, port.store.receipt)
    body, others_body = (body_of(wire(valid=valid)) for valid in (0, 5))
    reply, others = port.feed.submit(request(body, key=keys[0])), other.submit(request(others_body, key=keys[1]))
    batch, others_batch = port.feed.next_until(NOW), other.next_until(NOW)
    assert batch is not None
    assert others_batch is not None
    accept(batch, port.store, CHANNELS)
    with pytest.raises(StoreConflictError):
        accept(others_batch, port.store, CHANNELS)
    for feed in (port.feed, other):
        feed.seek(port.store.offsets())
    assert reply.result(0) == Kept(ANSWER)
    assert why(others.result(0)) is (Why.OTHER_BODY if keys[1] else Why.FAILED)


def test_servers_with_names_of_their_own_do_not_stand_in_each_others_way() -> None:
    port = Port()
    feeds = [PushFeed(CHANNELS, port.store.receipt, node=node) for node in ("east", "west")]
    replies = [feed.submit(request(body_of(wire(valid=5 * n)))) for n, feed in enumerate(feeds)]
    for batch in [feed.next_until(NOW) for feed in feeds]:
        assert batch is not None
        accept(batch, port.store, CHANNELS)
    for feed in feeds:
        feed.seek(port.store.offsets())
    assert [reply.result(0) for reply in replies] == [Kept(ANSWER)] * 2
    assert port.store.offsets() == {"http/east": 1, "http/west": 1}


def test_a_key_that_another_server_keeps_meanwhile_is_answered_alike_by_both() -> None:
    port = Port()
    feeds = [PushFeed(CHANNELS, port.store.receipt, node=node) for node in ("east", "west")]
    replies = [feed.submit(request(body_of(wire()), key="a/1")) for feed in feeds]
    first, second = (feed.next_until(NOW) for feed in feeds)
    assert first is not None
    assert second is not None
    accept(first, port.store, CHANNELS)
    with pytest.raises(StoreConflictError):
        accept(second, port.store, CHANNELS)
    for feed in feeds:
        feed.seek(port.store.offsets())
    assert [reply.result(0) for reply in replies] == [Kept(ANSWER)] * 2
    assert port.store.offsets() == {"http/east": 1}


def test_a_closed_feed_refuses_what_waits_and_what_comes() -> None:
    port = Port()
    replies = [port.feed.submit(request(body_of(wire(valid=5 * n)))) for n in range(2)]
    port.feed.next_until(NOW)
    port.feed.close()
    assert port.feed.wait(10.0)
    for reply in (*replies, port.feed.submit(request(body_of(wire())))):
        assert why(reply.result(0)) is Why.FAILED


def test_a_store_that_fails_leaves_no_sender_without_a_reply() -> None:
    def failing(key: str) -> None:
        raise NoSpaceError("full", got=key)

    feed = PushFeed(CHANNELS, failing)
    keyed = feed.submit(request(body_of(wire()), key="a/1"))
    with pytest.raises(NoSpaceError):
        feed.next_until(NOW)
    plain = feed.submit(request(body_of(wire())))
    assert feed.next_until(NOW) is not None
    with pytest.raises(NoSpaceError):
        feed.next_until(NOW)
    assert [why(reply.result(0)) for reply in (keyed, plain)] == [Why.FAILED, Why.FAILED]


@given(
    body=st.binary(max_size=60) | st.text(alphabet='[]{}",:1v \n', max_size=60).map(str.encode),
    kind=st.sampled_from(CONTENT_TYPES),
)
def test_no_body_raises_and_each_has_a_reply(body: bytes, kind: str) -> None:
    port = Port()
    reply = port.reply(request(body, kind))
    assert isinstance(reply, Kept | Refused)
    assert port.counts.is_conserved
    messages = messages_of(body, kind)
    assert isinstance(messages, str) or all(messages)

"""A store that goes away for a while: senders are told, nothing is lost, nothing doubled, and health says why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from gridcore.clock import VirtualClock
from gridcore.errors import StoreConflictError, StoreUnreachableError
from gridcore.ports import Batch, Counts, DeadLetter, Receipt
from ingest.channels import channels_of
from ingest.push import Kept, PushFeed, Refused, Request, Why
from ingest.wire_parts import JSON
from pipeline.health import LIVE_WITHIN_S, STORE, Health
from pipeline.observer import Unobserved
from pipeline.push_command import ASK_STORE, PushIntake
from storage.memory import MemoryStore
from tests.ingest.builders import START, small_network
from tests.pipeline.push_server import ANSWER, wire

CHANNELS = channels_of(small_network())


class LostStore(MemoryStore):
    """A store whose server is lost at its first commit, before or after it took effect."""

    def __init__(self, *, is_kept: bool, away_for: int = 2, error: type[Exception] = StoreUnreachableError) -> None:
        super().__init__()
        self.is_kept, self.away_for, self.error, self.lost = is_kept, away_for, error, 0
        self.health: Health | None = None
        self.said: list[dict[str, str]] = []

    def accept(self, batch: Batch, dead_letters: Sequence[DeadLetter], receipt: Receipt | None = None) -> Counts:
        if self.lost == 0:
            self.lost = 1
            if self.is_kept:
                super().accept(batch, dead_letters, receipt)
            raise self.error("the server went away")
        return super().accept(batch, dead_letters, receipt)

    def offsets(self) -> dict[str, int]:
        if 0 < self.lost <= self.away_for:
            assert self.health is not None
            self.said.append(self.health.reasons())
            self.lost += 1
            raise StoreUnreachableError("the server does not answer")
        return super().offsets()


def run(store: LostStore, *requests: Request) -> list[Any]:
    """The replies to requests, with the intake run until each has its own."""
    feed, clock, health = PushFeed(CHANNELS, store.receipt), VirtualClock(START), Health(STORE)
    store.health = health
    replies = [feed.submit(request) for request in requests]
    PushIntake(feed, store, CHANNELS, clock, health, Unobserved()).run(lambda: all(reply.done() for reply in replies))
    assert health.reasons() == {}
    return [reply.result(0) for reply in replies]


def request(valid: float, key: str) -> Request:
    return Request(json.dumps(wire(valid)).encode(), JSON, START, None, key)


@pytest.mark.parametrize("error", [StoreUnreachableError, StoreConflictError])
@pytest.mark.parametrize("is_kept", [False, True])
def test_a_lost_commit_is_answered_by_what_the_store_has_once_it_is_back(is_kept: bool, error: type[Exception]) -> None:
    store = LostStore(is_kept=is_kept, error=error)
    first, second, again = run(store, request(0, "a/1"), request(5, "a/2"), request(0, "a/1"))
    assert first == Kept(ANSWER) if is_kept else isinstance(first, Refused) and first.why is Why.FAILED
    assert second == Kept(ANSWER)
    assert again == Kept(ANSWER, is_repeat=is_kept)
    assert store.offsets() == {"http": 2}
    assert [set(reasons) for reasons in store.said] == [{STORE}] * 2
    assert "went away" in store.said[0][STORE]
    assert "does not answer" in store.said[1][STORE]


def test_a_store_that_goes_away_while_nothing_comes_is_told_by_health() -> None:
    store, clock, health = LostStore(is_kept=False, away_for=2), VirtualClock(START), Health(STORE)
    store.lost, store.health = 3, health
    feed, said, turns = PushFeed(CHANNELS, store.receipt), [], 0

    def is_stopping() -> bool:
        nonlocal turns
        turns += 1
        said.append(set(health.reasons()))
        clock.wait_until(clock.now() + ASK_STORE)
        if turns == 2:
            feed.close()
            store.lost = 1
        return turns == 6

    PushIntake(feed, store, CHANNELS, clock, health, Unobserved()).run(is_stopping)
    assert said == [{STORE}, set(), {STORE}, {STORE}, set(), set()]


def test_a_loop_that_does_not_come_round_is_not_alive() -> None:
    now_s = [0.0]
    health = Health(now_s=lambda: now_s[0])
    now_s[0] = LIVE_WITHIN_S
    assert health.hanging() == ""
    now_s[0] += 1.0
    assert "61 s" in health.hanging()
    assert set(health.reasons()) == {"loop"}
    health.turned()
    assert (health.hanging(), health.reasons()) == ("", {})

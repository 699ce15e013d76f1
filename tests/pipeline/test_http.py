"""The web door holds back what must not come in, bounds the rest, and acknowledges only what is stored."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.http import HUNG_UP, LIVE, METRICS, READY, TELEMETRY, Limits
from storage.embedded import EmbeddedStore
from storage.maintenance import check
from tests.pipeline.push_server import ANSWER, LOAD, PATIENCE_S, TOKENS, Gate, Site, push_server, wire


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for the tests that leave no mark on each other."""
    with push_server(
        tmp_path_factory.mktemp("push"), Limits(body_bytes=2_000, per_second=1e6, burst=10_000)
    ) as running:
        yield running


def stored(folder: Path) -> int:
    """Readings in a store that is sound."""
    assert check(folder) == []
    with closing(EmbeddedStore(folder, is_read_only=True)) as store:
        return int(dict(store.rows("SELECT name, amount FROM tally")).get("stored", 0))


def test_a_pushed_reading_is_answered_with_what_became_of_it(site: Site) -> None:
    answer = site.post([wire(0), wire(0), {"v": 1}, wire(5, channel=LOAD, unit="kW")])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    letters = {"missing_field": 1, "wrong_unit": 1}
    counts = {"received": 4, "stored": 1, "duplicate": 1, "revised": 0, "conflict": 0, "dead_letters": letters}
    assert answer.json() == counts


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", f"Basic {TOKENS['all']}", f"Bearer {TOKENS['all']}x", TOKENS["all"]]
)
def test_without_a_known_token_nothing_is_read(site: Site, authorization: str) -> None:
    before = site.counts.received
    answer = site.post(wire(100), authorization=authorization)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert site.counts.received == before


def test_a_site_of_another_refuses_the_whole_request_and_is_named(site: Site) -> None:
    before = site.counts.received
    answer = site.post([wire(200), wire(200, channel=LOAD)], sender="wind")
    assert answer.status_code == 403
    assert LOAD[0] in answer.json()["error"]
    assert site.counts.received == before
    assert site.post(wire(200), sender="wind").status_code == 200


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(site: Site) -> None:
    def parts() -> Iterator[bytes]:
        yield from [b" " * 700] * 5

    before = site.counts.received
    assert site.post(b" " * 2_001).status_code == 413
    assert site.post(parts()).status_code == 413
    assert site.post(wire(300)).status_code == 200
    assert site.counts.received == before + 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
        ({"content_type": "application/json; charset=utf-8"}, 200),
        ({"content_type": "application/x-ndjson"}, 200),
        ({"content_encoding": "gzip"}, 415),
        ({"idempotency_key": "a b"}, 422),
        ({"idempotency_key": "x" * 256}, 422),
    ],
)
def test_a_form_that_is_not_known_is_refused(site: Site, headers: dict[str, str], status: int) -> None:
    assert site.post(wire(400), **headers).status_code == status


@pytest.mark.parametrize("body", [b"", b"[]", b"not json", b"{}", b"\xff\xfe"])
def test_a_body_of_which_nothing_can_be_read_is_refused_with_the_reason(site: Site, body: bytes) -> None:
    before = site.counts.received
    answer = site.post(body)
    assert answer.status_code == 422
    assert "got" in answer.json()["error"]
    assert site.counts.received == before


def test_a_repeat_has_the_first_answer_byte_for_byte_and_another_body_is_refused(site: Site) -> None:
    first, again = (site.post(wire(500), key="k") for _ in range(2))
    assert (first.content, again.content) == (ANSWER, ANSWER)
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert site.post(wire(500, value=2.0), key="k").status_code == 422
    assert site.post(wire(500), key="k", sender="wind").content != ANSWER, "a key is its sender's own"


def test_equal_keys_at_once_are_stored_once(site: Site) -> None:
    before = site.counts.received
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: site.post(wire(600), key="at-once"), range(8)))
    assert {answer.content for answer in answers} == {ANSWER}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert site.counts.received == before + 1


def test_health_tells_which_part_is_not_well(site: Site) -> None:
    assert site.client.get(LIVE).json() == {"live": True, "reason": ""}
    assert site.client.get(READY).json() == {"ready": True, "reasons": {}}
    site.health.ill("store", "the server does not answer")
    answer = site.client.get(READY)
    site.health.well("store")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reasons": {"store": "the server does not answer"}}


def test_other_paths_and_methods_are_not_there(site: Site) -> None:
    assert site.client.get("/v1/other").status_code == 404
    assert site.client.get(TELEMETRY).status_code == 405


def test_the_metrics_page_counts_what_was_pushed(site: Site) -> None:
    site.post([wire(700), wire(700), wire(705, channel=(*LOAD[:1], "nobody/load", *LOAD[2:]))])
    lines = site.client.get(METRICS).text.splitlines()
    values = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}
    for outcome in ("stored", "duplicate"):
        assert values[f'xiaona_readings_total{{outcome="{outcome}"}}'] == getattr(site.counts, outcome)
    assert values['xiaona_dead_letters_total{reason="unknown_channel"}'] >= 1


def test_a_flood_is_held_back_and_what_was_acknowledged_is_stored(tmp_path: Path) -> None:
    with push_server(tmp_path, Limits(per_second=0.001, burst=7)) as site:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda n: site.post(wire(5 * n)), range(40)))
        statuses = [answer.status_code for answer in answers]
        assert (statuses.count(200), statuses.count(429)) == (7, 33)
        assert all(int(each.headers["retry-after"]) > 0 for each in answers if each.status_code == 429)
        assert site.post(wire(1), sender="wind").status_code == 200, "one sender's flood is not another's"
    assert stored(tmp_path) == 8


def test_more_than_may_wait_is_refused_at_once_while_the_store_is_slow(tmp_path: Path) -> None:
    gate = Gate()
    with push_server(tmp_path, gate=gate, most_requests=2) as site, ThreadPoolExecutor(2) as pool:
        first = pool.submit(site.post, wire(0))
        assert gate.entered.acquire(timeout=PATIENCE_S)
        second = pool.submit(site.post, wire(5))
        for _ in range(2):
            assert site.feed.handed_over.acquire(timeout=PATIENCE_S)
        third = site.post(wire(10))
        assert (third.status_code, third.headers["retry-after"]) == (503, "1")
        assert not first.done()
        gate.opened.set()
        assert [waiting.result(PATIENCE_S).status_code for waiting in (first, second)] == [200, 200]
    assert stored(tmp_path) == 2


def test_all_bodies_together_are_bounded(tmp_path: Path) -> None:
    with push_server(tmp_path, Limits(reading_bytes=10)) as site:
        assert site.post(wire(0)).status_code == 503
    assert stored(tmp_path) == 0


def test_a_body_that_does_not_come_is_timed_out(tmp_path: Path) -> None:
    with (
        push_server(tmp_path, Limits(body_s=0.2)) as site,
        socket.create_connection(("127.0.0.1", site.port), PATIENCE_S) as slow,
    ):
        slow.sendall(_head(100))
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")
    assert stored(tmp_path) == 0


def test_an_answer_that_takes_too_long_is_had_later_by_the_same_key(tmp_path: Path) -> None:
    gate = Gate()
    with push_server(tmp_path, Limits(answer_s=0.2), gate=gate) as site:
        answer = site.post(wire(0), key="slow")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert gate.entered.acquire(timeout=PATIENCE_S)
    with push_server(tmp_path) as site:
        again = site.post(wire(0), key="slow")
        assert (again.status_code, again.content, site.counts.received) == (200, ANSWER, 0)
    assert stored(tmp_path) == 1


def test_a_sender_that_hangs_up_within_its_body_leaves_nothing(tmp_path: Path) -> None:
    with push_server(tmp_path) as site:
        with socket.create_connection(("127.0.0.1", site.port), PATIENCE_S) as gone:
            gone.sendall(_head(100) + b'{"v":1')
        assert site.metrics.statuses.get(timeout=PATIENCE_S) == HUNG_UP
        assert site.post(wire(0)).status_code == 200
    assert stored(tmp_path) == 1


def test_a_sender_that_hangs_up_before_its_answer_gets_the_first_one_when_it_asks_again(tmp_path: Path) -> None:
    gate, body = Gate(), json.dumps(wire(0)).encode()
    with push_server(tmp_path, gate=gate) as site:
        with socket.create_connection(("127.0.0.1", site.port), PATIENCE_S) as gone:
            gone.sendall(_head(len(body), "lost") + body)
            assert gate.entered.acquire(timeout=PATIENCE_S)
        gate.opened.set()
        again = site.post(body, key="lost")
        assert (again.content, again.headers["idempotent-replayed"]) == (ANSWER, "true")
    assert stored(tmp_path) == 1


def _head(length: int, key: str = "k") -> bytes:
    """The head of a request, as it goes over the wire."""
    lines = [
        f"POST {TELEMETRY} HTTP/1.1", "host: x", f"authorization: Bearer {TOKENS['all']}",
        "content-type: application/json", f"content-length: {length}", f"idempotency-key: {key}", "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()

"""A log line is one JSON object that tells its run and place; nothing secret reaches one, whichever way it came."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gridcore.clock import VirtualClock
from gridcore.ports import Counts
from pipeline.logs import LogObserver, masked, set_up_logs
from tests.ingest.builders import START, batch_of, reading
from tests.pipeline.push_server import TOKENS, push_server, wire

SECRET = "hunter2-hunter2"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged."""
    stream, handlers = io.StringIO(), logging.root.handlers[:]
    set_up_logs(VirtualClock(START), stream=stream, level="debug", run_id="run-1")
    yield stream
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers


def events(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_batch_is_logged_with_its_run_topic_partition_and_offsets(lines: io.StringIO) -> None:
    batch = batch_of([reading()], start=7, source="xiaona.telemetry.v1/3")
    LogObserver().kept(batch, Counts(received=1, dead_letters={"wrong_unit": 1}), 0.5)
    (event,) = events(lines)
    place = {"run_id": "run-1", "topic": "xiaona.telemetry.v1", "partition": 3, "offset": 7, "next_offset": 8}
    assert event | place | {"level": "warning", "at": START.isoformat(), "received": 1} == event


def test_libraries_log_in_the_same_form(lines: io.StringIO) -> None:
    logging.getLogger("some.library").warning("connecting to %s", f"postgresql://me:{SECRET}@db/x")
    (event,) = events(lines)
    assert event["run_id"] == "run-1"
    assert event["event"] == "connecting to postgresql://me:***@db/x"


@pytest.mark.parametrize(
    "fields",
    [
        {"password": SECRET},
        {"sasl_password": SECRET},
        {"Authorization": f"Bearer {SECRET}"},
        {"settings": {"store": {"api_key": SECRET}}},
        {"held": SecretStr(SECRET)},
        {"held": [{"deep": (SecretStr(SECRET),)}]},
        {"url": f"postgresql://me:{SECRET}@db/x"},
        {"words": f"authorization: bearer {SECRET}, and more"},
        {"words": f"sasl.password={SECRET}"},
        {"error": ValueError(f"password: {SECRET}")},
    ],
)
def test_a_secret_does_not_reach_a_line(lines: io.StringIO, fields: dict[str, object]) -> None:
    log = structlog.get_logger()
    log.info("told", **fields)
    try:
        raise ValueError(f"can't connect with password={SECRET}")
    except ValueError:
        log.exception("failed")
    assert len(events(lines)) == 2
    assert SECRET not in lines.getvalue()


@given(secret=st.text(alphabet="abcXYZ019-_.~+/", min_size=4, max_size=40), name=st.sampled_from(["token", "x"]))
def test_a_secret_type_is_masked_under_any_name(secret: str, name: str) -> None:
    assert masked(None, "", {name: SecretStr(secret), "event": "e"}) == {name: "***", "event": "e"}


def test_no_token_of_a_request_is_logged_wherever_the_sender_put_it(lines: io.StringIO, tmp_path: Path) -> None:
    token = TOKENS["all"]
    with push_server(tmp_path) as site:
        assert site.post(wire(0), key="k").status_code == 200
        assert site.client.get(f"/v1/telemetry/{token}?token={token}").status_code == 404
        assert site.client.post(f"/v1/telemetry?token={token}", headers={"authorization": token}).status_code == 401
    told = [event for event in events(lines) if event["event"] == "request"]
    assert [(event["path"], event["status"]) for event in told] == [
        ("/v1/telemetry", 200), ("other", 404), ("/v1/telemetry", 401),
    ]  # fmt: skip
    assert told[0]["sender"] == "all"
    assert token not in lines.getvalue()

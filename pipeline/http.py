"""The web door: `POST /v1/telemetry` for pushed readings, `/health/live`, `/health/ready` and `/metrics` for operators.

It holds back what must not come in (no token, too often, too large, of no known form) before it reads a body, bounds
the bytes that it reads at a time, and hands the rest to `ingest.push`, whose reply it gives back after the commit.
"""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import dataclass, field
from time import perf_counter

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from gridcore.clock import Clock
from ingest.push import Kept, PushFeed, Reply, Why
from ingest.push import Request as Pushed
from ingest.push_body import CONTENT_TYPES
from pipeline.health import Health
from pipeline.http_access import RateLimit, Sender, Senders
from pipeline.metrics import Metrics

TELEMETRY, LIVE, READY, METRICS = "/v1/telemetry", "/health/live", "/health/ready", "/metrics"
"""Paths; any other is logged as `other`, since a token may have been put into it."""

STATUS = {
    Why.UNREADABLE: 422,
    Why.OTHER_BODY: 422,
    Why.FOREIGN_SITE: 403,
    Why.FULL: 503,
    Why.FAILED: 503,
}
"""Status of a request that was not kept."""

HUNG_UP = 499
"""Logged where the sender went before its body was whole; nobody is there to be answered."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class Limits:
    """What a request, a sender and all of them together may take."""

    body_bytes: int = 8 << 20
    """Bytes of a body at most; beyond it 413."""

    reading_bytes: int = 64 << 20
    """Bytes of all bodies that are being read; beyond it 503."""

    body_s: float = 30.0
    """How long a body may take to come [s]; beyond it 408."""

    answer_s: float = 30.0
    """How long a request waits for its commit [s]; beyond it 503, and the sender repeats it."""

    per_second: float = 50.0
    """Requests a second of one sender in the long run; beyond it 429."""

    burst: int = 100
    """Requests of one sender at once."""


def refusal(status: int, error: str, *, after_s: float | None = None, challenge: str = "") -> Response:
    """An answer that says no, and why.

    Args:
        status: Its status code.
        error: What came and what was wanted.
        after_s: When to try again, where that helps [s].
        challenge: How to say who one is, where that is missing.
    """
    headers = {} if after_s is None else {"Retry-After": str(max(1, math.ceil(after_s)))}
    return JSONResponse({"error": error}, status, headers | ({"WWW-Authenticate": challenge} if challenge else {}))


@dataclass
class TelemetryDoor:
    """Takes pushed readings in.

    All of it runs in the web server's one thread.
    """

    feed: PushFeed
    """Where bodies go."""

    senders: Senders
    """Who may push."""

    clock: Clock
    """Tells when a body was whole."""

    limits: Limits = field(default_factory=Limits)
    """What is refused."""

    reading_bytes: int = 0
    """Bytes of the bodies that are being read."""

    def __post_init__(self) -> None:
        self._rate = RateLimit(self.limits.per_second, self.limits.burst)

    async def post(self, request: Request) -> Response:
        """Answer one request: after its commit, or with the reason why nothing of it was kept."""
        sender = self.senders.of(request.headers.get("authorization", ""))
        if sender is None:
            return refusal(401, "got no known token; wanted Authorization: Bearer TOKEN", challenge="Bearer")
        request.state.told["sender"] = sender.name
        if (refused := self._held_back(request, sender)) is not None:
            return refused
        body = await self._body(request)
        if isinstance(body, Response):
            return body
        key = request.headers.get("idempotency-key", "")
        pushed = Pushed(
            body, _media_type(request), self.clock.now(), sender.allowed, f"{sender.name}/{key}" if key else ""
        )
        reply = await self._reply(pushed)
        return reply if isinstance(reply, Response) else _answer(reply)

    def _held_back(self, request: Request, sender: Sender) -> Response | None:
        """Why a body is not even read; None where it is."""
        headers = request.headers
        if (wait_s := self._rate.wait_s(sender.name, perf_counter())) > 0.0:
            return refusal(429, f"wanted at most {self.limits.per_second:g} requests a second", after_s=wait_s)
        if (kind := _media_type(request)) not in CONTENT_TYPES:
            return refusal(415, f"got content-type {kind[:80]!a}; wanted {', '.join(CONTENT_TYPES)}")
        if headers.get("content-encoding", "identity") != "identity":
            return refusal(415, "got an encoded body; wanted it plain")
        if "idempotency-key" in headers and not _KEY.fullmatch(headers["idempotency-key"]):
            return refusal(422, "wanted an Idempotency-Key of 1 to 255 visible ASCII characters")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.limits.body_bytes:
            return self._too_large()
        return None

    async def _body(self, request: Request) -> bytes | Response:
        """The whole body, or the answer where it grows too large, all of them do, or it takes too long."""
        held = 0
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self.limits.body_s):
                async for part in request.stream():
                    held += len(part)
                    self.reading_bytes += len(part)
                    if held > self.limits.body_bytes:
                        return self._too_large()
                    if self.reading_bytes > self.limits.reading_bytes:
                        return refusal(503, "too many bodies are being read", after_s=1.0)
                    parts.append(part)
        except TimeoutError:
            return refusal(408, f"wanted the body within {self.limits.body_s:g} s")
        except ClientDisconnect:
            return Response(status_code=HUNG_UP)
        finally:
            self.reading_bytes -= held
        return b"".join(parts)

    async def _reply(self, pushed: Pushed) -> Reply | Response:
        """The push port's reply, or an answer where it is too long in coming."""
        try:
            async with asyncio.timeout(self.limits.answer_s):
                return await asyncio.wrap_future(self.feed.submit(pushed))
        except TimeoutError:
            # It may still be kept: a sender with a key can find out.
            return refusal(503, "it is not yet known whether the request was kept; repeat it", after_s=5.0)

    def _too_large(self) -> Response:
        return refusal(413, f"wanted a body of at most {self.limits.body_bytes} bytes")


@dataclass(frozen=True)
class OperationsDoor:
    """What operators and their programs ask."""

    health: Health
    """Tells what is wrong."""

    metrics: Metrics
    """Gives the page of metrics."""

    async def live(self, _request: Request) -> Response:
        """200 while the loop comes round."""
        hanging = self.health.hanging()
        return JSONResponse({"live": not hanging, "reason": hanging}, 503 if hanging else 200)

    async def ready(self, _request: Request) -> Response:
        """200 while every part can do its work; else 503 and the reasons by part."""
        reasons = self.health.reasons()
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def page(self, _request: Request) -> Response:
        """The metrics."""
        return Response(self.metrics.page(), media_type=self.metrics.content_type)


def web_app(operations: OperationsDoor, telemetry: TelemetryDoor | None = None) -> Watched:
    """The application: operations alone, or pushed telemetry too."""
    routes = [
        Route(LIVE, operations.live, methods=["GET"]),
        Route(READY, operations.ready, methods=["GET"]),
        Route(METRICS, operations.page, methods=["GET"]),
    ]
    if telemetry is not None:
        routes.append(Route(TELEMETRY, telemetry.post, methods=["POST"]))
    return Watched(Starlette(routes=routes), operations.metrics)


class Watched:
    """Counts and logs each request of an application; never its query, its headers or its body.

    Args:
        app: The application.
        metrics: Counts.
    """

    def __init__(self, app: Starlette, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics
        self._log = structlog.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        told: dict[str, object] = {}
        scope.setdefault("state", {})["told"] = told
        began, status = perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            seconds = perf_counter() - began
            self._metrics.answered(status, seconds)
            path = scope["path"] if scope["path"] in {TELEMETRY, LIVE, READY, METRICS} else "other"
            write = self._log.info if path == TELEMETRY or status >= 400 else self._log.debug
            method = scope["method"] if scope["method"] in {"GET", "HEAD", "POST"} else "other"
            write("request", method=method, path=path, status=status, seconds=round(seconds, 6), **told)


def _media_type(request: Request) -> str:
    """The content-type without its parameters; JSON where there is none."""
    return request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()


def _answer(reply: Reply) -> Response:
    """The answer of a reply."""
    if isinstance(reply, Kept):
        headers = {"Idempotent-Replayed": "true"} if reply.is_repeat else {}
        return Response(reply.answer, 200, headers, media_type="application/json")
    after_s = 1.0 if reply.why in {Why.FULL, Why.FAILED} else None
    return refusal(STATUS[reply.why], reply.detail, after_s=after_s)

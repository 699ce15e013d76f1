"""Bodies of pushed requests, cut into the messages that they hold."""

from __future__ import annotations

import msgspec

from ingest.decode import DEEPEST
from ingest.wire_parts import ARROW, JSON

NDJSON = "application/x-ndjson"
"""One JSON object a line."""

CONTENT_TYPES = (JSON, NDJSON, ARROW)
"""What a body may be: a reading or an array of them, lines of readings, an Arrow IPC stream."""

MOST_MESSAGES = 100_000
"""JSON readings of a request at most; a gateway with more sends them as Arrow."""

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


def messages_of(body: bytes, content_type: str) -> list[bytes] | str:
    """The messages of a body, at least one; or why it has none, in words. Never raises for what it holds.

    Args:
        body: All of it.
        content_type: One of `CONTENT_TYPES`, which tells how it is cut; the messages themselves are not looked into.
    """
    match content_type:
        case _ if not body.strip():
            return "got no bytes; wanted readings"
        case "application/json":
            found = _elements(body) if body.lstrip()[:1] == b"[" else [body]
        case "application/x-ndjson":
            found = [line for line in body.splitlines() if line.strip()]
        case "application/vnd.apache.arrow.stream":
            found = [body]
        case _:
            return f"got content-type {content_type[:80]!a}; wanted {', '.join(CONTENT_TYPES)}"
    if isinstance(found, str):
        return found
    if not 0 < len(found) <= MOST_MESSAGES:
        return f"got {len(found)} readings; wanted 1 to {MOST_MESSAGES}"
    return found


def _elements(body: bytes) -> list[bytes] | str:
    """The elements of a JSON array, each as it was written."""
    try:
        return [bytes(element) for element in _ARRAY.decode(body)]
    except (msgspec.MsgspecError, ValueError) as cause:
        return f"got no JSON array: {str(cause)[:200]}"
    except RecursionError:
        return f"got brackets within brackets beyond {DEEPEST}; wanted readings"

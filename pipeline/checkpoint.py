"""Checkpoints: what a run needs, besides its store, to go on after a tick as if it had never stopped."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace

from gridcore.ports import Decision


def with_world(decision: Decision, world: bytes, readiness: Mapping[str, str] | None = None) -> Decision:
    """The decision with the world's state (the simulated plant's) added to its checkpoint.

    Args:
        decision: As the desk made it.
        world: State of the world; empty for the real one.
        readiness: Why the tick waited no longer for each partition of the stream; kept beside the decision and no part
            of it, so that a replay from files decides the same.
    """
    parts: dict[str, object] = {
        "desk": base64.b64encode(decision.checkpoint).decode(),
        "world": base64.b64encode(world).decode(),
    }
    if readiness:
        parts["readiness"] = dict(sorted(readiness.items()))
    return replace(decision, checkpoint=json.dumps(parts).encode())


def readiness_of(checkpoint: bytes) -> dict[str, str]:
    """Why the tick waited no longer, by partition; empty where no stream was read."""
    told: dict[str, str] = json.loads(checkpoint).get("readiness", {})
    return told


def split(checkpoint: bytes) -> tuple[bytes, bytes]:
    """The desk's and the world's part."""
    parts = json.loads(checkpoint)
    return base64.b64decode(parts["desk"]), base64.b64decode(parts["world"])

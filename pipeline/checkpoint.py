"""Checkpoints: what a run needs, besides its store, to go on after a tick as if it had never stopped."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

from gridcore.ports import Decision


def with_world(decision: Decision, world: bytes) -> Decision:
    """The decision with the world's state (the simulated plant's) added to its checkpoint."""
    parts = {"desk": base64.b64encode(decision.checkpoint).decode(), "world": base64.b64encode(world).decode()}
    return replace(decision, checkpoint=json.dumps(parts).encode())


def split(checkpoint: bytes) -> tuple[bytes, bytes]:
    """The desk's and the world's part."""
    parts = json.loads(checkpoint)
    return base64.b64decode(parts["desk"]), base64.b64decode(parts["world"])

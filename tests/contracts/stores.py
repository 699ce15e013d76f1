"""Every adapter of the store's port, to be held to its laws, and the embedded one cut into the smallest pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from gridcore.ports import Batch, Counts, DeadLetter, Decision, Known, Receipt, RegisteredModel, Store
from storage import history, merging, sealing, segment_files, segments
from storage.embedded import EmbeddedStore
from storage.memory import MemoryStore

NewStore = Callable[[], Any]
"""Gives a context with a fresh store."""


@contextmanager
def in_memory() -> Iterator[Store]:
    yield MemoryStore()


@contextmanager
def embedded() -> Iterator[EmbeddedStore]:
    with TemporaryDirectory() as folder:
        store = EmbeddedStore(Path(folder) / "store", synchronous="OFF")
        yield store
        store.close()


@contextmanager
def embedded_in_pieces() -> Iterator[EmbeddedStore]:
    """Every batch of six claims or more becomes a segment, and so does every log of three; row groups hold two claims,
    segments are merged all the time in windows of four claims, and none stays decoded."""
    small = ((history, "SEGMENT_ROWS", 6), (segments, "ROW_GROUP_ROWS", 2), (segment_files, "CACHED_BYTES", 0))
    merges = ((merging, "HOT_ROWS", 3), (merging, "FANOUT", 2), (merging, "WINDOW_ROWS", 4), (sealing, "HOT_LIMIT", 1))
    with ExitStack() as patched:
        for module, constant, value in (*small, *merges):
            patched.enter_context(patch.object(module, constant, value))
        yield patched.enter_context(embedded())


@contextmanager
def two_embedded() -> Iterator[Store]:
    """Two open stores on one directory take turns in writing; each must see what the other wrote."""
    with TemporaryDirectory() as folder:
        pair = [EmbeddedStore(Path(folder) / "store", synchronous="OFF") for _ in range(2)]
        yield Alternating(pair)
        for store in pair:
            store.close()


class Alternating:
    """Hands each call to the next of its stores."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores, self._turn = stores, 0

    def _next(self) -> Store:
        self._turn += 1
        return self._stores[self._turn % len(self._stores)]

    def accept(self, given: Batch, dead_letters: Sequence[DeadLetter], receipt: Receipt | None = None) -> Counts:
        return self._next().accept(given, dead_letters, receipt)

    def receipt(self, key: str) -> Receipt | None:
        return self._next().receipt(key)

    def known_at(self, instant: Any) -> Known:
        return self._next().known_at(instant)

    def register(self, model: RegisteredModel) -> None:
        self._next().register(model)

    def publish(self, made: Decision) -> None:
        self._next().publish(made)

    def offsets(self) -> dict[str, int]:
        return self._next().offsets()

    def last_decision(self) -> Any:
        return self._next().last_decision()

    def close(self) -> None:
        for store in self._stores:
            store.close()


STORES = {"memory": in_memory, "embedded": embedded, "in pieces": embedded_in_pieces, "two connections": two_embedded}

"""Python's search for reference cycles, left out where it finds nothing and costs much.

A poll makes tens of thousands of messages in which no cycle can be; for every 700 of them the search would look through
all that are still there. It took two thirds of a poll's time and a quarter of the decoding's.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_cycle_search() -> Iterator[None]:
    """No search begins while the block runs; what it leaves is looked through afterwards."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()

"""`xiaona ingest`: a feed of files into a store, with the counts that prove that nothing was lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

from rich.table import Table

from gridcore.clock import SystemClock
from gridcore.ports import Counts
from ingest.accept import accept
from ingest.files import open_feed
from pipeline import console
from pipeline.stores import open_store

END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
"""Back-fill takes all that a file holds, whatever instant it says it came at."""


def run_ingest(url: str, store_at: str, grid: str | None, until_idle_s: float, as_json: bool) -> None:
    """Take everything that a source holds into a store and print the counts.

    Args:
        url: Address of the source.
        store_at: Directory or address of the store; made if absent.
        grid: Grid whose channels are expected, where the source names none.
        until_idle_s: Seconds without a new reading after which it ends; a source that has ended ends at once at 0 [s].
        as_json: Print JSON alone.
    """
    clock = SystemClock()
    feed, channels = open_feed(url, grid, clock)
    store = open_store(store_at)
    counts, began = Counts(), perf_counter()
    try:
        feed.seek(store.offsets())
        quiet_since = clock.now()
        while True:
            batch = feed.next_until(END_OF_TIME)
            if batch is not None:
                counts.add(accept(batch, store, channels))
                quiet_since = clock.now()
            elif clock.now() - quiet_since >= timedelta(seconds=until_idle_s):
                break
            else:
                clock.wait_until(clock.now() + timedelta(seconds=0.2))
        offsets = store.offsets()
    finally:
        store.close()
    seconds = perf_counter() - began
    _show(counts, offsets, counts.received / seconds if seconds > 0 else 0.0, as_json)


def _show(counts: Counts, offsets: dict[str, int], rate: float, as_json: bool) -> None:
    facts: dict[str, Any] = {**vars(counts), "next_offsets": offsets, "readings_per_second": rate}
    if as_json:
        console.print_json(facts)
        return
    table = Table(title="ingest", show_header=False)
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), f"{value:,.0f}" if isinstance(value, int | float) else str(value))
    console.results.print(table)

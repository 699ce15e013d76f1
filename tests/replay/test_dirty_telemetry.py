"""Dirty telemetry through the loop and the store: every reading is accounted for, and the decisions repeat."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from gridcore.clock import VirtualClock
from gridcore.ports import Counts
from gridcore.timeline import PERIOD, to_numpy
from ingest.dirt import Dirt
from ingest.recording import RecordingSource, read_recording, write_recording
from pipeline.phase import Phase, Recorded, store_path, wire
from pipeline.replay import split_at
from pipeline.schedule import ticks
from storage.check import check
from storage.embedded import EmbeddedStore
from tests.replay.small import START_OF_DAY, decisions, open_small, same_bits

END = START_OF_DAY + timedelta(hours=2)
"""Eight ticks, the first with a commitment; the history is too short for a fit, which would take most of the time."""

HISTORY_DAYS, SEED = 2.0, 25


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dirty") / "rec"
    day = timedelta(hours=23)
    write_recording(open_small(), START_OF_DAY, START_OF_DAY + day, out, dirty_seed=SEED, history_days=HISTORY_DAYS)
    return out


def run(source: RecordingSource, directory: Path) -> Counts:
    """Run the ticks and let the world go on to the end; what was counted."""
    first, last = START_OF_DAY - timedelta(days=HISTORY_DAYS), END + timedelta(days=2)
    recorded = Recorded(source.readings(first, last), source.official(first, last), source.outages(first, last))
    truth = source.actual(first, last)
    assert truth is not None
    history, world = split_at(recorded, START_OF_DAY - PERIOD)
    phase = Phase(
        "ours", source.network, world, truth, recorded.outages, START_OF_DAY, START_OF_DAY, END, directory, 0,
        reading_period=source.reading_period,
    )  # fmt: skip
    store = EmbeddedStore(store_path(directory))
    try:
        loop, _ = wire(phase, store, history, VirtualClock(START_OF_DAY - PERIOD))
        loop.run(ticks(START_OF_DAY, END, source.network.zone))
        loop.finish(END)
        done = store.last_decision()
        assert done is not None
        assert done[0] == END - 2 * PERIOD, "the setpoints of the last period are decided one period before it"
        return loop.counts
    finally:
        store.close()


def arrived(table: pa.Table, column: str = "available_at", since: datetime | None = None) -> pa.Table:
    """Rows that were there by the end of the run."""
    at = table.column(column).to_numpy()
    return table.filter(pa.array((at <= to_numpy(END)) & (at > to_numpy(since or START_OF_DAY - timedelta(days=9)))))


def cells(table: pa.Table, valid_time: str) -> list[tuple[str, np.datetime64]]:
    return list(zip(table.column("channel").to_pylist(), table.column(valid_time).to_numpy(), strict=True))


def test_every_dirty_reading_is_accounted_for_and_the_decisions_repeat(recording, tmp_path):
    source = read_recording(recording)
    counts = run(source, tmp_path / "a")
    assert counts.is_conserved
    sent = arrived(pq.read_table(recording / "readings.parquet"))
    ledger = arrived(pq.read_table(recording / "dirt.parquet"), "sent_available_at")
    of_kind = {kind: ledger.filter(pc.equal(ledger.column("kind"), kind.value)) for kind in Dirt}
    # A clock that is put right sends some stamps a second time: with another value, as good as always.
    plain = Counter(cells(sent, "valid_time"))
    skewed = of_kind[Dirt.SKEWED]
    collided = sum(plain[cell] > 1 for cell in cells(skewed, "sent_valid_time"))
    twice, corrected = len(of_kind[Dirt.DUPLICATE]), int((sent.column("revision").to_numpy() == 1).sum())
    plant = counts.received - len(sent)
    assert (counts.duplicate, counts.revised, counts.conflict) == (twice, corrected, collided)
    assert counts.stored == len(plain) + plant
    assert counts.dead_letters == {}
    assert counts.flags["future"] == len(skewed)
    assert counts.flags["out_of_range"] == len(of_kind[Dirt.OUT_OF_RANGE])
    assert min(twice, corrected, collided, len(of_kind[Dirt.OUT_OF_RANGE])) > 0, "another seed is wanted"
    assert len(arrived(ledger, "sent_available_at", START_OF_DAY)) > 0, "dirt arrives while the loop runs"
    assert check(store_path(tmp_path / "a")) == []

    assert run(source, tmp_path / "b") == counts
    assert same_bits(decisions(tmp_path / "a", END), decisions(tmp_path / "b", END), tmp_path / "compared")

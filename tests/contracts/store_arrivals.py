"""What may arrive at a store, in any order and any cut: Hypothesis makes it, the laws of a store are held to it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gridcore.ports import Batch, Counts, Store
from gridcore.reading import Quality
from tests.contracts.store_content import CHANNELS, batch, minutes, official, outage, reading

values = st.sampled_from([1.0, 2.0, 3.5, 0.0, -0.0, np.nan])
readings = st.builds(
    lambda channel, valid, value, available, revision, late: reading(
        channel,
        5 * valid,
        value,
        available,
        revision,
        # What follows from the value alone is the same each time it comes; LATE is not.
        late
        | (int(Quality.OUT_OF_RANGE) if value == 3.5 else 0)
        | (int(Quality.NOT_A_NUMBER) if np.isnan(value) else 0),
    ),
    st.sampled_from(CHANNELS[:2]),
    st.integers(0, 1),
    values,
    st.integers(0, 9),
    st.integers(0, 1),
    st.sampled_from([0, int(Quality.LATE)]),
)
officials = st.builds(
    lambda asset, valid, value, issued, delay: official(asset, 60 * valid, value, issued, issued + delay),
    st.sampled_from(("1/load", "W1")),
    st.integers(0, 3),
    values,
    st.integers(0, 5),
    st.integers(0, 4),
)
outages = st.builds(
    lambda asset, begins, length, available: outage(asset, begins, begins + length, available),
    st.sampled_from(("W1", "A1")),
    st.integers(0, 3),
    st.integers(1, 3),
    st.integers(0, 9),
)
arrivals = st.lists(
    st.one_of(readings.map(lambda r: ("r", r)), officials.map(lambda o: ("o", o)), outages.map(lambda o: ("x", o))),
    max_size=30,
)
INSTANTS = [minutes(count) for count in (-1, 0, 2, 4, 6, 8, 14)]


def batches_of(rows: Sequence[tuple[str, Any]], cuts: Sequence[int], offset: int = 0) -> list[Batch]:
    """The rows cut into batches at some places."""
    edges = [0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]
    made = []
    for first, last in pairwise(edges):
        kinds = {kind: [row for k, row in rows[first:last] if k == kind] for kind in "rox"}
        made.append(batch(offset, kinds["r"], kinds["o"], kinds["x"]))
        offset = made[-1].next_offset
    return made


def taken_in(store: Store, batches: Sequence[Batch]) -> Counts:
    total = Counts()
    for given_batch in batches:
        total.add(store.accept(given_batch, ()))
    return total

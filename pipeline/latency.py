"""How late a recording's telemetry comes: the plant's own readings must not come sooner than what drives the plant.

The plant answers a reading of the recording in the period that the reading is about. Its telemetry would tell that
reading's value before it came, if it came after the grid's declared latency. So where a recording's readings regularly
take longer, that longer latency holds for all telemetry: for the plant's readings, and for what the truth may use.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.errors import BadInputError
from gridcore.network import Network
from gridcore.timeline import TIMESTAMP, to_numpy
from ingest.channels import driving_channels

ON_TIME = 0.95
"""Share of a channel's readings that come within the latency; the rest is late, and bridged by the truth. One straggler
in a hundred is common in the field (see `ingest.dirty`), and must not hold back all others."""

LONGEST = timedelta(hours=1)
"""A replay on telemetry that regularly comes later says nothing: it is refused, be it measured or declared."""

SAME_S = 1e-6
"""Microseconds are what instants are kept in: a wait that differs by less is the declared one."""


def as_it_arrives(network: Network, readings: pa.Table, until: datetime, period: timedelta) -> Network:
    """The grid with the latency that its readings had up to an instant, where that is longer than the declared one.

    A latency taken from the readings is no declaration: `latency_is_declared` is False then.

    Args:
        network: The grid.
        readings: `READING_SCHEMA` of a recording.
        until: Only what arrived up to here is looked at: the latency must not tell what comes later.
        period: Period of a reading.

    Raises:
        BadInputError: A channel's readings come later than `LONGEST`, or are declared to.
    """
    wanted = pa.array(driving_channels(network), pa.string())
    arrived = pc.less_equal(readings.column("available_at"), pa.scalar(to_numpy(until)).cast(TIMESTAMP))
    seen = readings.filter(pc.and_(arrived, pc.is_in(readings.column("channel"), value_set=wanted)))
    first = seen.group_by(["channel", "valid_time"]).aggregate([("available_at", "min")])
    ended = first.column("valid_time").to_numpy().astype("datetime64[us]") + np.timedelta64(period)
    waited_s = (first.column("available_at_min").to_numpy().astype("datetime64[us]") - ended) / np.timedelta64(1, "s")
    channel = first.column("channel").to_numpy(zero_copy_only=False)
    latency_of = {
        name: float(np.quantile(waited_s[channel == name], ON_TIME, method="lower")) for name in np.unique(channel)
    }
    slowest = max(latency_of, key=lambda name: latency_of[name], default="")
    declared_s = network.telemetry_latency_s
    is_slower = bool(slowest) and latency_of[slowest] > declared_s + SAME_S
    latency_s = float(math.ceil(latency_of[slowest])) if is_slower else declared_s
    if latency_s > LONGEST.total_seconds():
        came = f"{ON_TIME:.0%} come within {latency_s:g} s of their period's end; " if is_slower else ""
        raise BadInputError(
            "readings that come too late to steer by",
            asset=slowest if is_slower else network.name,
            instant=f"up to {until.isoformat()}",
            got=f"{came}telemetry_latency_s is {declared_s:g}",
            wanted=f"at most {LONGEST.total_seconds():g} s",
        )
    return replace(network, telemetry_latency_s=latency_s, latency_is_declared=False) if is_slower else network

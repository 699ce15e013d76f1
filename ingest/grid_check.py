"""A whole history looked at as a replay would: every reading, official value and outage, before anyone waits for a run.

What a running loop keeps with a flag (late, out of range, no number) is counted here; what it would make a dead letter,
or can't do without, is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from gridcore.errors import BadInputError
from gridcore.network import Network
from gridcore.ports import Batch
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, UNUSABLE, Quality
from ingest.accept import check
from ingest.channels import ChannelTable, channels_of, driving_channels
from ingest.given import Fault, official_causes, official_faults, outage_causes, outage_faults
from ingest.grid_directory import AHEAD, AT_ONCE
from ingest.history_files import stretches
from ingest.table_source import TableSource


@dataclass
class HistoryCounts:
    """What a good history holds."""

    readings: int = 0
    official: int = 0
    outages: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    """Readings by quality flag, in the words of `gridcore.reading.Quality`; and how many stand again: `repeated` with
    the same value, which changes nothing, or in `conflict` with another one: the larger plausible one holds."""


def check_history(source: TableSource) -> HistoryCounts:
    """Read a whole history and count it.

    Raises:
        BadInputError: A row can't be taken, or an asset or area that a replay needs has no usable reading; with file,
            asset, instant, what came and what was wanted.
    """
    channels = channels_of(source.network, source.reading_period)
    counts, usable = HistoryCounts(), set[str]()
    for stretch in stretches(source.first, source.last, AT_ONCE):
        readings = source.readings(*stretch)
        counts.readings += len(readings)
        usable |= _check_readings(readings, channels, source.file_of("readings"), counts)
    _check_driven(source.network, usable, source.file_of("readings"))
    ahead = source.last + AHEAD
    official, outages = source.official(source.first, ahead), source.outages(source.first, ahead)
    _refuse(official_faults(official, official_causes(official, channels), channels), source.file_of("official"))
    _check_one_value(official, source.file_of("official"))
    _refuse(outage_faults(outages, outage_causes(outages, channels)), source.file_of("outages"))
    counts.official, counts.outages = len(official), len(outages)
    return counts


def _check_readings(readings: pa.Table, channels: ChannelTable, file: Path | None, counts: HistoryCounts) -> set[str]:
    """Count the flags; the channels with a usable reading."""
    nothing = OFFICIAL_SCHEMA.empty_table(), OUTAGE_SCHEMA.empty_table()
    clean, letters = check(Batch("check", 0, len(readings), readings, *nothing), channels)
    if letters:
        row = readings.slice(letters[0].offset, 1).to_pylist()[0]
        what = f"a reading that can't be placed: {letters[0].reason.replace('_', ' ')}"
        raise BadInputError(what, file=file, asset=row["channel"], instant=row["valid_time"], got=letters[0].detail)
    quality = clean.readings.column("quality").to_numpy()
    for flag in Quality:
        if touched := int(((quality & int(flag)) != 0).sum()):
            counts.flags[str(flag.name).lower()] += touched
    _count_repeats(clean.readings, counts)
    good = pa.array((quality & int(UNUSABLE)) == 0)
    return set(pc.unique(clean.readings.column("channel").filter(good)).to_pylist())


def _count_repeats(readings: pa.Table, counts: HistoryCounts) -> None:
    """Count readings beyond the first of their channel, period and revision."""
    key = ["channel", "valid_time", "revision"]
    values = readings.group_by(key).aggregate([("value", "count_distinct"), ([], "count_all")])
    conflicts = pc.sum(values.column("value_count_distinct")).as_py() - len(values)
    repeats = len(readings) - len(values) - conflicts
    for name, count in (("repeated", repeats), ("conflict", conflicts)):
        if count:
            counts.flags[name] += count


def _check_driven(network: Network, usable: set[str], file: Path | None) -> None:
    """What the plant of a replay answers with is there: output of wind, sun and water, and load."""
    for channel in driving_channels(network):
        if channel not in usable:
            raise BadInputError("no usable reading", file=file, asset=channel, wanted="one or more: a replay needs it")


def _check_one_value(official: pa.Table, file: Path | None) -> None:
    """One issue gives one value for each asset and period."""
    keys = ["asset", "issue_time", "valid_time"]
    if not len(official):
        return
    values = official.group_by(keys).aggregate([("power_mw", "count_distinct"), ("power_mw", "min_max")])
    twice = values.filter(pc.greater(values.column("power_mw_count_distinct"), 1)).slice(0, 1).to_pylist()
    for row in twice:
        least = row["power_mw_min_max"]
        raise BadInputError(
            "two official values of one issue", file=file, asset=row["asset"], instant=row["valid_time"],
            got=f"{least['min']} and {least['max']} MW issued at {row['issue_time']}", wanted="one",
        )  # fmt: skip


def _refuse(faults: Iterable[Fault], file: Path | None) -> None:
    """Raise for the first fault."""
    for fault in faults:
        what = fault.reason.replace("_", " ")
        raise BadInputError(
            what, file=file, asset=fault.asset, instant=fault.instant, got=fault.got, wanted=fault.wanted
        )

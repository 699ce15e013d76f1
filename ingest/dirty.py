"""Seeded dirt: late, doubled, missing, implausible, skewed and corrected telemetry, as the field really sends it.

The same clean readings and the same seed give the same dirty ones, and the ledger tells what was done to which. Shares
are those of bad but usable telemetry: one reading in forty is touched alone; beside that, each channel falls silent
about once a month, and each site has a day or two of a clock that runs ahead about once in 200 days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.timeline import Instants
from ingest.channels import ChannelTable
from ingest.dirt import LEDGER_SCHEMA, Dirt
from ingest.history_columns import READING_ORDER, in_order
from ingest.regular import instants

SHARES = {
    Dirt.LATE: 0.01,
    Dirt.DUPLICATE: 0.005,
    Dirt.MISSING: 0.005,
    Dirt.CORRECTED: 0.004,
    Dirt.OUT_OF_RANGE: 0.001,
}
"""Share of all readings touched alone, by kind."""

DELAY = {
    Dirt.LATE: (timedelta(minutes=10), timedelta(hours=6)),
    Dirt.DUPLICATE: (timedelta(seconds=1), timedelta(minutes=30)),
    Dirt.CORRECTED: (timedelta(hours=1), timedelta(hours=24)),
}
"""Least and largest delay of a late reading, of a repetition, of a correction; evenly spread over orders of size."""

SILENCE = (timedelta(minutes=30), timedelta(hours=12))
"""Least and largest length of a stretch without a channel's readings."""

SILENCES_PER_DAY = 1 / 30
"""Mean number of such stretches of each channel a day."""

SKEWS_PER_DAY = 1 / 200
"""Mean number of stretches a day in which the clock of one site runs ahead; at least one in a recording."""

SKEW_LASTS = (timedelta(days=1), timedelta(days=2))
"""Least and largest length of such a stretch."""

SKEW_PERIODS = (2, 6)
"""Least and largest number of periods by which the clock is ahead: whole ones, since stamps are period starts."""

WRONG_BY = 0.2
"""A corrected reading was wrong by at most this share of its value (of 1 unit where the value is smaller)."""

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Clean:
    """Columns of the clean readings, shape (rows,)."""

    table: pa.Table
    valid_time: Instants
    available_at: Instants
    value: npt.NDArray[np.float64]
    revision: npt.NDArray[np.int32]
    channel: Rows
    site: Rows
    channels: int
    sites: int


def dirtied(readings: pa.Table, channels: ChannelTable, seed: int) -> tuple[pa.Table, pa.Table]:
    """Dirty readings made from clean ones.

    Args:
        readings: `READING_SCHEMA`, clean, each (channel, valid_time) once.
        channels: The grid's channels, for their plausible ranges and period.
        seed: Equal seeds and readings give equal dirt.

    Returns:
        Readings sorted by available_at, channel, valid_time, revision; and the ledger (`LEDGER_SCHEMA`).
    """
    if not len(readings):
        return readings, LEDGER_SCHEMA.empty_table()
    clean = _columns(readings)
    rng = np.random.Generator(np.random.PCG64(seed))
    kind = _kinds(clean, rng)
    ahead = _skew(clean, channels, rng)
    kind[ahead > np.timedelta64(0)] = Dirt.SKEWED
    kind[_silent(clean, rng)] = Dirt.OUTAGE

    valid, available, value = clean.valid_time.copy(), clean.available_at.copy(), clean.value.copy()
    rows = {dirt: np.flatnonzero(kind == dirt) for dirt in Dirt}
    valid[rows[Dirt.SKEWED]] += ahead[rows[Dirt.SKEWED]]
    available[rows[Dirt.LATE]] += _delays(Dirt.LATE, len(rows[Dirt.LATE]), rng)
    value[rows[Dirt.OUT_OF_RANGE]] = _implausible(clean, rows[Dirt.OUT_OF_RANGE], channels, rng)
    value[rows[Dirt.CORRECTED]] = _wrong(clean.value[rows[Dirt.CORRECTED]], rng)
    kept = np.flatnonzero((kind != Dirt.MISSING) & (kind != Dirt.OUTAGE))
    again, corrected = rows[Dirt.DUPLICATE], rows[Dirt.CORRECTED]
    again_at = clean.available_at[again] + _delays(Dirt.DUPLICATE, len(again), rng)
    corrected_at = clean.available_at[corrected] + _delays(Dirt.CORRECTED, len(corrected), rng)

    # Once more with nothing but another arrival; a correction also counts its revision up.
    sent = [
        _sent(clean, kept, available[kept], valid_time=valid[kept], value=value[kept]),
        _sent(clean, again, again_at),
        _sent(clean, corrected, corrected_at, revision=clean.revision[corrected] + 1),
    ]
    available[again] = again_at
    return in_order(pa.concat_tables(sent), READING_ORDER), _ledger(clean, kind, valid, available, value)


def _columns(readings: pa.Table) -> _Clean:
    codes, counts = [], []
    for name in ("channel", "site"):
        encoded = readings.column(name).combine_chunks().dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        rank = np.empty(len(texts), np.int64)
        rank[np.argsort(np.array(texts, dtype=str))] = np.arange(len(texts))
        codes.append(rank[encoded.indices.to_numpy(zero_copy_only=False)])
        counts.append(len(texts))
    return _Clean(
        readings,
        readings.column("valid_time").to_numpy().astype("datetime64[us]"),
        readings.column("available_at").to_numpy().astype("datetime64[us]"),
        readings.column("value").to_numpy().astype(np.float64),
        readings.column("revision").to_numpy().astype(np.int32),
        codes[0],
        codes[1],
        counts[0],
        counts[1],
    )


def _kinds(clean: _Clean, rng: np.random.Generator) -> npt.NDArray[np.str_]:
    """The kind of dirt on each reading alone; empty where there is none, shape (rows,)."""
    edges = np.cumsum(list(SHARES.values()))
    names = np.array([*(dirt.value for dirt in SHARES), ""], dtype="U16")
    kinds: npt.NDArray[np.str_] = names[np.searchsorted(edges, rng.random(len(clean.value)), side="right")]
    return kinds


def _skew(clean: _Clean, channels: ChannelTable, rng: np.random.Generator) -> npt.NDArray[np.timedelta64]:
    """How far ahead each reading's site clock is, shape (rows,)."""
    ahead = np.zeros(len(clean.value), "timedelta64[us]")
    by_site = _Groups(clean.site, clean.sites, clean.valid_time)
    counts = rng.poisson(SKEWS_PER_DAY * by_site.days, size=clean.sites)
    counts[rng.integers(clean.sites)] += not counts.any()
    for site in np.repeat(np.arange(clean.sites), counts):
        inside = by_site.stretch(int(site), SKEW_LASTS, rng)
        ahead[inside] = int(rng.integers(SKEW_PERIODS[0], SKEW_PERIODS[1] + 1)) * np.timedelta64(channels.period)
    return ahead


def _silent(clean: _Clean, rng: np.random.Generator) -> Mask:
    """Readings of a channel's silent stretches, shape (rows,)."""
    silent = np.zeros(len(clean.value), bool)
    by_channel = _Groups(clean.channel, clean.channels, clean.valid_time)
    counts = rng.poisson(SILENCES_PER_DAY * by_channel.days, size=clean.channels)
    for channel in np.repeat(np.arange(clean.channels), counts):
        silent[by_channel.stretch(int(channel), SILENCE, rng)] = True
    return silent


class _Groups:
    """Rows by channel or site, each group's in the order of valid_time."""

    def __init__(self, code: Rows, groups: int, valid_time: Instants) -> None:
        self._order = np.lexsort((valid_time, code))
        self._valid = valid_time[self._order]
        self._bounds = np.searchsorted(code[self._order], np.arange(groups + 1))
        self._first, self._last = valid_time.min(), valid_time.max()
        self.days = float((self._last - self._first) / np.timedelta64(1, "D"))
        """Length of the readings' time."""

    def stretch(self, group: int, lasts: tuple[timedelta, timedelta], rng: np.random.Generator) -> Rows:
        """A group's rows whose period starts in a random stretch."""
        start = self._first + rng.random() * (self._last - self._first).astype("timedelta64[us]")
        end = start + _log_uniform(lasts, 1, rng)[0]
        begin = int(self._bounds[group])
        here = self._valid[begin : int(self._bounds[group + 1])]
        low, high = np.searchsorted(here, np.array([start, end]))
        return self._order[begin + int(low) : begin + int(high)]


def _delays(dirt: Dirt, count: int, rng: np.random.Generator) -> npt.NDArray[np.timedelta64]:
    """Random delays in whole seconds, shape (count,)."""
    return _log_uniform(DELAY[dirt], count, rng)


def _log_uniform(
    bounds: tuple[timedelta, timedelta], count: int, rng: np.random.Generator
) -> npt.NDArray[np.timedelta64]:
    low, high = (np.log(bound.total_seconds()) for bound in bounds)
    seconds = np.round(np.exp(low + rng.random(count) * (high - low))).astype(np.int64)
    delays: npt.NDArray[np.timedelta64] = seconds.astype("timedelta64[s]").astype("timedelta64[us]")
    return delays


def _implausible(
    clean: _Clean, rows: Rows, channels: ChannelTable, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Values beyond the channel's range, above or below it, shape (rows,)."""
    names = clean.table.column("channel").take(pa.array(rows)).to_pylist()
    of_channel = np.array([channels.index[name] for name in names], np.int64)
    low, high = channels.low[of_channel], channels.high[of_channel]
    beyond = (0.5 + rng.random(len(rows))) * (high - low)
    values: npt.NDArray[np.float64] = np.where(rng.random(len(rows)) < 0.5, high + beyond, low - beyond)
    return values


def _wrong(values: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Plausible wrong values: too small where there is something, a little too large where there is next to nothing."""
    by = WRONG_BY * (0.1 + 0.9 * rng.random(len(values)))
    wrong: npt.NDArray[np.float64] = np.where(np.abs(values) > 1.0, values * (1.0 - by), values + by)
    return wrong


def _sent(clean: _Clean, rows: Rows, available: Instants, **changed: npt.NDArray[np.generic]) -> pa.Table:
    """Some clean rows with another arrival and, where given, other columns."""
    table = clean.table.take(pa.array(rows))
    for name, column in {"available_at": available, **changed}.items():
        place = table.schema.get_field_index(name)
        kind = table.schema.field(place).type
        table = table.set_column(place, table.schema.field(place), pa.array(column).cast(kind))
    return table


def _ledger(
    clean: _Clean, kind: npt.NDArray[np.str_], valid: Instants, available: Instants, value: npt.NDArray[np.float64]
) -> pa.Table:
    """What was done, in the order of the clean readings."""
    rows = np.flatnonzero(kind != "")
    never = pa.array((kind[rows] == Dirt.MISSING) | (kind[rows] == Dirt.OUTAGE))

    def unless_never(column: pa.Array) -> pa.Array:
        return pc.if_else(never, pa.scalar(None, column.type), column)

    columns = [
        pa.array(kind[rows].tolist(), pa.string()),
        clean.table.column("channel").take(pa.array(rows)).combine_chunks(),
        instants(clean.valid_time[rows]),
        instants(clean.available_at[rows]),
        pa.array(clean.value[rows]),
        unless_never(instants(valid[rows])),
        unless_never(instants(available[rows])),
        unless_never(pa.array(value[rows])),
        unless_never(pa.array(clean.revision[rows])),
    ]
    return pa.Table.from_arrays(columns, schema=LEDGER_SCHEMA)

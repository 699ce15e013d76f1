"""The truth behind a recording: what weather, water and consumers really did, by asset and area, in plant periods.

A recording may be dirty; the world was not. A dirty recording of ours brings the clean values along. Of any other one
the truth takes the readings that came on time and can be used, and bridges what is missing with the last value, so that
a dropped message does not become a calm of the wind. A late reading or correction changes no truth: the plant would
answer it before it arrived, and its telemetry would tell the future. What "on time" is, the recording's own history
says (`pipeline.latency`), and the plant's telemetry takes as long.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.errors import BadInputError
from gridcore.network import Network
from gridcore.reading import OUTAGE_SCHEMA, UNUSABLE, to_matrix
from gridcore.target import load_channel
from gridcore.timeline import PLANT_PERIOD, TIMESTAMP, to_numpy
from ingest.channels import channels_of, driving_channel

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Truth:
    """What really was available and asked for, over the stretch of a recording.

    Values coarser than the plant's period hold over theirs; finer ones are averaged. A gap takes the last value before
    it, a gap at the start the first value after it. Output is kept within 0 and the asset's capacity.

    Args:
        network: The grid.
        readings: `READING_SCHEMA`; may hold several revisions, repeated and implausible values. Those that came later
            than the grid's telemetry latency after their period's end are passed over.
        outages: `OUTAGE_SCHEMA`; none by default. One that is reported late begins when it is reported.
        period: Period of a reading in the recording.

    Raises:
        BadInputError: An asset or a load area has no usable reading at all.
    """

    def __init__(
        self,
        network: Network,
        readings: pa.Table,
        outages: pa.Table | None = None,
        period: timedelta = PLANT_PERIOD,
    ) -> None:
        if not len(readings):
            raise BadInputError("a recording without readings", asset=network.name, wanted="readings to play")
        self._network = network
        self._outages = OUTAGE_SCHEMA.empty_table() if outages is None else outages
        usable = _usable(network, readings, period)
        self._readings, self._period = readings, period
        self._start = pc.min(readings.column("valid_time")).as_py()
        self._end = pc.max(readings.column("valid_time")).as_py() + max(period, PLANT_PERIOD)
        self._load = self._matrix(usable, self._load_channels())
        self._available = np.zeros((len(network.assets), self._load.shape[1]))
        rows = [row for row, channel in enumerate(self._asset_channels()) if channel]
        channels = [channel for channel in self._asset_channels() if channel]
        capacity = np.array([self._most_mw(row) for row in rows])[:, None]
        self._available[rows] = np.clip(self._matrix(usable, channels), 0.0, capacity)

    def load_mw(self, valid_time: datetime) -> Floats:
        """Demand of each area, shape (areas,) [MW]; 0 for an area whose buses have no share."""
        load = np.zeros(len(self._network.areas))
        load[self._loaded()] = self._load[:, self._column(valid_time)]
        return load

    def available_mw(self, valid_time: datetime) -> Floats:
        """Possible output of wind, PV, rooftop PV and hydro, inflow of a CSP, 0 for the rest, shape (assets,) [MW]."""
        return self._available[:, self._column(valid_time)].copy()

    def out_of_service(self, valid_time: datetime) -> tuple[Bools, Bools]:
        """Assets, and branches followed by DC lines, that are out: shapes (assets,), (branches + dc_lines,)."""
        network = self._network
        lines = [branch.name for branch in network.branches] + [line.name for line in network.dc_lines]
        assets_out, lines_out = np.zeros(len(network.assets), bool), np.zeros(len(lines), bool)
        if not len(self._outages):
            return assets_out, lines_out
        now = pa.scalar(to_numpy(valid_time)).cast(TIMESTAMP)
        begun, reported = (pc.less_equal(self._outages.column(name), now) for name in ("from", "available_at"))
        table = self._outages.filter(pc.and_(pc.and_(begun, reported), pc.greater(self._outages.column("until"), now)))
        out = set(table.column("asset").to_pylist())
        return np.array([a.name in out for a in network.assets]), np.array([name in out for name in lines], bool)

    def _column(self, valid_time: datetime) -> int:
        column = int((valid_time - self._start) // PLANT_PERIOD)
        if not 0 <= column < self._load.shape[1]:
            wanted = f"{self._start.isoformat()} to {self._end.isoformat()}"
            raise BadInputError("the recording does not reach", instant=valid_time.isoformat(), wanted=wanted)
        return column

    def _loaded(self) -> npt.NDArray[np.int64]:
        """Areas that have load at all."""
        return np.flatnonzero(self._network.area_shares.sum(axis=0) > 0)

    def _load_channels(self) -> list[str]:
        return [load_channel(self._network.areas[row]) for row in self._loaded()]

    def _asset_channels(self) -> list[str]:
        """Channel that each asset's truth is recorded in; empty where it has none."""
        return [driving_channel(asset) for asset in self._network.assets]

    def _most_mw(self, row: int) -> float:
        """Capacity of the asset; of a CSP's field, what its tank can take in."""
        asset = self._network.assets[row]
        return asset.store.charge_mw if asset.store is not None else asset.p_max_mw

    def _matrix(self, usable: pa.Table, channels: list[str]) -> Floats:
        """Values by channel and plant period, gaps bridged, shape (channels, periods) [MW]."""
        matrix = to_matrix(usable, channels, self._start, self._end, PLANT_PERIOD)
        seen = np.isfinite(matrix)
        if not seen.any(axis=1).all():
            channel = channels[int(np.flatnonzero(~seen.any(axis=1))[0])]
            instant = f"{self._start.isoformat()} to {self._end.isoformat()}"
            got, wanted = self._came(channel), f"within telemetry_latency_s, {self._network.telemetry_latency_s:g} s"
            raise BadInputError("no usable reading", asset=channel, instant=instant, got=got, wanted=wanted)
        last = np.maximum.accumulate(np.where(seen, np.arange(matrix.shape[1]), -1), axis=1)
        first = np.argmax(seen, axis=1)[:, None]
        return np.take_along_axis(matrix, np.where(last >= 0, last, first), axis=1)

    def _came(self, channel: str) -> str:
        """How many readings of a channel there are, and how soon they came, for an error's words."""
        mine = self._readings.filter(pc.equal(self._readings.column("channel"), channel))
        if not len(mine):
            return "none at all"
        ended = mine.column("valid_time").to_numpy().astype("datetime64[us]") + np.timedelta64(self._period)
        waited = mine.column("available_at").to_numpy().astype("datetime64[us]") - ended
        soonest, median = (int(pick(waited.astype(np.int64)) // 1_000_000) for pick in (np.min, np.median))
        return f"{len(mine)} readings, the soonest {soonest} s after its period's end, half of them within {median} s"


def _usable(network: Network, readings: pa.Table, period: timedelta) -> pa.Table:
    """The readings that came on time and are plausible, columns channel, valid_time, value.

    A recording's values carry no flags of `accept` yet, so the plausible range and the clock are looked at here.
    Of several that came on time for one period the highest revision counts; `to_matrix` averages its repeats.
    """
    table = channels_of(network, period)
    encoded = readings.column("channel").combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    known = np.array([name in table.index for name in names])
    rows = np.array([table.index.get(name, 0) for name in names])[codes]
    values = readings.column("value").to_numpy().astype(np.float64)
    valid = readings.column("valid_time").to_numpy().astype("datetime64[us]")
    arrived = readings.column("available_at").to_numpy().astype("datetime64[us]")
    with np.errstate(invalid="ignore"):
        good = known[codes] & (values >= table.low[rows]) & (values <= table.high[rows])
    ended = valid + np.timedelta64(period)
    latency = np.timedelta64(timedelta(seconds=network.telemetry_latency_s))
    good &= (arrived >= ended) & (arrived <= ended + latency)
    good &= (readings.column("quality").to_numpy().astype(np.int64) & int(UNUSABLE)) == 0
    good &= _is_current(codes, valid, readings.column("revision").to_numpy().astype(np.int64), good)
    return readings.select(["channel", "valid_time", "value"]).filter(pa.array(good))


def _is_current(
    codes: npt.NDArray[np.int64], valid: npt.NDArray[np.datetime64], revision: npt.NDArray[np.int64], good: Bools
) -> Bools:
    """Where a reading is the highest revision of its channel and valid_time among the good ones, shape (readings,).

    Only what was corrected is compared: a clean recording of a year has no correction, and millions of readings.
    """
    revised = good & (revision > 0)
    if not revised.any():
        return np.ones(len(good), bool)
    since = (valid - valid.min()).astype("timedelta64[us]").astype(np.int64)
    key = codes * (int(since.max()) + 1) + since
    cells, cell_of = np.unique(key[revised], return_inverse=True)
    highest = np.zeros(len(cells), np.int64)
    np.maximum.at(highest, cell_of, revision[revised])
    place = np.minimum(np.searchsorted(cells, key), len(cells) - 1)
    return np.asarray((cells[place] != key) | (revision == highest[place]))

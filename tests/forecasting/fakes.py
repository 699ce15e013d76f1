"""A fake of the `Known` port over arrays, and the RTS-GMLC series in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from dispatches_data.packages import rts_gmlc

from gridcore.ports import RegisteredModel
from gridcore.target import Kind, Target, inflow_channel, load_channel, load_target, power_channel
from gridcore.timeline import TIMESTAMP, to_numpy

FOLDER = Path(next(iter(rts_gmlc.__path__)))
SERIES = {
    Kind.WIND: ("WIND/REAL_TIME_wind.csv", "WIND/DAY_AHEAD_wind.csv"),
    Kind.PV: ("PV/REAL_TIME_pv.csv", "PV/DAY_AHEAD_pv.csv"),
    Kind.ROOFTOP_PV: ("RTPV/REAL_TIME_rtpv.csv", "RTPV/DAY_AHEAD_rtpv.csv"),
    Kind.CSP_INFLOW: ("CSP/REAL_TIME_Natural_Inflow.csv", "CSP/DAY_AHEAD_Natural_Inflow.csv"),
    Kind.LOAD: ("Load/REAL_TIME_regional_Load.csv", "Load/DAY_AHEAD_regional_Load.csv"),
}
EPOCH = datetime(2020, 1, 1, 8, tzinfo=UTC)
ZONE_NAME = "Etc/GMT+8"
MINUTE = np.timedelta64(60_000_000, "us")
Floats = npt.NDArray[np.float64]


@dataclass
class Rows:
    """Sorted columns of one key: valid_time and available_at [us], value."""

    valid: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]
    value: Floats
    quality: npt.NDArray[np.int32] | None = None


@dataclass
class FakeHistory:
    """All readings and official values that ever arrive; `known_at` cuts."""

    readings: dict[str, Rows] = field(default_factory=dict)
    official: dict[str, list[Rows]] = field(default_factory=dict)
    models: list[RegisteredModel] = field(default_factory=list)

    def known_at(self, instant: datetime) -> FakeKnown:
        return FakeKnown(self, instant)

    def add(self, channel: str, start: datetime, step: timedelta, values: Floats, latency_s: float = 60.0) -> None:
        """A regular series that arrives `latency_s` after each period's end."""
        valid = (
            (to_numpy(start) + np.arange(len(values)) * np.timedelta64(step)).astype("datetime64[us]").astype(np.int64)
        )
        step_us = int(step.total_seconds() * 1e6)
        good = np.isfinite(values)
        self.readings[channel] = Rows(valid[good], valid[good] + step_us + int(latency_s * 1e6), values[good])

    def add_official(self, name: str, start: datetime, step: timedelta, values: Floats, offset_h: float) -> None:
        """A regular official series; the values of a local day arrive at 06:00 local on the day before."""
        valid = (to_numpy(start) + np.arange(len(values)) * np.timedelta64(step)).astype("datetime64[us]")
        local = valid + np.timedelta64(int(offset_h * 3600e6), "us")
        gate = local.astype("datetime64[D]").astype("datetime64[us]") - np.timedelta64(18, "h")
        at = (gate - np.timedelta64(int(offset_h * 3600e6), "us")).astype(np.int64)
        self.official.setdefault(name, []).append(Rows(valid.astype(np.int64), at, values))


@dataclass
class FakeKnown:
    """The cut of a `FakeHistory` at an instant."""

    history: FakeHistory
    instant: datetime

    def readings(self, channels: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        parts = [
            (c, self._cut(self.history.readings[c], start, end)) for c in sorted(channels) if c in self.history.readings
        ]
        table = _columns("channel", "value", parts)
        quality = [np.zeros(len(rows.valid), np.int32) if rows.quality is None else rows.quality for _, rows in parts]
        joined = np.concatenate(quality) if quality else np.zeros(0, np.int32)
        zeros = pa.array(np.zeros(len(joined), np.int32))
        return table.append_column("quality", pa.array(joined)).append_column("revision", zeros)

    def official(self, assets: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        newest = []
        for name in sorted(assets):
            best: dict[int, tuple[int, float]] = {}
            for rows in self.history.official.get(name, []):
                cut = self._cut(rows, start, end)
                for valid, at, value in zip(cut.valid, cut.at, cut.value, strict=True):
                    if int(valid) not in best or best[int(valid)][0] <= at:
                        best[int(valid)] = (int(at), float(value))
            valid = np.array(sorted(best), dtype=np.int64)
            at = np.array([best[int(v)][0] for v in valid], dtype=np.int64)
            newest.append((name, Rows(valid, at, np.array([best[int(v)][1] for v in valid]))))
        return _official(newest)

    def official_vintages(self, assets: Sequence[str], start: datetime, end: datetime) -> pa.Table:
        return _official(
            [(n, self._cut(rows, start, end)) for n in sorted(assets) for rows in self.history.official.get(n, [])]
        ).sort_by([("asset", "ascending"), ("valid_time", "ascending")])

    def model(self, name: str) -> RegisteredModel | None:
        fitting = [m for m in self.history.models if m.name == name and m.fitted_as_of <= self.instant]
        return max(fitting, key=lambda model: model.fitted_as_of, default=None)

    def first_valid_time(self) -> datetime | None:
        cut = int(to_numpy(self.instant).astype(np.int64))
        firsts = [
            int(rows.valid[rows.at <= cut][0]) for rows in self.history.readings.values() if (rows.at <= cut).any()
        ]
        return datetime.fromtimestamp(min(firsts) / 1e6, UTC) if firsts else None

    def outages(self, start: datetime, end: datetime) -> pa.Table:
        raise AssertionError("forecasting asks for no outages")

    def plans(self, layer: str, since: datetime) -> pa.Table:
        raise AssertionError("forecasting asks for no plans")

    def setpoints(self, since: datetime) -> pa.Table:
        raise AssertionError("forecasting asks for no setpoints")

    def forecasts(self, since: datetime) -> pa.Table:
        raise AssertionError("forecasting asks for no forecasts")

    def _cut(self, rows: Rows, start: datetime, end: datetime) -> Rows:
        first, last = np.searchsorted(rows.valid, [to_numpy(start).astype(np.int64), to_numpy(end).astype(np.int64)])
        window = slice(int(first), int(last))
        seen = rows.at[window] <= to_numpy(self.instant).astype(np.int64)
        quality = None if rows.quality is None else rows.quality[window][seen]
        return Rows(rows.valid[window][seen], rows.at[window][seen], rows.value[window][seen], quality)


def _columns(key: str, value: str, parts: Sequence[tuple[str, Rows]]) -> pa.Table:
    counts = [len(rows.valid) for _, rows in parts]
    codes = np.repeat(np.arange(len(parts)), counts).astype(np.int32)
    names = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array([name for name, _ in parts], pa.string()))

    def joined(pieces: list[npt.NDArray[np.generic]], dtype: str) -> npt.NDArray[np.generic]:
        return np.concatenate(pieces) if pieces else np.zeros(0, dtype)

    instants = [joined([getattr(r, n) for _, r in parts], "int64").astype("datetime64[us]") for n in ("valid", "at")]
    return pa.table(
        {
            key: names.cast(pa.string()),
            "valid_time": pa.array(instants[0]).cast(TIMESTAMP),
            value: pa.array(joined([r.value for _, r in parts], "float64")),
            "available_at": pa.array(instants[1]).cast(TIMESTAMP),
        }
    )


def _official(parts: Sequence[tuple[str, Rows]]) -> pa.Table:
    table = _columns("asset", "power_mw", parts)
    return table.append_column("issue_time", table.column("available_at"))


@lru_cache(maxsize=1)
def rts_history() -> tuple[FakeHistory, tuple[Target, ...]]:
    """The year of RTS-GMLC: every wind farm, PV plant, rooftop aggregate, CSP inflow and area load."""
    generators = pd.read_csv(FOLDER / "SourceData/gen.csv").set_index("GEN UID")
    buses = pd.read_csv(FOLDER / "SourceData/bus.csv").set_index("Bus ID")
    history, targets = FakeHistory(), []
    for kind, files in SERIES.items():
        actual, official = (pd.read_csv(FOLDER / "timeseries_data_files" / file).iloc[:, 4:] for file in files)
        for column in actual.columns:
            if kind is Kind.LOAD:
                name, channel, capacity = load_target(column), load_channel(column), 0.0
                place = buses[buses["Area"] == int(column)].mean(numeric_only=True)
            else:
                name = column
                channel = inflow_channel(name) if kind is Kind.CSP_INFLOW else power_channel(name)
                capacity = float(generators.loc[name, "PMax MW"])
                place = buses.loc[generators.loc[name, "Bus ID"]]
            targets.append(Target(name, kind, capacity, channel, float(place["lat"]), float(place["lng"])))
            history.add(channel, EPOCH, timedelta(minutes=5), actual[column].to_numpy(np.float64))
            history.add_official(name, EPOCH, timedelta(hours=1), official[column].to_numpy(np.float64), -8.0)
    return history, tuple(targets)


def with_models(history: FakeHistory, models: Sequence[RegisteredModel]) -> FakeHistory:
    """The same history with fitted models registered."""
    return replace(history, models=[*history.models, *models])

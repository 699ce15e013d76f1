"""A small made world: four wind farms under one weather, two PV plants, a load, and their official series."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from forecasting.issue import Forecaster
from forecasting.settings import ForecastSettings, TreeSettings
from gridcore.network import Bus, Network
from gridcore.ports import RegisteredModel
from gridcore.target import Kind, Target
from tests.forecasting.fakes import FakeHistory, Rows, with_models

Floats = npt.NDArray[np.float64]

START = datetime(2025, 3, 3, tzinfo=UTC)
DAYS = 24
FIT_AT = START + timedelta(days=18)
SMALL = ForecastSettings(
    training_rows=1500,
    intraday_trees=TreeSettings(trees=25, leaves=8, min_rows_in_leaf=30, feature_share=0.7),
    day_ahead_trees=TreeSettings(trees=25, leaves=6, min_rows_in_leaf=60, feature_share=0.5),
    holiday_country="DE",
    with_prophet=False,
)

WIND = tuple(Target(f"wind_{n}", Kind.WIND, 100.0, f"wind_{n}/power", 52.0 + n, 10.0) for n in range(4))
PV = tuple(Target(f"pv_{n}", Kind.PV, 50.0, f"pv_{n}/power", 48.0 + n, 10.0) for n in range(2))
LOAD = Target("north/load", Kind.LOAD, 0.0, "north/load", 50.0, 10.0)
TARGETS = (*WIND, *PV, LOAD)
SUMS = (
    Target("system/wind", Kind.WIND, 400.0, "", members=tuple((t.name, 1.0) for t in WIND)),
    Target("portfolio/mixed", Kind.WIND, 150.0, "", members=(("wind_0", 1.0), ("pv_0", 1.0), ("north/load", -1.0))),
)


def network(zone_name: str = "Europe/Berlin") -> Network:
    return Network("made", zone_name, (Bus("only", "north", 1.0),), (), (), ())


@dataclass(frozen=True)
class World:
    history: FakeHistory
    forecaster: Forecaster
    models: tuple[RegisteredModel, ...]

    @property
    def fitted(self) -> FakeHistory:
        return with_models(self.history, self.models)


def made_history() -> FakeHistory:
    generator = np.random.default_rng(7)
    history = FakeHistory()
    cells = DAYS * 288
    hours = DAYS * 24
    weather = 0.8 + _wander(generator, hours + 1, 0.96)
    seen = np.interp(np.arange(cells) / 12, np.arange(hours + 1), weather)
    for target in WIND:
        local = 0.3 * np.interp(np.arange(cells) / 12, np.arange(hours + 1), _wander(generator, hours + 1, 0.9))
        actual = target.capacity_mw / (1 + np.exp(-1.5 * (seen + local)))
        error = 0.5 * _wander(generator, hours, 0.93)
        official = target.capacity_mw / (1 + np.exp(-1.5 * (weather[:-1] + error)))
        _add(history, target, actual, official)
    for target in PV:
        sun = np.maximum(0.0, -np.cos((np.arange(cells) / 12 + 0.7) * (2 * np.pi / 24)) - 0.05)
        cloud = 1 / (1 + np.exp(-_wander(generator, hours + 1, 0.9) - 1))
        actual = target.capacity_mw * sun * np.interp(np.arange(cells) / 12, np.arange(hours + 1), cloud)
        official = 0.9 * target.capacity_mw * sun.reshape(-1, 12).mean(axis=1) * np.roll(cloud[:-1], 2)
        _add(history, target, actual, official)
    day = np.arange(cells) / 288
    shape = 300 + 80 * np.sin(2 * np.pi * (day - 0.3)) - 40 * np.isin(np.floor(day) % 7, (5, 6))
    load = shape + 5 * np.interp(np.arange(cells) / 12, np.arange(hours + 1), _wander(generator, hours + 1, 0.9))
    _add(history, LOAD, load, shape.reshape(-1, 12).mean(axis=1) * 1.03)
    return history


@lru_cache(maxsize=1)
def world() -> World:
    """The world with models fitted at `FIT_AT`; never change it, copy it."""
    history = made_history()
    forecaster = Forecaster(network(), TARGETS, SUMS, SMALL)
    return World(history, forecaster, forecaster.fit(history.known_at(FIT_AT)))


def changed(history: FakeHistory, channel: str, values: Floats, at: npt.NDArray[np.int64] | None = None) -> FakeHistory:
    """A copy in which one channel has other values (or arrival times)."""
    rows = history.readings[channel]
    new = Rows(rows.valid, rows.at if at is None else at, values, rows.quality)
    return replace(history, readings=history.readings | {channel: new})


def _add(history: FakeHistory, target: Target, actual: Floats, official: Floats) -> None:
    history.add(target.channel, START, timedelta(minutes=5), actual)
    history.add_official(target.name, START, timedelta(hours=1), official, 1.0)


def _wander(generator: np.random.Generator, count: int, memory: float) -> Floats:
    noise = generator.normal(size=count) * np.sqrt(1 - memory**2)
    values = np.empty(count)
    values[0] = generator.normal()
    for index in range(1, count):
        values[index] = memory * values[index - 1] + noise[index]
    return values

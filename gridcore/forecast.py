"""Forecast vintages: the forecasts of one issue time, with quantiles that never cross."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.errors import BrokenInvariantError
from gridcore.timeline import TIMESTAMP, Instants, to_numpy

QUANTILES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Levels that every forecast gives; P10 and P90 bound the 80 % interval of the reports."""

INTRADAY = timedelta(hours=4)
"""How far an intraday vintage reaches; what is further from its issue time is a day-ahead vintage's."""

FORECAST_SCHEMA = pa.schema(
    [
        ("issue_time", TIMESTAMP),
        ("valid_time", TIMESTAMP),
        ("target", pa.string()),
        ("quantile", pa.float64()),
        ("power_mw", pa.float64()),
        ("model_id", pa.string()),
        ("data_cutoff", TIMESTAMP),
        ("fallback_reason", pa.string()),
    ]
)
"""A forecast as rows, sorted by issue_time, valid_time, target, quantile."""


@dataclass(frozen=True)
class Vintage:
    """All targets' forecasts of one issue time.

    Raises:
        BrokenInvariantError: Shapes disagree, a value is not finite, or quantiles cross.
    """

    issue_time: datetime
    """When it was made."""

    valid_time: Instants
    """Period starts, shape (periods,)."""

    targets: tuple[str, ...]
    """Target names."""

    quantiles: tuple[float, ...]
    """Levels, ascending."""

    power_mw: npt.NDArray[np.float64]
    """Shape (targets, periods, quantiles) [MW]; of a load target the demand."""

    model_id: tuple[str, ...]
    """The model of each target."""

    data_cutoff: datetime
    """Nothing that arrived later was used."""

    fallback_reason: tuple[str, ...]
    """Why a target has a fallback instead of its model; empty where it has not."""

    def __post_init__(self) -> None:
        """Check shape, finiteness and order of the quantiles."""
        shape = (len(self.targets), len(self.valid_time), len(self.quantiles))
        if self.power_mw.shape != shape:
            raise BrokenInvariantError("forecast shape", got=self.power_mw.shape, wanted=shape)
        bad = ~np.isfinite(self.power_mw).all(axis=(1, 2)) | (np.diff(self.power_mw, axis=2) < 0).any(axis=(1, 2))
        if bad.any():
            target = self.targets[int(np.flatnonzero(bad)[0])]
            instant = self.issue_time.isoformat()
            raise BrokenInvariantError("forecast values", asset=target, instant=instant, wanted="finite, not crossing")

    @cached_property
    def target_index(self) -> dict[str, int]:
        """Row of each target."""
        return {target: row for row, target in enumerate(self.targets)}

    def level(self, target: str, quantile: float) -> npt.NDArray[np.float64]:
        """One target at one level, shape (periods,) [MW]; raises KeyError or ValueError for an unknown one."""
        return self.power_mw[self.target_index[target], :, self.quantiles.index(quantile)]

    def to_table(self) -> pa.Table:
        """Rows of `FORECAST_SCHEMA`, sorted by valid_time, target, quantile."""
        targets, periods, levels = self.power_mw.shape
        order = np.argsort(np.array(self.targets))
        rows = periods * targets * levels
        values = self.power_mw[order].transpose(1, 0, 2).reshape(rows)
        codes = np.tile(np.repeat(np.arange(targets), levels), periods).astype(np.int32)

        def per_target(words: tuple[str, ...]) -> pa.Array:
            return pa.DictionaryArray.from_arrays(codes, [words[row] for row in order]).cast(pa.string())

        issue = pa.repeat(pa.scalar(to_numpy(self.issue_time)).cast(TIMESTAMP), rows)
        cutoff = pa.repeat(pa.scalar(to_numpy(self.data_cutoff)).cast(TIMESTAMP), rows)
        valid = pa.array(np.repeat(self.valid_time.astype("datetime64[us]"), targets * levels)).cast(TIMESTAMP)
        quantile = pa.array(np.tile(np.array(self.quantiles), periods * targets))
        columns = [issue, valid, per_target(self.targets), quantile, pa.array(values), per_target(self.model_id)]
        columns += [cutoff, per_target(self.fallback_reason)]
        return pa.Table.from_arrays(columns, schema=FORECAST_SCHEMA)


def vintage_from_table(table: pa.Table) -> Vintage:
    """The vintage of a table's rows, which are of one issue time, `FORECAST_SCHEMA` in any order.

    Raises:
        BrokenInvariantError: Rows of several issue times, or a target without some period or level.
    """
    ordered = table.sort_by([("valid_time", "ascending"), ("target", "ascending"), ("quantile", "ascending")])
    issue_times = pc.unique(ordered.column("issue_time"))
    valid_time = np.unique(ordered.column("valid_time").to_numpy().astype("datetime64[us]"))
    names = tuple(sorted(pc.unique(ordered.column("target")).to_pylist()))
    levels = tuple(sorted(pc.unique(ordered.column("quantile")).to_pylist()))
    shape = (len(valid_time), len(names), len(levels))
    if len(issue_times) != 1 or len(ordered) != np.prod(shape):
        got = f"{len(ordered)} rows, {len(issue_times)} issue times"
        raise BrokenInvariantError("rows of a vintage", got=got, wanted=f"{int(np.prod(shape))} rows of one issue time")
    values = ordered.column("power_mw").to_numpy().reshape(shape).transpose(1, 0, 2)
    first = ordered.slice(0, len(names) * len(levels)).to_pydict()
    step = len(levels)
    return Vintage(
        issue_times[0].as_py(), valid_time, names, levels, np.ascontiguousarray(values),
        tuple(first["model_id"][::step]), first["data_cutoff"][0], tuple(first["fallback_reason"][::step]),
    )  # fmt: skip

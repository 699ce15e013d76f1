"""Other telemetry, official series and outages wherever they arrive after an instant: what a leak test changes."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from forecasting.kind_model import model_name
from forecasting.settings import Mode
from gridcore.network import Network
from gridcore.ports import RegisteredModel
from gridcore.target import Kind
from gridcore.timeline import TIMESTAMP, to_numpy
from pipeline.phase import Recorded


def after(table: pa.Table, instant: datetime) -> npt.NDArray[np.bool_]:
    """Rows that arrive after an instant."""
    return np.asarray(pc.greater(table.column("available_at"), pa.scalar(to_numpy(instant)).cast(TIMESTAMP)))


def perturbed(recorded: Recorded, network: Network, instant: datetime, seed: int) -> Recorded:
    """Every value that arrives after the instant is scaled; a unit is reported out an hour after it really was."""
    draw = np.random.default_rng(seed)
    readings = _changed(recorded.readings, "value", instant, draw)
    official = _changed(recorded.official, "power_mw", instant, draw)
    unit = next(asset.name for asset in network.assets if asset.commitment is not None)
    begins, reported = to_numpy(instant - timedelta(hours=1)), to_numpy(instant + timedelta(seconds=1))
    row = {
        "available_at": [reported],
        "asset": [unit],
        "from": [begins],
        "until": [to_numpy(instant + timedelta(days=1))],
    }
    schema = recorded.outages.schema
    late = pa.table({n: pa.array(row[n], pa.timestamp("us") if n != "asset" else pa.string()) for n in schema.names})
    return Recorded(readings, official, pa.concat_tables([recorded.outages, late.cast(schema)]))


def arriving_after(recorded: Recorded, instant: datetime) -> Recorded:
    """The rows of all three tables that arrive after an instant."""
    tables = (recorded.readings, recorded.official, recorded.outages)
    return Recorded(*(table.filter(pa.array(after(table, instant))) for table in tables))


def later_models(instant: datetime) -> list[RegisteredModel]:
    """Fits of an instant after t, whose payload no reader could use."""
    names = [model_name(kind, mode) for kind in Kind for mode in Mode]
    return [RegisteredModel(name, instant + timedelta(seconds=1), f"{name}-later", b"not a model") for name in names]


def _changed(table: pa.Table, column: str, instant: datetime, draw: np.random.Generator) -> pa.Table:
    values = table.column(column).to_numpy().copy()
    later = after(table, instant)
    values[later] *= draw.uniform(0.3, 0.9, int(later.sum()))
    return table.set_column(table.schema.get_field_index(column), column, pa.array(values))

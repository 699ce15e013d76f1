"""Other telemetry, official series, outages and models after an instant: what a leak test changes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from forecasting.kind_model import model_name
from forecasting.settings import Mode
from forecasting.sums import sums_name
from gridcore.asset import CURTAILABLE
from gridcore.network import Network
from gridcore.ports import RegisteredModel, Store
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA
from gridcore.target import Kind
from gridcore.timeline import TIMESTAMP, to_numpy
from pipeline.phase import Recorded

SOON = timedelta(seconds=1)
"""After the instant an official issue, an outage and models arrive this late: all that looks ahead meets them."""


class Knowledge(StrEnum):
    """What a decision may know, by the table it is in."""

    READINGS = "readings"
    OFFICIAL = "official"
    OUTAGES = "outages"
    MODELS = "models"


EVERYTHING = tuple(Knowledge)


def after(table: pa.Table, instant: datetime) -> npt.NDArray[np.bool_]:
    """Rows that arrive after an instant."""
    return np.asarray(pc.greater(table.column("available_at"), pa.scalar(to_numpy(instant)).cast(TIMESTAMP)))


def perturbed(
    recorded: Recorded, network: Network, instant: datetime, seed: int, what: Collection[Knowledge] = EVERYTHING
) -> Recorded:
    """Every value that arrives after the instant is scaled; an issue of the day's official series and two outages come.

    Args:
        recorded: What arrives.
        network: The grid.
        instant: What has arrived by then stays as it is.
        seed: Of the factors.
        what: Kinds of knowledge that are changed; of models see `later_models`.
    """
    draw = np.random.default_rng(seed)
    readings, official, outages = recorded.readings, recorded.official, recorded.outages
    if Knowledge.READINGS in what:
        readings = _changed(readings, "value", instant, draw)
    if Knowledge.OFFICIAL in what:
        official = _issued_again(_changed(official, "power_mw", instant, draw), instant, draw)
    if Knowledge.OUTAGES in what:
        outages = pa.concat_tables([outages, _outages(network, instant).cast(outages.schema)])
    return Recorded(readings, official, outages)


def arriving_after(recorded: Recorded, instant: datetime) -> Recorded:
    """The rows of all three tables that arrive after an instant."""
    tables = (recorded.readings, recorded.official, recorded.outages)
    return Recorded(*(table.filter(pa.array(after(table, instant))) for table in tables))


def later_models(store: Store, instant: datetime) -> list[RegisteredModel]:
    """The models in force at an instant, fitted again just after it: forecasts made with them bear another model_id."""
    names = [*(model_name(kind, mode) for kind in Kind for mode in Mode), *(sums_name(mode) for mode in Mode)]
    known = store.known_at(instant)
    fits = [model for name in names if (model := known.model(name)) is not None]
    return [RegisteredModel(fit.name, instant + SOON, f"{fit.model_id}-later", fit.payload) for fit in fits]


def _changed(table: pa.Table, column: str, instant: datetime, draw: np.random.Generator) -> pa.Table:
    values = table.column(column).to_numpy().copy()
    later = after(table, instant)
    values[later] *= draw.uniform(0.3, 0.9, int(later.sum()))
    return table.set_column(table.schema.get_field_index(column), column, pa.array(values))


def _issued_again(official: pa.Table, instant: datetime, draw: np.random.Generator) -> pa.Table:
    """The series with one more issue, just after the instant, of all that is said of the day that begins there."""
    valid_time = official.column("valid_time").to_numpy().astype("datetime64[us]")
    ahead = (valid_time >= to_numpy(instant)) & (valid_time < to_numpy(instant + timedelta(days=1)))
    issue = official.filter(pa.array(ahead & ~after(official, instant)))
    at = pa.array(np.repeat(to_numpy(instant + SOON), len(issue))).cast(TIMESTAMP)
    power_mw = issue.column("power_mw").to_numpy() * draw.uniform(0.3, 0.9, len(issue))
    new = {"available_at": at, "issue_time": at, "power_mw": pa.array(power_mw)}
    columns = [new.get(name, issue.column(name)) for name in OFFICIAL_SCHEMA.names]
    both = pa.concat_tables(
        [official, pa.Table.from_arrays(columns, names=OFFICIAL_SCHEMA.names).cast(official.schema)]
    )
    return both.take(pa.array(np.argsort(both.column("available_at").to_numpy(), kind="stable")))


def _outages(network: Network, instant: datetime) -> pa.Table:
    """A unit and a wind farm or the like are reported out an hour after they really were."""
    names = [
        next(asset.name for asset in network.assets if asset.commitment is not None),
        network.of(*CURTAILABLE)[0].name,
    ]
    times = (instant + SOON, instant - timedelta(hours=1), instant + timedelta(days=1))
    columns = [pa.array(np.repeat(to_numpy(at), len(names))).cast(TIMESTAMP) for at in times]
    return pa.Table.from_arrays([columns[0], pa.array(names), *columns[1:]], schema=OUTAGE_SCHEMA)

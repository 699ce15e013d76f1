"""Perfect foresight: an oracle wired in by name for one row of a replay, never through the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.forecast import INTRADAY, QUANTILES, Vintage
from gridcore.network import Network
from gridcore.ports import Known, RegisteredModel
from gridcore.target import Target, load_target
from gridcore.timeline import (
    PERIOD,
    PLANT_PERIOD,
    Instants,
    day_start,
    from_numpy,
    local_day,
    periods_between,
    to_numpy,
)
from pipeline.schedule import next_midnight
from pipeline.truth import Truth

STEPS = PERIOD // PLANT_PERIOD
"""Plant periods in a period."""


class Oracle:
    """Answers with what will happen, which is what the plant answers with; every quantile is the truth.

    Args:
        network: The grid.
        targets: Basic targets.
        sums: Sum targets.
        readings: What the plant's truth is made of, as recorded, over the whole period and its look-ahead.
        start: Start of the first true period.
        end: End of the last reading's period; later periods repeat the last day.

    Raises:
        BadInputError: As `pipeline.truth.Truth`.
    """

    def __init__(
        self,
        network: Network,
        targets: Sequence[Target],
        sums: Sequence[Target],
        readings: pa.Table,
        start: datetime,
        end: datetime,
    ) -> None:
        self._network, self._targets, self._sums, self._start = network, tuple(targets), tuple(sums), start
        reading_period = end - pc.max(readings.column("valid_time")).as_py()
        truth = Truth(network, readings, period=reading_period)
        self._truth = _means(network, self._targets, truth, periods_between(start, end))

    def issue(self, known: Known, issue_time: datetime, mode: str) -> Vintage:
        """What will happen in the periods that a forecaster of ours would speak of."""
        if mode == "intraday":
            begins, ends = issue_time + PERIOD, issue_time + PERIOD + INTRADAY
        else:
            begins = next_midnight(issue_time, self._network.zone)
            ends = day_start(local_day(begins, self._network.zone) + timedelta(days=3), self._network.zone)
        valid_time = periods_between(begins, ends)
        basics = self._at(valid_time)
        row_of = {target.name: row for row, target in enumerate(self._targets)}
        rows = [basics]
        for total in self._sums:
            rows.append(sum(sign * basics[row_of[name]] for name, sign in total.members)[None, :])
        values = np.concatenate(rows)
        power = np.repeat(values[:, :, None], len(QUANTILES), axis=2)
        names = tuple(target.name for target in (*self._targets, *self._sums))
        models, reasons = ("oracle",) * len(names), ("",) * len(names)
        return Vintage(issue_time, valid_time, names, QUANTILES, power, models, known.instant, reasons)

    def fit(self, known: Known) -> tuple[RegisteredModel, ...]:
        """Nothing to fit, whatever is known."""
        del known
        return ()

    def is_fitted(self, known: Known) -> bool:
        """Always, whatever is known."""
        del known
        return True

    def _at(self, valid_time: npt.NDArray[np.datetime64]) -> npt.NDArray[np.float64]:
        columns = ((valid_time - to_numpy(self._start)) // np.timedelta64(PERIOD)).astype(np.int64)
        periods, day = self._truth.shape[1], timedelta(days=1) // PERIOD
        beyond = columns >= periods
        columns[beyond] = periods - day + (columns[beyond] - periods) % day
        if (columns < 0).any():
            first = from_numpy(valid_time[0]).isoformat()
            raise ValueError(f"the oracle was asked for {first}, before its start {self._start.isoformat()}")
        return self._truth[:, columns]


def _means(network: Network, targets: Sequence[Target], truth: Truth, valid_time: Instants) -> npt.NDArray[np.float64]:
    """Means of the truth over periods, shape (targets, periods) [MW]."""
    areas = {load_target(area): row for row, area in enumerate(network.areas)}
    means = np.zeros((len(targets), len(valid_time)))
    for column, begins in enumerate(valid_time):
        instants = [from_numpy(begins) + step * PLANT_PERIOD for step in range(STEPS)]
        load = np.mean([truth.load_mw(instant) for instant in instants], axis=0)
        available = np.mean([truth.available_mw(instant) for instant in instants], axis=0)
        for row, target in enumerate(targets):
            is_load = target.name in areas
            means[row, column] = load[areas[target.name]] if is_load else available[network.asset_index[target.name]]
    return means

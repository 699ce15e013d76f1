"""Accuracy of a row's own forecasts in closed loop, and what its models are made of."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from forecasting.issue import Forecaster
from forecasting.kind_model import describe, model_name
from forecasting.leads import BLOCKS, block_of
from forecasting.score import MIN_DAYS, accuracy_row
from forecasting.settings import Mode
from gridcore.asset import CURTAILABLE
from gridcore.forecast import QUANTILES, Vintage
from gridcore.ports import Known
from gridcore.reading import to_matrix
from gridcore.target import Kind, Target, basic_targets, limit_channel
from gridcore.timeline import PERIOD, from_numpy, local_day, to_numpy
from pipeline.phase import Phase

Floats = npt.NDArray[np.float64]

UNPREDICTED = frozenset({Kind.LOAD})
"""Kinds that are no headline where the official series is the truth times a constant, as in RTS-GMLC."""


def accuracy_of(phase: Phase, known: Known) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Scores by kind and lead block of the forecasts that the row acted on, and the members of its models.

    Under 30 days of issue times every score is None, with its n. A period in which a farm was curtailed is not scored.

    Args:
        phase: The finished phase.
        known: Its store at the end.
    """
    kinds = tuple(dict.fromkeys(target.kind for target in basic_targets(phase.network)))
    models = [known.model(model_name(kind, mode)) for kind in kinds for mode in Mode]
    members = [row for model in models if model is not None for row in describe(model)]
    scores = [row for mode in Mode for row in _scores(phase, known, mode)]
    return scores, members


def _scores(phase: Phase, known: Known, mode: Mode) -> list[dict[str, Any]]:
    issued = _issued(phase, known, mode)
    if not issued:
        return []
    zone = phase.network.zone
    days = len({local_day(vintage.issue_time, zone) for vintage in issued})
    others = _baselines(phase, known, mode, issued) if days >= MIN_DAYS else {}
    rows = []
    targets = basic_targets(phase.network)
    blocks = [block_of(vintage.valid_time, vintage.issue_time, mode, zone) for vintage in issued]
    for kind in dict.fromkeys(target.kind for target in targets):
        group = [target for target in targets if target.kind is kind]
        truth = _truth(known, group, issued)
        size = np.array([target.capacity_mw for target in group])
        largest = np.max([np.nan_to_num(part).max(axis=1) for part in truth], axis=0)
        size = np.where(size > 0, size, np.where(largest > 0, largest, 1.0))[:, None]
        whose = {"ours": issued} | others
        for number, block in enumerate(BLOCKS[mode]):
            chosen = [of_vintage == number for of_vintage in blocks]
            forecasts = {name: _shares(vintages, group, size, chosen) for name, vintages in whose.items()}
            actual = [(part / size)[:, cells].ravel() for part, cells in zip(truth, chosen, strict=True)]
            row = accuracy_row(kind.value, block, np.concatenate(actual), forecasts, days, kind not in UNPREDICTED)
            rows.append(row.as_dict())
    return rows


def _issued(phase: Phase, known: Known, mode: Mode) -> list[Vintage]:
    """The row's vintages of a mode, as the store has them; day-ahead ones reach beyond a day."""
    table = known.forecasts(phase.start - PERIOD)
    if not len(table):
        return []
    lead = pc.subtract(table.column("valid_time"), table.column("issue_time"))
    longest = pa.scalar(timedelta(hours=4), pa.duration("us"))
    instants = pc.unique(table.column("issue_time"))
    vintages = []
    for instant in sorted(instants.to_pylist()):
        of_issue = pc.equal(table.column("issue_time"), pa.scalar(to_numpy(instant)).cast(instants.type))
        rows = table.filter(pc.and_(of_issue, pc.less_equal(lead, longest)))
        if mode is Mode.DAY_AHEAD:
            rows = table.filter(pc.and_(of_issue, pc.greater(lead, longest)))
        if len(rows):
            vintages.append(_vintage(rows, instant))
    return vintages


def _vintage(table: pa.Table, issue_time: datetime) -> Vintage:
    ordered = table.sort_by([("valid_time", "ascending"), ("target", "ascending"), ("quantile", "ascending")])
    times = np.unique(ordered.column("valid_time").to_numpy().astype("datetime64[us]"))
    names = tuple(sorted(set(ordered.column("target").to_pylist())))
    values = ordered.column("power_mw").to_numpy().reshape(len(times), len(names), len(QUANTILES)).transpose(1, 0, 2)
    words = ("",) * len(names)
    return Vintage(issue_time, times, names, QUANTILES, np.ascontiguousarray(values), words, issue_time, words)


def _baselines(phase: Phase, known: Known, mode: Mode, issued: list[Vintage]) -> dict[str, list[Vintage]]:
    forecaster = Forecaster(phase.network, basic_targets(phase.network))
    instants = [vintage.issue_time for vintage in issued]
    return {name: forecaster.issue_many(known, instants, mode, name) for name in ("persistence", "official")}


def _shares(vintages: list[Vintage], group: list[Target], size: Floats, chosen: list[npt.NDArray[np.bool_]]) -> Floats:
    """Forecasts of the chosen periods as shares of size, shape (values, quantiles)."""
    parts = []
    for vintage, cells in zip(vintages, chosen, strict=True):
        rows = [vintage.target_index[target.name] for target in group]
        # A baseline issued anew speaks of more periods than a vintage that leaves some to the intraday one.
        power = vintage.power_mw[rows, -len(cells) :] / size[..., None]
        parts.append(power[:, cells].reshape(-1, power.shape[2]))
    return np.concatenate(parts)


def _truth(known: Known, group: list[Target], issued: list[Vintage]) -> list[Floats]:
    """What came, NaN where a limit was in force or nothing is known; of each vintage, shape (targets, periods) [MW]."""
    first = from_numpy(min(v.valid_time[0] for v in issued))
    last = from_numpy(max(v.valid_time[-1] for v in issued)) + PERIOD
    channels = [target.channel for target in group]
    values = to_matrix(known.readings(channels, first, last), channels, first, last, PERIOD)
    if group[0].kind.value in {technology.value for technology in CURTAILABLE}:
        limits = [limit_channel(target.name) for target in group]
        limited = to_matrix(known.readings(limits, first, last), limits, first, last, PERIOD)
        values[np.isfinite(limited)] = np.nan
    step, begins = np.timedelta64(PERIOD), to_numpy(first)
    return [values[:, ((vintage.valid_time - begins) // step).astype(np.int64)] for vintage in issued]

"""Accuracy of a row's own forecasts in closed loop, and what its models are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecasting.issue import Forecaster
from forecasting.kind_model import describe, model_name
from forecasting.members import BASELINES
from forecasting.score import MIN_DAYS, Accuracy
from forecasting.scorer import OURS, Scorer
from forecasting.settings import Mode
from gridcore.forecast import INTRADAY, Vintage, vintage_from_table
from gridcore.network import Network
from gridcore.ports import Known
from gridcore.target import Target, basic_targets
from gridcore.timeline import PERIOD, local_day
from pipeline.phase import Phase


def accuracy_of(
    phase: Phase, known_at: Callable[[datetime], Known]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Scores by kind and lead block of the forecasts that the row acted on, and the members of its models.

    Under 30 days of issue times every score is None, with its n. A period in which a limit held a farm down is not
    scored.

    Args:
        phase: The finished phase.
        known_at: Its store's door to history.
    """
    known = known_at(phase.end)
    targets = basic_targets(phase.network)
    kinds = tuple(dict.fromkeys(target.kind for target in targets))
    models = [known.model(model_name(kind, mode)) for kind in kinds for mode in Mode]
    members = [row for model in models if model is not None for row in describe(model)]
    scores = stored_scores(known, known_at, phase.network, targets, phase.start)
    return [row.as_dict() for row in scores], members


def stored_scores(
    known: Known,
    known_at: Callable[[datetime], Known],
    network: Network,
    targets: Sequence[Target],
    start: datetime,
) -> tuple[Accuracy, ...]:
    """Scores of the vintages that a store holds, by the same scorer as the open-loop back-test's.

    Args:
        known: The store at the end.
        known_at: The store's door to history: baselines take the fit that each issue time had.
        network: The grid, for its zone.
        targets: Basic targets.
        start: Start of the first period that was forecast.
    """
    forecaster = Forecaster(network, targets)
    issued = _issued(known, start - PERIOD)
    scorer = Scorer(known, network.zone, forecaster.groups, start)
    for mode in Mode:
        ours = issued[mode]
        whose = {OURS: ours}
        # Without the days for a score, nothing needs to be compared.
        if len({local_day(vintage.issue_time, network.zone) for vintage in ours}) >= MIN_DAYS:
            instants = [vintage.issue_time for vintage in ours]
            fits = forecaster.fits(known_at, instants, mode)
            whose |= {name: forecaster.issue_many(known, instants, mode, name, fits) for name in BASELINES}
        scorer.add(mode, whose)
    return scorer.rows()


def _issued(known: Known, since: datetime) -> dict[Mode, list[Vintage]]:
    """The vintages that a store holds, by mode; one instant's forecasts may be of both."""
    table = known.forecasts(since).sort_by("issue_time")
    found: dict[Mode, list[Vintage]] = {mode: [] for mode in Mode}
    instants = table.column("issue_time").to_numpy()
    starts = np.flatnonzero(np.r_[True, instants[1:] != instants[:-1]]) if len(instants) else np.zeros(0, np.int64)
    for first, last in zip(starts, np.r_[starts[1:], len(instants)], strict=False):
        of_issue = table.slice(first, last - first)
        lead = pc.subtract(of_issue.column("valid_time"), of_issue.column("issue_time"))
        near = pc.less_equal(lead, pa.scalar(INTRADAY, pa.duration("us")))
        for mode, rows in ((Mode.INTRADAY, of_issue.filter(near)), (Mode.DAY_AHEAD, of_issue.filter(pc.invert(near)))):
            if len(rows):
                found[mode].append(vintage_from_table(rows))
    return found

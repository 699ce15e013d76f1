"""Back-test: forecasts issued open loop over many days, with models refitted as of each week, and their scores.

Open loop: what came true is the grid's own history, which no decision of ours changes. Intraday vintages are issued
every hour (not every 15 min: neighbours see nearly the same), day-ahead ones at the gate. Vintages of a day come from
one later cut with later arrivals masked, which a test holds equal to issuing one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from forecasting.fit import BLEND
from forecasting.issue import Forecaster
from forecasting.kind_model import describe
from forecasting.members import BASELINES
from forecasting.sampling import gates
from forecasting.score import Accuracy
from forecasting.scorer import OURS, Scorer
from forecasting.settings import DAYS_AHEAD, ForecastSettings, Mode
from gridcore.network import Network
from gridcore.ports import Known, RegisteredModel
from gridcore.target import Target
from gridcore.timeline import day_start

INTRADAY_EVERY = timedelta(hours=1)
"""Distance of intraday issue times."""


@dataclass(frozen=True)
class Backtest:
    """What a back-test found."""

    accuracy: tuple[Accuracy, ...]
    """Scores by kind and lead block."""

    members: tuple[dict[str, object], ...]
    """`describe` of the last fit's models."""


def backtest(
    known_at: Callable[[datetime], Known],
    network: Network,
    targets: Sequence[Target],
    start: date,
    days: int,
    settings: ForecastSettings | None = None,
    refit_every_days: int = 7,
    progress: Callable[[int], None] | None = None,
) -> Backtest:
    """Score our blend and both baselines over `days` local days of issue times.

    Args:
        known_at: The door to history; asked for instants up to four days after the last issue time.
        network: The grid, for its zone.
        targets: Basic targets.
        start: First local day with an issue time; the history before it is what the first fit has.
        days: Number of days; under 30 the scores are None.
        settings: Of fits and issues.
        refit_every_days: Days that a fit serves.
        progress: Told the number of days done.

    Raises:
        HistoryTooShortError: There is too little history before `start`.
    """
    settings = settings or ForecastSettings()
    forecaster = Forecaster(network, targets, (), settings)
    # Truths arrive until the last day-ahead vintage's horizon, and a little later where telemetry is late.
    ends = day_start(start + timedelta(days=days + DAYS_AHEAD), network.zone) + timedelta(hours=6)
    scorer = Scorer(known_at(ends), network.zone, forecaster.groups, day_start(start, network.zone))
    models: tuple[RegisteredModel, ...] = ()
    for day in range(days):
        begins, ends = (day_start(start + timedelta(days=day + n), network.zone) for n in (0, 1))
        if day % refit_every_days == 0:
            models = forecaster.fit(known_at(begins))
        known = known_at(ends)
        count = int((ends - begins) / INTRADAY_EVERY)
        issues = {
            Mode.INTRADAY: [begins + n * INTRADAY_EVERY for n in range(count)],
            Mode.DAY_AHEAD: gates(begins, ends, network.zone, settings.gate_hour),
        }
        for mode, instants in issues.items():
            ours = forecaster.issue_many(known, instants, mode, BLEND, models)
            others = {who: forecaster.issue_many(known, instants, mode, who, models) for who in BASELINES}
            scorer.add(mode, {OURS: ours} | others)
        if progress is not None:
            progress(day + 1)
    return Backtest(scorer.rows(), tuple(row for model in models for row in describe(model)))

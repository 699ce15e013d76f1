"""Back-test: forecasts issued open loop over many days, with models refitted as of each week, and their scores.

Open loop: what came true is the grid's own history, which no decision of ours changes. Intraday vintages are issued
every hour (not every 15 min: neighbours see nearly the same), day-ahead ones at the gate. Vintages of a week come from
one later cut with later arrivals masked, which a test holds equal to issuing one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from forecasting.fit import BLEND, KindGroup
from forecasting.history import DAY, History, read_history
from forecasting.issue import Forecaster
from forecasting.kind_model import describe
from forecasting.leads import BLOCKS, block_of
from forecasting.members import BASELINES
from forecasting.sampling import gates
from forecasting.score import Accuracy, accuracy_row
from forecasting.settings import DAYS_AHEAD, SLOT, SOLAR, ForecastSettings, Mode
from gridcore.forecast import Vintage
from gridcore.network import Network
from gridcore.ports import Known, RegisteredModel
from gridcore.target import Target
from gridcore.timeline import day_start, local_day

INTRADAY_EVERY = timedelta(hours=1)
"""Distance of intraday issue times."""

SAME_AS_OFFICIAL = 1e-3
"""Relative error under which the truth counts as the official series times a constant; measured ones err by 1 % up."""

Floats = npt.NDArray[np.float64]


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
    scorer = _Scorer(known_at(ends), network.zone, forecaster.groups, day_start(start, network.zone))
    models: tuple[RegisteredModel, ...] = ()
    for first in range(0, days, refit_every_days):
        begins = day_start(start + timedelta(days=first), network.zone)
        until = min(first + refit_every_days, days)
        ends = day_start(start + timedelta(days=until), network.zone)
        models = forecaster.fit(known_at(begins))
        known = known_at(ends)
        count = int((ends - begins) / INTRADAY_EVERY)
        issues = {
            Mode.INTRADAY: [begins + n * INTRADAY_EVERY for n in range(count)],
            Mode.DAY_AHEAD: gates(begins, ends, network.zone, settings.gate_hour),
        }
        for mode, instants in issues.items():
            issued = {who: forecaster.issue_many(known, instants, mode, who, models) for who in (BLEND, *BASELINES)}
            scorer.add(mode, issued)
        if progress is not None:
            progress(until)
    return Backtest(scorer.rows(), tuple(row for model in models for row in describe(model)))


def official_is_truth(history: History) -> bool:
    """The truth is the official series times one constant per target, hour by hour: a forecast of it proves nothing."""
    hours = (history.truth.shape[0], -1, 4)
    official = history.official[-1].reshape(hours).mean(axis=2)
    truth = history.truth.reshape(hours).mean(axis=2)
    both = np.isfinite(official) & np.isfinite(truth)
    if not both.any():
        return False
    actual, given = np.where(both, truth, 0.0), np.where(both, official, 0.0)
    squares = (given**2).sum(axis=1, keepdims=True)
    factor = (actual * given).sum(axis=1, keepdims=True) / np.where(squares > 0, squares, 1.0)
    error = np.sqrt(((actual - factor * given) ** 2).sum() / (actual**2).sum()) if (actual**2).sum() > 0 else 1.0
    return bool(error < SAME_AS_OFFICIAL)


class _Scorer:
    """Gathers forecasts and truths by kind and lead block, as shares of capacity."""

    def __init__(self, known: Known, zone: ZoneInfo, groups: Sequence[KindGroup], begins: datetime) -> None:
        self._zone, self._groups = zone, groups
        ends = known.instant
        self._histories = [read_history(known, g.targets, begins, ends, all_issues=False) for g in groups]
        self._truth: dict[tuple[int, Mode], list[Floats]] = {}
        self._forecasts: dict[tuple[int, Mode], dict[str, list[Floats]]] = {}
        self._blocks: dict[tuple[int, Mode], list[npt.NDArray[np.int64]]] = {}
        self._days: dict[Mode, set[date]] = {mode: set() for mode in Mode}

    def add(self, mode: Mode, vintages: dict[str, list[Vintage]]) -> None:
        """Take in vintages of the same issue times by several forecasters."""
        for row, first in enumerate(vintages[BLEND]):
            self._days[mode].add(local_day(first.issue_time, self._zone))
            block = block_of(first.valid_time, first.issue_time, mode, self._zone)
            for index, group in enumerate(self._groups):
                truth, chosen = self._truth_of(index, first)
                key = (index, mode)
                self._truth.setdefault(key, []).append(truth[chosen])
                self._blocks.setdefault(key, []).append(np.broadcast_to(block, truth.shape)[chosen])
                places = [first.target_index[name] for name in group.names]
                of_key = self._forecasts.setdefault(key, {who: [] for who in vintages})
                for who, issued in vintages.items():
                    share = issued[row].power_mw[places] / self._scale(index)[:, None, None]
                    of_key[who].append(share[chosen])

    def rows(self) -> tuple[Accuracy, ...]:
        """Scores by kind and lead block."""
        found = []
        for (index, mode), parts in self._truth.items():
            truth, block = np.concatenate(parts), np.concatenate(self._blocks[index, mode])
            forecasts = {who: np.concatenate(values) for who, values in self._forecasts[index, mode].items()}
            forecasts["ours"] = forecasts.pop(BLEND)
            is_headline = not official_is_truth(self._histories[index])
            for number, name in enumerate(BLOCKS[mode]):
                of_block = {who: values[block == number] for who, values in forecasts.items()}
                if not np.isfinite(self._histories[index].official).any() or (mode is Mode.DAY_AHEAD and number > 0):
                    # Beyond its last day the official forecaster falls back to persistence: no score of its own.
                    of_block.pop("official")
                kind = self._groups[index].kind.value
                days = len(self._days[mode])
                found.append(accuracy_row(kind, name, truth[block == number], of_block, days, is_headline))
        return tuple(found)

    def _truth_of(self, index: int, vintage: Vintage) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Shares of capacity and which count: known, not curtailed, and for solar kinds with the sun up."""
        history, group = self._histories[index], self._groups[index]
        truth = history.truth_at(vintage.valid_time[None, :])[0] / self._scale(index)[:, None]
        chosen = np.isfinite(truth)
        if group.kind in SOLAR:
            first = vintage.valid_time[0].astype("datetime64[D]")
            days = int((vintage.valid_time[-1] - first) // DAY) + 1
            slot = ((vintage.valid_time - first) // SLOT).astype(np.int64)
            chosen &= ~group.solar.block(first, days).is_down[:, slot]
        return truth, chosen

    def _scale(self, index: int) -> Floats:
        """Capacity, or where only history can tell it the largest truth, shape (targets,) [MW]."""
        capacity = np.array([target.capacity_mw for target in self._groups[index].targets])
        known = np.isfinite(self._histories[index].truth)
        largest = np.where(known, self._histories[index].truth, 0.0).max(axis=1)
        scale = np.where(capacity > 0, capacity, largest)
        return np.where(scale > 0, scale, 1.0)

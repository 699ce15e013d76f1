"""The one way forecasts are scored: vintages against what came true, by kind and lead block.

Open-loop back-tests and closed-loop rows both bring their vintages here, so that the same vintages and truths give the
same numbers. A value counts where the truth is known and no limit held it down; for kinds that follow the sun, while
the sun is up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from forecasting.fit import KindGroup
from forecasting.history import DAY, History, read_history
from forecasting.leads import BLOCKS, block_of
from forecasting.members import OFFICIAL
from forecasting.score import Accuracy, accuracy_row
from forecasting.settings import CLIPPED, SLOT, SOLAR, Mode
from gridcore.forecast import QUANTILES, Vintage
from gridcore.ports import Known
from gridcore.target import Kind
from gridcore.timeline import Instants, local_day

OURS = "ours"
"""Whose vintages are scored; the others are what they are compared with."""

HEADLINE = CLIPPED
"""Kinds whose accuracy is a claim: wind, PV and rooftop PV."""

SAME_AS_OFFICIAL = 1e-3
"""Relative error under which the truth counts as the official series times a constant; measured ones err by 1 % up."""

Floats = npt.NDArray[np.float64]


def is_headline(kind: Kind, history: History) -> bool:
    """The accuracy of a kind counts as a claim: wind or sun, and the official series is not the truth in disguise."""
    return kind in HEADLINE and not official_is_truth(history)


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


class Scorer:
    """Gathers forecasts and truths by kind and lead block, as shares of capacity.

    Args:
        known: What is known at the end: the truths.
        zone: The grid's zone.
        groups: Targets by kind (`forecasting.issue.Forecaster.groups`).
        begins: Start of the first period that a vintage may speak of.
    """

    def __init__(self, known: Known, zone: ZoneInfo, groups: Sequence[KindGroup], begins: datetime) -> None:
        self._zone, self._groups = zone, groups
        ends = known.instant
        self._histories = [read_history(known, g.targets, begins, ends, all_issues=False) for g in groups]
        self._truth: dict[tuple[int, Mode], list[Floats]] = {}
        self._forecasts: dict[tuple[int, Mode], dict[str, list[Floats]]] = {}
        self._blocks: dict[tuple[int, Mode], list[npt.NDArray[np.int64]]] = {}
        self._days: dict[Mode, set[date]] = {mode: set() for mode in Mode}

    def add(self, mode: Mode, vintages: Mapping[str, Sequence[Vintage]]) -> None:
        """Take in vintages of the same issue times by several forecasters.

        Args:
            mode: Intraday or day-ahead.
            vintages: By forecaster, `OURS` among them; what is compared may speak of more periods.
        """
        for row, ours in enumerate(vintages[OURS]):
            self._days[mode].add(local_day(ours.issue_time, self._zone))
            block = block_of(ours.valid_time, ours.issue_time, mode, self._zone)
            for index, group in enumerate(self._groups):
                truth, chosen = self._truth_of(index, ours.valid_time)
                key = (index, mode)
                self._truth.setdefault(key, []).append(truth[chosen])
                self._blocks.setdefault(key, []).append(np.broadcast_to(block, truth.shape)[chosen])
                of_key = self._forecasts.setdefault(key, {who: [] for who in vintages})
                for who, issued in vintages.items():
                    power = _at(issued[row], group.names, ours.valid_time)
                    of_key[who].append((power / self._scale(index)[:, None, None])[chosen])

    def rows(self) -> tuple[Accuracy, ...]:
        """Scores by kind and lead block."""
        found = []
        for (index, mode), parts in self._truth.items():
            truth, block = np.concatenate(parts), np.concatenate(self._blocks[index, mode])
            forecasts = {who: np.concatenate(values) for who, values in self._forecasts[index, mode].items()}
            kind, history, days = self._groups[index].kind, self._histories[index], len(self._days[mode])
            claims = is_headline(kind, history)
            for number, name in enumerate(BLOCKS[mode]):
                of_block = {who: values[block == number] for who, values in forecasts.items()}
                if not np.isfinite(history.official).any() or (mode is Mode.DAY_AHEAD and number > 0):
                    # Beyond its last day the official forecaster falls back to persistence: no score of its own.
                    of_block.pop(OFFICIAL, None)
                found.append(accuracy_row(kind.value, name, truth[block == number], of_block, days, claims))
        return tuple(found)

    def _truth_of(self, index: int, valid: Instants) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Shares of capacity and which count: known, not curtailed, and for solar kinds with the sun up."""
        history, group = self._histories[index], self._groups[index]
        truth = history.truth_at(valid[None, :])[0] / self._scale(index)[:, None]
        chosen = np.isfinite(truth)
        if group.kind in SOLAR:
            first = valid[0].astype("datetime64[D]")
            days = int((valid[-1] - first) // DAY) + 1
            slot = ((valid - first) // SLOT).astype(np.int64)
            chosen &= ~group.solar.block(first, days).is_down[:, slot]
        return truth, chosen

    def _scale(self, index: int) -> Floats:
        """Capacity, or where only history can tell it the largest truth, shape (targets,) [MW]."""
        capacity = np.array([target.capacity_mw for target in self._groups[index].targets])
        known = np.isfinite(self._histories[index].truth)
        largest = np.where(known, self._histories[index].truth, 0.0).max(axis=1)
        scale = np.where(capacity > 0, capacity, largest)
        return np.where(scale > 0, scale, 1.0)


def _at(vintage: Vintage, names: Sequence[str], valid: Instants) -> Floats:
    """A vintage's power of some targets and periods, NaN where it says nothing, (targets, periods, quantiles) [MW]."""
    own = vintage.power_mw[[vintage.target_index[name] for name in names]]
    place = np.searchsorted(vintage.valid_time, valid)
    said = np.isin(valid, vintage.valid_time)
    power = np.full((len(names), len(valid), len(QUANTILES)), np.nan)
    power[:, said] = own[:, place[said]]
    return power

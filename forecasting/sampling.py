"""Which issue times and steps a fit learns from: few rows, spread over the whole stretch, the same in every run."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from forecasting.features import Question
from forecasting.leads import block_of, valid_times
from forecasting.settings import SLOT, SOLAR, ForecastSettings, Mode
from gridcore.forecast import INTRADAY
from gridcore.target import Kind
from gridcore.timeline import PERIOD, Instants, at_local_time, from_numpy, local_day, to_numpy

STEPS_PER_ISSUE = 4
"""Steps taken of an intraday issue time: neighbouring steps say nearly the same, other issue times more."""

VALIDATION_GAP = timedelta(hours=5)
"""Distance of intraday validation issues; with 24 h it shares no divisor but 1, so that all hours of the day occur."""

VALIDATION_STEPS = 72
"""Steps taken of a day-ahead validation vintage: hourly."""


def gates(start: datetime, end: datetime, zone: ZoneInfo, hour: int) -> list[datetime]:
    """The day-ahead issue times in [start, end)."""
    day, last = local_day(start, zone), local_day(end, zone)
    found = [at_local_time(day + timedelta(days=n), hour, zone) for n in range((last - day).days + 1)]
    return [gate for gate in found if start <= gate < end]


def training_question(
    mode: Mode, start: datetime, end: datetime, kind: Kind, targets: int, zone: ZoneInfo, settings: ForecastSettings
) -> Question | None:
    """Issue times in [start, end) and steps for about `settings.training_rows` rows; None where there is none."""
    generator = np.random.default_rng(settings.seed)
    # Half of a sun-bound kind's rows are night, which needs no model.
    rows = settings.training_rows * (2 if kind in SOLAR else 1)
    if mode is Mode.DAY_AHEAD:
        issues = gates(start, end, zone, settings.gate_hour)
        steps = max(2, rows // max(1, targets * len(issues)))
    else:
        first = to_numpy(start).astype("datetime64[D]").astype("datetime64[us]")
        candidates = np.arange(first, to_numpy(end), SLOT)
        count = min(len(candidates), max(1, rows // (targets * STEPS_PER_ISSUE)))
        chosen = np.sort(generator.choice(candidates, count, replace=False)) if count else candidates
        issues, steps = [from_numpy(issue) for issue in chosen], STEPS_PER_ISSUE
    return _question(issues, mode, zone, steps, generator)


def validation_question(mode: Mode, start: datetime, end: datetime, zone: ZoneInfo, gate_hour: int) -> Question | None:
    """Issue times in [start, end) at which weights are measured; the same for every kind, so that sums can be built."""
    if mode is Mode.DAY_AHEAD:
        return _question(gates(start, end, zone, gate_hour), mode, zone, VALIDATION_STEPS, None)
    count = int((end - start) / VALIDATION_GAP)
    # The first whole hour that is not before the cut: up to the cut the members were fitted.
    almost_an_hour_on = to_numpy(start) + np.timedelta64(3_599_999_999, "us")
    first = from_numpy(almost_an_hour_on.astype("datetime64[h]"))
    issues = [first + VALIDATION_GAP * n for n in range(count)]
    return _question(issues, mode, zone, int(INTRADAY / PERIOD), None)


def _question(
    issues: list[datetime], mode: Mode, zone: ZoneInfo, steps: int, generator: np.random.Generator | None
) -> Question | None:
    """Some steps of each vintage: evenly taken, or drawn."""
    if not issues:
        return None
    valid: list[Instants] = []
    block: list[npt.NDArray[np.int64]] = []
    for issue in issues:
        whole = valid_times(issue, mode, zone)
        if generator is None:
            index = np.arange(steps) * len(whole) // steps
        else:
            index = np.sort(generator.choice(len(whole), min(steps, 92), replace=False))
        valid.append(whole[index])
        block.append(block_of(whole[index], issue, mode, zone))
    return Question(np.array([to_numpy(issue) for issue in issues]), np.stack(valid), np.stack(block), mode)

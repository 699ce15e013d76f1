"""Features: what a model sees of each (issue time, target, step), all scaled by the target's size.

One builder serves the live tick (one issue time), the fit (sampled issue times) and the back-test (many): arrays are
dense over issue times, targets and steps. Nothing is looked up that was not known at the issue time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from forecasting.history import DAY, History
from forecasting.leads import LocalTime, block_of, valid_times
from forecasting.settings import CELL, SLOT, SOLAR, Mode
from forecasting.solar import SLOTS_PER_DAY, SolarGeometry
from gridcore.target import Kind
from gridcore.timeline import Instants, from_numpy, to_numpy

WINDOW_CELLS = 36
"""Telemetry that the newest values are looked for in: 3 h; older ones say little on the next 4 h."""

LAG_DAYS = {Mode.INTRADAY: 2, Mode.DAY_AHEAD: 8}
"""How many days back the same time is looked up."""

LOW_SUN = 0.03
"""Clear-sky irradiance [kW/m2] below which a ratio to it is noise."""

HOUR = np.timedelta64(3_600_000_000, "us")

Floats = npt.NDArray[np.float64]

NAMES = (
    "lead_h", "last", "mean_15", "mean_30", "mean_60", "ramp_30", "ramp_60", "age_h",
    "official", "official_interpolated", "official_before_1h", "official_after_1h", "official_before_2h",
    "official_after_2h", "official_now", "error_15", "error_60", "kind_official", "kind_error_60", "kind_mean_60",
    "lag_1", "lag_2", "lag_mean", "hour_sin", "hour_cos", "minute",
    "clear_sky", "cos_zenith", "clear_sky_now", "smart_persistence", "official_ratio",
    "is_weekend", "size",
)  # fmt: skip
"""Feature names, in the order of the last axis."""


@dataclass(frozen=True)
class Question:
    """Which issue times and steps are asked for; steps are the same for all targets."""

    issue: Instants
    """Issue times, shape (issue times,)."""

    valid: Instants
    """Period starts, shape (issue times, steps)."""

    block: npt.NDArray[np.int64]
    """Lead block of each, shape (issue times, steps)."""

    mode: Mode
    """Intraday or day-ahead."""


@dataclass(frozen=True)
class Frame:
    """What is known on each (issue time, target, step); powers are shares of `scale_mw`."""

    question: Question
    """The issue times and steps."""

    scale_mw: Floats
    """Size of each target, shape (targets,) [MW]."""

    features: npt.NDArray[np.float64]
    """Shape (issue times, targets, steps, features), float64 and NaN where unknown."""

    persistence: Floats
    """Persistence forecast, shape (issue times, targets, steps); NaN where no reading is known."""

    official: Floats
    """Official series, same shape; NaN where none is known."""

    sun: Floats
    """How far errors can reach: clear-sky share for solar kinds, 1 for others, same shape."""

    is_down: npt.NDArray[np.bool_]
    """The sun is down all period, same shape."""

    age_h: Floats
    """Age of the newest reading at the issue time, shape (issue times, targets) [h]; NaN where none in 3 h."""

    @property
    def lead_h(self) -> Floats:
        """Lead time of each step, shape (issue times, steps) [h]."""
        return np.asarray((self.question.valid - self.question.issue[:, None]) / HOUR)


def ask(issues: list[datetime], mode: Mode, zone: ZoneInfo) -> list[Question]:
    """The full vintages' questions, one for each group of issue times with equally many steps."""
    groups: dict[int, list[tuple[np.datetime64, Instants, npt.NDArray[np.int64]]]] = {}
    for issue in issues:
        valid = valid_times(issue, mode, zone)
        groups.setdefault(len(valid), []).append((to_numpy(issue), valid, block_of(valid, issue, mode, zone)))
    return [
        Question(
            np.array([g[0] for g in group]), np.stack([g[1] for g in group]), np.stack([g[2] for g in group]), mode
        )
        for group in groups.values()
    ]


def mean_known(values: Floats, axis: int, weights: Floats | None = None) -> Floats:
    """Mean over finite values, NaN where there is none; weights broadcast against values."""
    finite = np.isfinite(values)
    weight = finite * (1.0 if weights is None else weights)
    total = np.where(finite, values, 0.0) * weight
    count = weight.sum(axis=axis)
    return np.where(count > 0, total.sum(axis=axis) / np.where(count > 0, count, 1.0), np.nan)


def build_frame(
    history: History, solar: SolarGeometry, zone: ZoneInfo, kind: Kind, scale_mw: Floats, question: Question
) -> Frame:
    """All features of a question.

    Args:
        history: Of the kind's targets; must reach `LAG_DAYS` back from the first issue time.
        solar: Geometry of the same targets.
        zone: The grid's zone.
        kind: The targets' kind.
        scale_mw: Size of each target, shape (targets,) [MW].
        question: Issue times and steps.
    """
    issue, valid = question.issue, question.valid
    scale = scale_mw[None, :, None]
    shape = (len(issue), len(scale_mw), valid.shape[1])
    clear, cosine, down, clear_now = _sun(solar, question)
    window = history.window(issue, WINDOW_CELLS) / scale
    recent = _recent(window)
    lead_h = (valid - issue[:, None]) / HOUR
    local = LocalTime(zone, valid.min(), valid.max())
    lags = _lags(history, local, question) / scale[..., None]
    around = {hours: history.official_known(valid + hours * HOUR, issue) / scale for hours in (-2, -1, 0, 1, 2)}
    past = history.official_known(issue[:, None] - np.arange(4, 0, -1) * SLOT, issue) / scale
    official_now = mean_known(past, 2)
    error_60 = recent["mean_60"] - official_now
    minute = history.official_minute(valid)
    interpolated = _interpolate(around, minute) if history.official_is_hourly else around[0]
    kind_weight = scale_mw[None, :, None]
    ratio_now = np.where(clear_now > LOW_SUN, recent["mean_60"] / np.maximum(clear_now, LOW_SUN), np.nan)
    hour = _hour(local.wall(valid))[:, None, :]
    weekend = np.isin((local.wall(valid).astype("datetime64[D]").astype(np.int64) + 3) % 7, (5, 6))[:, None, :]
    age_h = recent["age_h"]
    columns: dict[str, Floats] = {
        "lead_h": lead_h[:, None, :],
        "official": around[0],
        "official_interpolated": interpolated,
        "official_before_1h": around[-1],
        "official_after_1h": around[1],
        "official_before_2h": around[-2],
        "official_after_2h": around[2],
        "official_now": official_now[..., None],
        "error_15": (recent["mean_15"] - official_now)[..., None],
        "error_60": error_60[..., None],
        "kind_official": mean_known(around[0], 1, kind_weight)[:, None, :],
        "kind_error_60": mean_known(error_60[..., None], 1, kind_weight)[:, None, :],
        "kind_mean_60": mean_known(recent["mean_60"][..., None], 1, kind_weight)[:, None, :],
        "lag_1": lags[..., 0],
        "lag_2": lags[..., 1],
        "lag_mean": mean_known(lags, 3),
        "hour_sin": np.sin(hour * (2 * np.pi / 24)),
        "hour_cos": np.cos(hour * (2 * np.pi / 24)),
        "minute": minute,
        "clear_sky": clear,
        "cos_zenith": cosine,
        "clear_sky_now": clear_now[..., None],
        "smart_persistence": np.minimum(ratio_now[..., None] * clear, 2.0),
        "official_ratio": np.where(clear > LOW_SUN, interpolated / np.maximum(clear, LOW_SUN), np.nan),
        "is_weekend": weekend.astype(np.float64),
        "size": scale,
    }
    columns |= {name: value[..., None] for name, value in recent.items()}
    features = np.empty((*shape, len(NAMES)))
    for column, name in enumerate(NAMES):
        features[..., column] = columns[name]
    persistence = _persistence(recent["last"], lags, question.mode)
    reach = np.clip(np.where(np.isfinite(clear), clear, 1.0), 0.02, 1.0) if kind in SOLAR else np.ones(shape)
    is_down = down if kind in SOLAR else np.zeros(shape, dtype=bool)
    return Frame(question, scale_mw, features, persistence, around[0], reach, is_down, age_h)


def _recent(window: Floats) -> dict[str, Floats]:
    """Newest values of a telemetry window, each of shape (issue times, targets)."""
    finite = np.isfinite(window)
    newest = window.shape[2] - 1 - np.argmax(finite[:, :, ::-1], axis=2)
    any_known = finite.any(axis=2)
    last = np.where(any_known, np.take_along_axis(window, newest[..., None], axis=2)[..., 0], np.nan)
    cell_h = CELL / HOUR
    age = np.where(any_known, (window.shape[2] - 1 - newest) * cell_h, np.nan)
    # The newest cell has not arrived at a tick (period end plus latency), so windows count back from the newest known.
    means = {minutes: mean_known(_tail(window, newest, minutes // 5), 2) for minutes in (15, 30, 60, 90)}
    before_60 = 3 * means[90] - 2 * means[60]
    return {
        "last": last,
        "mean_15": means[15],
        "mean_30": means[30],
        "mean_60": means[60],
        "ramp_30": means[15] - (2 * means[30] - means[15]),
        "ramp_60": means[30] - before_60,
        "age_h": age,
    }


def _tail(window: Floats, newest: npt.NDArray[np.int64], cells: int) -> Floats:
    """The `cells` values up to the newest known one, shape (issue times, targets, cells)."""
    index = newest[..., None] - np.arange(cells - 1, -1, -1)
    return np.where(index >= 0, np.take_along_axis(window, np.maximum(index, 0), axis=2), np.nan)


def _lags(history: History, local: LocalTime, question: Question) -> Floats:
    """The same local time on the last known days, newest first, NaN at the end; (issue times, targets, steps, days)."""
    days = LAG_DAYS[question.mode] + (3 if question.mode is Mode.DAY_AHEAD else 0)
    lags = [history.slots_known(local.days_before(question.valid, day), question.issue) for day in range(1, days + 1)]
    stacked = np.stack(lags, axis=-1)
    order = np.argsort(~np.isfinite(stacked), axis=-1, kind="stable")
    return np.take_along_axis(stacked, order, axis=-1)[..., : LAG_DAYS[question.mode]]


def _persistence(last: Floats, lags: Floats, mode: Mode) -> Floats:
    """Last value up to 4 h, same time on the last known day after; the other where one is missing."""
    held = np.broadcast_to(last[..., None], lags.shape[:3])
    first, second = (held, lags[..., 0]) if mode is Mode.INTRADAY else (lags[..., 0], held)
    return np.where(np.isfinite(first), first, second)


def _interpolate(around: dict[int, Floats], minute: Floats) -> Floats:
    """Hourly means drawn as a line between the middles of their hours."""
    before, here, after = around[-1], around[0], around[1]
    weight = minute / 60 - 0.5
    line = np.where(weight < 0, here + weight * (here - before), here + weight * (after - here))
    return np.where(np.isfinite(line), line, here)


def _sun(solar: SolarGeometry, question: Question) -> tuple[Floats, Floats, npt.NDArray[np.bool_], Floats]:
    """Clear sky, cosine of zenith and night at each step, and the clear sky of the last hour."""
    first = (question.issue.min() - HOUR).astype("datetime64[D]")
    last = question.valid.max().astype("datetime64[D]")
    block = solar.block(first, int((last - first) / np.timedelta64(1, "D")) + 1)
    start = first.astype("datetime64[us]")
    index = ((question.valid - start) // SLOT).astype(np.int64)
    past = ((question.issue - start) // SLOT).astype(np.int64)[:, None] - np.arange(4, 0, -1)
    assert SLOTS_PER_DAY * SLOT == DAY
    return (
        block.clear_sky[:, index].transpose(1, 0, 2),
        block.cos_zenith[:, index].transpose(1, 0, 2),
        block.is_down[:, index].transpose(1, 0, 2),
        block.clear_sky[:, past].mean(axis=2).T,
    )


def _hour(wall: Instants) -> Floats:
    return np.asarray((wall - wall.astype("datetime64[D]")) / HOUR)


def history_span(first_issue: datetime, last_valid: np.datetime64, mode: Mode) -> tuple[datetime, datetime]:
    """What a history must cover for a question: `LAG_DAYS` and the bridge's memory back, two hours on."""
    back = LAG_DAYS[mode] * np.timedelta64(1, "D") + 14 * HOUR
    if mode is Mode.DAY_AHEAD:
        back = back + np.timedelta64(4, "D")
    return from_numpy(to_numpy(first_issue) - back), from_numpy(last_valid + 3 * HOUR)

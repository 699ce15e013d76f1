"""Fitting: from what is known at an instant to a model of each kind and mode, and of the sums.

Each kind is fitted twice: without the last stretch of its history, on which the members are then weighed, the blend is
calibrated and the sums' spread measured; and with all of it, for use. Both fits see the same features and settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from forecasting.blend import BlockBlend, fit_blend, left_out, unfitted
from forecasting.boosting import anchor, fit_boosters, growth, lead_power
from forecasting.features import Frame, Question, build_frame
from forecasting.history import History, read_history
from forecasting.kind_model import KindModel, register
from forecasting.members import BASELINES, PROPHET, error_quantiles, points_of
from forecasting.predict import baseline_alone, blended, load_scale, member_quantiles
from forecasting.prophet_curves import ProphetCurves, silence
from forecasting.sampling import training_question, validation_question
from forecasting.settings import SLOT, ForecastSettings, Mode
from forecasting.solar import SolarGeometry
from forecasting.sums import SumsModel, fit_spread, register_sums
from forecasting.workers import side_by_side
from gridcore.errors import HistoryTooShortError
from gridcore.forecast import QUANTILES
from gridcore.ports import Known, RegisteredModel
from gridcore.target import Kind, Target
from gridcore.timeline import to_numpy

BLEND = "blend"
"""Name of the blended forecaster beside the members'."""

MIN_ROWS = 500
"""Fewer training rows than this fit no booster."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class KindGroup:
    """The targets of one kind with what does not change over time."""

    kind: Kind
    """Their kind."""

    targets: tuple[Target, ...]
    """Targets, in the order of every (targets, ...) array."""

    solar: SolarGeometry
    """Their solar geometry."""

    @property
    def names(self) -> tuple[str, ...]:
        """Target names."""
        return tuple(target.name for target in self.targets)

    @property
    def known_sizes(self) -> dict[str, float]:
        """Sizes that need no history [MW]."""
        return {target.name: target.capacity_mw for target in self.targets if target.capacity_mw > 0}


@dataclass(frozen=True)
class Measured:
    """One kind's forecasts on validation, for the sums."""

    names: tuple[str, ...]
    """Target names."""

    question: Question
    """The validation's issue times and steps."""

    forecast_mw: Mapping[str, Floats]
    """By forecaster, shape (issue times, targets, steps, quantiles) [MW]."""

    truth_mw: Floats
    """What came true, shape (issue times, targets, steps) [MW]."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of history and where its validation begins."""

    start: datetime
    """First instant."""

    cut: datetime
    """Start of the validation."""

    end: datetime
    """The instant of the fit."""

    @property
    def days(self) -> float:
        """Its length [days]."""
        return (self.end - self.start) / timedelta(days=1)


def fit_models(
    known: Known,
    groups: Sequence[KindGroup],
    sums: Sequence[Target],
    zone: ZoneInfo,
    settings: ForecastSettings,
) -> tuple[RegisteredModel, ...]:
    """Models of every kind and mode and of the sums, fitted as of `known.instant`.

    Kinds are fitted side by side in threads: LightGBM lets go of Python's lock while it trains and Prophet's solver is
    a process of its own. Each fit is one thread's work with its own seed, so that models don't depend on the workers.

    Raises:
        HistoryTooShortError: Less than `settings.min_history_days` are known.
    """
    stretch = history_stretch(known, settings)
    until = stretch.end + timedelta(hours=3)
    # Load begins first: with Prophet it takes longest, and nothing should wait for it alone at the end.
    order = sorted(groups, key=lambda group: group.kind is not Kind.LOAD)
    # A store serves the thread that opened it, so all reading is done here.
    histories = [read_history(known, group.targets, stretch.start, until, all_issues=True) for group in order]
    tasks = [partial(_fit_kind, *of_kind, stretch, zone, settings) for of_kind in zip(order, histories, strict=True)]
    found = dict(zip((group.kind for group in order), side_by_side(tasks, settings.fit_workers), strict=True))
    fitted = [found[group.kind] for group in groups]
    registered = [register(model, known.instant)[1] for of_kind in fitted for model, _ in of_kind]
    for row, mode in enumerate(Mode):
        seen = [measured for of_kind in fitted for measured in of_kind[row][1]]
        registered.append(register_sums(fit_sums(seen, sums, mode), known.instant)[1])
    return tuple(registered)


def _fit_kind(
    group: KindGroup, history: History, stretch: Stretch, zone: ZoneInfo, settings: ForecastSettings
) -> list[tuple[KindModel, list[Measured]]]:
    """Model and measured forecasts of each mode of one kind."""
    curves = ProphetCurves(zone, by_day=False)
    prophets: dict[tuple[str, int], str] = {}
    return [_KindFitter(group, history, mode, stretch, zone, settings, curves, prophets).fit() for mode in Mode]


def history_stretch(known: Known, settings: ForecastSettings) -> Stretch:
    """The history to fit on and its split; raises `HistoryTooShortError` where it is too short."""
    first = known.first_valid_time()
    days = (known.instant - first) / timedelta(days=1) if first is not None else 0.0
    if first is None or days < settings.min_history_days:
        wanted = f"{settings.min_history_days:g} days"
        instant = known.instant.isoformat()
        raise HistoryTooShortError("history too short to fit", instant=instant, got=f"{days:.1f} days", wanted=wanted)
    start = max(first, known.instant - timedelta(days=settings.max_history_days))
    days = (known.instant - start) / timedelta(days=1)
    held_out = float(np.clip(days * settings.validation_share, *settings.validation_days))
    return Stretch(start, known.instant - timedelta(days=held_out), known.instant)


def fit_sums(measured: Sequence[Measured], sums: Sequence[Target], mode: Mode) -> SumsModel:
    """Spread of each sum, for the blend and each baseline."""
    if not measured:
        return SumsModel(mode, {})
    rows = {name: row for row, name in enumerate(name for one in measured for name in one.names)}
    truth = np.concatenate([one.truth_mw for one in measured], axis=1)
    spread: dict[str, dict[str, Floats]] = {}
    for who in measured[0].forecast_mw:
        forecast = np.concatenate([one.forecast_mw[who] for one in measured], axis=1)
        for total in sums:
            if all(name in rows for name, _ in total.members):
                found = fit_spread(total, rows, forecast, truth, measured[0].question.block, mode)
                if found is not None:
                    spread.setdefault(who, {})[total.name] = found
    return SumsModel(mode, spread)


class _KindFitter:
    """Fits one kind and mode."""

    def __init__(
        self,
        group: KindGroup,
        history: History,
        mode: Mode,
        stretch: Stretch,
        zone: ZoneInfo,
        settings: ForecastSettings,
        curves: ProphetCurves,
        fitted_prophets: dict[tuple[str, int], str],
    ) -> None:
        self._fitted_prophets = fitted_prophets
        self._group, self._history, self._mode, self._stretch = group, history, mode, stretch
        self._zone, self._settings, self._curves = zone, settings, curves
        self._scale = load_scale(history, group.known_sizes, group.names)

    def fit(self) -> tuple[KindModel, list[Measured]]:
        """The model, and its forecasts on validation where there are any."""
        early = self._members_until(self._stretch.cut)
        measured = self._validate(early)
        blends = early.blends
        notes: tuple[str, ...] = ()
        if measured is not None:
            question, frame, truth = measured
            members = member_quantiles(early, frame, self._group.names, self._curves)
            blends = fit_blend(members, truth, frame)
            notes = left_out(members, truth, frame, self._group.names)
            seen = self._measured(question, frame, truth, members, blends)
        else:
            seen = []
        model = self._members_until(self._stretch.end)
        return replace(model, blends=blends, notes=(*model.notes, *notes)), seen

    def _members_until(self, end: datetime) -> KindModel:
        """Boosters, baselines' errors and Prophets from the history before `end`."""
        question = training_question(
            self._mode, self._stretch.start, end, self._group.kind, len(self._scale), self._zone, self._settings
        )
        model = KindModel(
            self._group.kind, self._mode, "", (), self._settings.boosted_levels, {}, {}, unfitted(self._mode),
            dict(zip(self._group.names, self._scale.tolist(), strict=True)), self._stretch.days,
        )  # fmt: skip
        if question is None:
            zero = np.zeros((len(model.blends), len(QUANTILES)))
            return replace(model, errors=dict.fromkeys(BASELINES, zero))
        frame = self._frame(question)
        truth = self._truth(question, end)
        errors = {name: error_quantiles(point, truth, frame) for name, point in points_of(frame).items()}
        model = replace(model, errors=errors)
        model = self._with_prophets(model, frame, truth, end)
        usable = np.isfinite(truth) & ~frame.is_down
        if usable.sum() < MIN_ROWS:
            note = f"lightgbm left out: {int(usable.sum())} rows, wanted {MIN_ROWS}"
            return replace(model, notes=(*model.notes, note))
        residual = (truth - anchor(frame, self._group.kind))[usable]
        lead_h = np.broadcast_to(frame.lead_h[:, None, :], truth.shape)[usable]
        power = lead_power(lead_h, residual, self._group.kind, self._mode)
        boosters = fit_boosters(frame.features[usable], residual / growth(lead_h, power), self._mode, self._settings)
        return replace(model, boosters=tuple(boosters), lead_power=power)

    def _with_prophets(self, model: KindModel, frame: Frame, truth: Floats, end: datetime) -> KindModel:
        """The model with a Prophet for each load, where the history is long enough."""
        if self._group.kind is not Kind.LOAD or not self._settings.with_prophet:
            return model
        silence()
        from forecasting.prophet_member import fit_prophet, missing_holidays  # noqa: PLC0415  (see forecasting.prophet_curves)

        slots = int((to_numpy(end) - self._history.start) // SLOT)
        wanted = self._settings.prophet_min_days
        texts: dict[str, str] = {}
        notes = model.notes
        for row, name in enumerate(self._group.names):
            load = self._history.truth[row, :slots] / self._scale[row]
            days = np.isfinite(load).sum() / 96
            if days < wanted:
                notes = (*notes, f"prophet left out for {name}: {days:.1f} days of history, wanted {wanted:g}")
                continue
            if (name, slots) not in self._fitted_prophets:
                fitted = fit_prophet(self._history.start, load, self._zone, self._settings)
                self._fitted_prophets[name, slots] = fitted
            texts[name] = self._fitted_prophets[name, slots]
        if texts:
            if why := missing_holidays(self._settings.holiday_country):
                notes = (*notes, f"prophet has {why}")
            points = self._curves.points(texts, frame, self._group.names)
            model = replace(model, errors={**model.errors, PROPHET: error_quantiles(points, truth, frame)})
        return replace(model, prophets=texts, notes=notes)

    def _validate(self, early: KindModel) -> tuple[Question, Frame, Floats] | None:
        question = validation_question(
            self._mode, self._stretch.cut, self._stretch.end, self._zone, self._settings.gate_hour
        )
        if question is None or not early.errors:
            return None
        return question, self._frame(question), self._truth(question, self._stretch.end)

    def _measured(
        self, question: Question, frame: Frame, truth: Floats, members: dict[str, Floats], blends: Sequence[BlockBlend]
    ) -> list[Measured]:
        forecasts = {BLEND: blended(members, blends, frame, self._group.kind)}
        forecasts |= {name: baseline_alone(members, name, frame, self._group.kind) for name in BASELINES}
        scale = self._scale[None, :, None]
        in_mw = {name: value * scale[..., None] for name, value in forecasts.items()}
        return [Measured(self._group.names, question, in_mw, truth * scale)]

    def _frame(self, question: Question) -> Frame:
        return build_frame(self._history, self._group.solar, self._zone, self._group.kind, self._scale, question)

    def _truth(self, question: Question, end: datetime) -> Floats:
        """Truth as shares of size, NaN for periods that end after `end`."""
        truth = self._history.truth_at(question.valid) / self._scale[None, :, None]
        known = question.valid + SLOT <= to_numpy(end)
        return np.where(known[:, None, :], truth, np.nan)

"""The room's door: models fitted as of an instant, and forecast vintages from what is known at another.

A vintage depends on `known` alone: on the readings, official series and models in it. What is kept between calls
(decoded models, solar geometry, Prophet's curves) is a function of its own key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from forecasting.blend import unfitted
from forecasting.features import Frame, Question, ask, build_frame, history_span
from forecasting.fit import BLEND, KindGroup, fit_models
from forecasting.history import History, read_history
from forecasting.kind_model import KindModel, decode, model_name
from forecasting.members import BASELINES, error_quantiles, points_of
from forecasting.predict import baseline_alone, blended, load_scale, member_quantiles, needed_members
from forecasting.prophet_curves import ProphetCurves
from forecasting.registry import Registry, fits_between
from forecasting.sampling import training_question
from forecasting.settings import SLOT, ForecastSettings, Mode
from forecasting.solar import SolarGeometry
from forecasting.sums import SumsModel, decode_sums, sum_quantiles, sums_name
from gridcore.forecast import QUANTILES, Vintage
from gridcore.network import Network
from gridcore.ports import Known, RegisteredModel
from gridcore.target import Kind, Target
from gridcore.timeline import from_numpy, to_numpy

MAX_AGE_H = 1.0
"""Age of the newest reading from which an intraday forecast counts as a fallback [h]."""

Floats = npt.NDArray[np.float64]


class Forecaster:
    """Fits and issues forecasts for a fixed list of targets and sums.

    Args:
        network: The grid, for its time zone.
        targets: Basic targets (`gridcore.target.basic_targets`).
        sums: Sums over them (`gridcore.target.sum_targets`).
        settings: Budgets and switches.
    """

    def __init__(
        self,
        network: Network,
        targets: Sequence[Target],
        sums: Sequence[Target] = (),
        settings: ForecastSettings | None = None,
    ) -> None:
        self._settings = settings or ForecastSettings()
        self._zone = network.zone
        self._targets, self._sums = tuple(targets), tuple(sums)
        kinds = dict.fromkeys(target.kind for target in self._targets)
        self.groups = tuple(_group(kind, self._targets) for kind in kinds)
        self._rows = {name: row for row, name in enumerate(n for group in self.groups for n in group.names)}
        self._curves = ProphetCurves(self._zone)
        self._models: dict[str, KindModel] = {}
        self._sums_models: dict[str, SumsModel] = {}

    def fit(self, known: Known) -> tuple[RegisteredModel, ...]:
        """Models of every kind and mode and of the sums, as of `known.instant`; equal histories give equal payloads.

        Raises:
            HistoryTooShortError: Less history than `settings.min_history_days` is known.
        """
        return fit_models(known, self.groups, self._sums, self._zone, self._settings)

    def issue(self, known: Known, issue_time: datetime, mode: Mode | str, member: str = BLEND) -> Vintage:
        """One vintage of all targets and sums; never fails for want of history: see its `fallback_reason`.

        Args:
            known: What was known; rows later than `issue_time` are not used.
            issue_time: When the forecast is made.
            mode: `intraday` or `day_ahead`.
            member: `blend`, or a baseline alone (`persistence`, `official`) as a complete forecaster.
        """
        return self.issue_many(known, [issue_time], mode, member)[0]

    def issue_many(
        self,
        known: Known,
        issue_times: Sequence[datetime],
        mode: Mode | str,
        member: str = BLEND,
        models: Sequence[RegisteredModel] | None = None,
    ) -> list[Vintage]:
        """Vintages of several issue times from one later cut, for back-tests.

        Readings that arrived after an issue time are masked from it; a value corrected in between is the one thing
        that differs from issuing one at a time.

        Args:
            known: A cut at or after the last issue time.
            issue_times: When the forecasts are made.
            mode: `intraday` or `day_ahead`.
            member: `blend` or a baseline.
            models: Fits to choose from (see `fits`); an issue time takes the newest fitted by then. None takes the
                newest fits of the cut: an issue time before them gets the baselines alone.
        """
        mode = Mode(mode)
        registry = Registry(known, models)
        found: dict[datetime, Vintage] = {}
        for of_fit in registry.by_fit(self._model_names(mode), issue_times):
            for question in ask(of_fit, mode, self._zone):
                found |= self._answer(registry, min(of_fit), question, member)
        return [found[issue] for issue in issue_times]

    def fits(
        self, known_at: Callable[[datetime], Known], issue_times: Sequence[datetime], mode: Mode | str
    ) -> tuple[RegisteredModel, ...]:
        """The registered fits that served some issue times, for `issue_many` over a stretch with refits in it.

        Args:
            known_at: The door to history.
            issue_times: When the forecasts were made.
            mode: `intraday` or `day_ahead`.
        """
        return fits_between(known_at, self._model_names(Mode(mode)), min(issue_times), max(issue_times))

    def _model_names(self, mode: Mode) -> tuple[str, ...]:
        return (*(model_name(group.kind, mode) for group in self.groups), sums_name(mode))

    def _answer(
        self, registry: Registry, first_issue: datetime, question: Question, member: str
    ) -> dict[datetime, Vintage]:
        """Vintages of issue times that the same fits serve, the first of them `first_issue`."""
        mode = question.mode
        parts = [self._answer_kind(registry, first_issue, group, question, member) for group in self.groups]
        power = np.concatenate([part[0] for part in parts], axis=1)
        model_ids = [part[1] for part, group in zip(parts, self.groups, strict=True) for _ in group.names]
        registered = registry.find(sums_name(mode), first_issue)
        sums_model = None if registered is None else self._decoded_sums(registered)
        totals, ids = [], []
        for total in self._sums:
            spread = None if sums_model is None else sums_model.spread.get(member, {}).get(total.name)
            totals.append(sum_quantiles(total, self._rows, power, question.block, spread))
            ids.append(f"sum-of-{member}" if sums_model is None else sums_model.model_id)
        whole = np.concatenate([power, np.stack(totals, axis=1)], axis=1) if totals else power
        names = (*self._rows, *(total.name for total in self._sums))
        result: dict[datetime, Vintage] = {}
        for row, instant in enumerate(question.issue):
            reasons = [reason for part in parts for reason in part[2][row]]
            reasons += [_sum_reason(total, self._rows, reasons) for total in self._sums]
            issue = from_numpy(instant)
            result[issue] = Vintage(
                issue, question.valid[row], names, QUANTILES, np.ascontiguousarray(whole[row]),
                (*model_ids, *ids), issue, tuple(reasons),
            )  # fmt: skip
        return result

    def _answer_kind(
        self, registry: Registry, first_issue: datetime, group: KindGroup, question: Question, member: str
    ) -> tuple[Floats, str, list[list[str]]]:
        """One kind's quantiles [MW], its model id, and the reasons by issue time and target."""
        known = registry.known
        first, last = from_numpy(question.issue.min()), question.valid.max()
        single = len(question.issue) == 1 and known.instant <= first
        history = read_history(known, group.targets, *history_span(first, last, question.mode), all_issues=not single)
        registered = registry.find(model_name(group.kind, question.mode), first_issue)
        model = (
            self._unfitted(known, group, question.mode, min(known.instant, first_issue))
            if registered is None
            else self._decoded(registered)
        )
        scale = self._scale(model, history, group)
        frame = build_frame(history, group.solar, self._zone, group.kind, scale, question)
        wanted = needed_members(model.blends) if member == BLEND else frozenset({member, *BASELINES})
        members = member_quantiles(model, frame, group.names, self._curves, wanted)
        if member == BLEND:
            power = blended(members, model.blends, frame, group.kind)
        else:
            power = baseline_alone(members, member, frame, group.kind)
        reasons = _reasons(frame, model, member)
        return power * scale[None, :, None, None], model.model_id if member == BLEND else member, reasons

    def _scale(self, model: KindModel, history: History, group: KindGroup) -> Floats:
        sizes = dict(model.scale_mw) or group.known_sizes
        return load_scale(history, sizes, group.names)

    def _decoded(self, registered: RegisteredModel) -> KindModel:
        if registered.model_id not in self._models:
            self._models[registered.model_id] = decode(registered)
        return self._models[registered.model_id]

    def _decoded_sums(self, registered: RegisteredModel) -> SumsModel:
        if registered.model_id not in self._sums_models:
            self._sums_models[registered.model_id] = decode_sums(registered)
        return self._sums_models[registered.model_id]

    def _unfitted(self, known: Known, group: KindGroup, mode: Mode, as_of: datetime) -> KindModel:
        """A model of baselines alone, their errors measured on the last days before `as_of`."""
        since = as_of - self._settings.fallback_history
        history = read_history(known, group.targets, since, as_of + timedelta(hours=3), all_issues=True)
        scale = load_scale(history, group.known_sizes, group.names)
        question = training_question(mode, since, as_of, group.kind, len(scale), self._zone, self._settings)
        sizes = dict(zip(group.names, scale.tolist(), strict=True))
        zero = np.zeros((len(unfitted(mode)), len(QUANTILES)))
        errors: Mapping[str, Floats] = dict.fromkeys(BASELINES, zero)
        if question is not None:
            frame = build_frame(history, group.solar, self._zone, group.kind, scale, question)
            is_past = (question.valid + SLOT <= to_numpy(as_of))[:, None, :]
            truth = np.where(is_past, history.truth_at(question.valid) / scale[None, :, None], np.nan)
            errors = {name: error_quantiles(point, truth, frame) for name, point in points_of(frame).items()}
        model_id = f"{group.kind.value}-{mode.value}-unfitted"
        return KindModel(group.kind, mode, model_id, (), (), errors, {}, unfitted(mode), sizes, 0.0)


def _group(kind: Kind, targets: Iterable[Target]) -> KindGroup:
    own = tuple(target for target in targets if target.kind is kind)
    return KindGroup(kind, own, SolarGeometry(own))


def _reasons(frame: Frame, model: KindModel, member: str) -> list[list[str]]:
    """Why each target has less than its model, by issue time; empty words where nothing is missing."""
    blind = ~(np.isfinite(frame.persistence) | np.isfinite(frame.official)) & ~frame.is_down
    expects = np.array(
        [blend.weights.get("official", 0.0) > 0 or "official" in blend.pinball for blend in model.blends]
    )
    asked = expects[frame.question.block][:, None, :] & ~frame.is_down
    no_official = asked & ~np.isfinite(frame.official)
    stale = ~(frame.age_h <= MAX_AGE_H)
    result = []
    for issue in range(frame.sun.shape[0]):
        row = []
        for target in range(frame.sun.shape[1]):
            words = list(model.notes or ("no fitted model",)) if member == BLEND and not model.boosters else []
            if blind[issue, target].any():
                words.append(f"nothing known for {int(blind[issue, target].sum())} periods, 0 given")
            elif no_official[issue, target].any():
                words.append(f"no official forecast for {int(no_official[issue, target].sum())} periods")
            if stale[issue, target]:
                age = frame.age_h[issue, target]
                words.append("no reading in the last 3 h" if np.isnan(age) else f"newest reading {age:.1f} h old")
            row.append("; ".join(words))
        result.append(row)
    return result


def _sum_reason(total: Target, rows: Mapping[str, int], reasons: Sequence[str]) -> str:
    """A sum falls back where a member does."""
    fallen = [name for name, _ in total.members if reasons[rows[name]]]
    return f"fallback in {len(fallen)} of {len(total.members)} members, e.g. {fallen[0]}" if fallen else ""

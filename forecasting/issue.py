"""The room's door: models fitted as of an instant, and forecast vintages from what is known at another.

A vintage depends on `known` alone: on the readings, official series and models in it. What is kept between calls
(decoded models, solar geometry, Prophet's curves) is a function of its own key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from forecasting.blend import unfitted
from forecasting.features import Frame, Question, ask, build_frame, history_span
from forecasting.fit import BLEND, KindGroup, fit_models, points_of_names
from forecasting.history import History, read_history
from forecasting.kind_model import KindModel, decode, model_name
from forecasting.members import BASELINES, error_quantiles, points_of
from forecasting.predict import blended, bounded, load_scale, member_quantiles, needed_members
from forecasting.prophet_curves import ProphetCurves
from forecasting.sampling import training_question
from forecasting.settings import ForecastSettings, Mode
from forecasting.solar import SolarGeometry
from forecasting.sums import SumsModel, decode_sums, sum_quantiles, sums_name
from gridcore.forecast import QUANTILES, Vintage
from gridcore.network import Network
from gridcore.ports import Known, RegisteredModel
from gridcore.target import Kind, Target
from gridcore.timeline import from_numpy

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
        self._groups = tuple(_group(kind, self._targets) for kind in kinds)
        self._rows = {name: row for row, name in enumerate(n for group in self._groups for n in group.names)}
        self._curves = ProphetCurves(self._zone)
        self._models: dict[str, KindModel] = {}
        self._sums_models: dict[str, SumsModel] = {}

    def fit(self, known: Known) -> tuple[RegisteredModel, ...]:
        """Models of every kind and mode and of the sums, as of `known.instant`; equal histories give equal payloads.

        Raises:
            HistoryTooShortError: Less history than `settings.min_history_days` is known.
        """
        return fit_models(known, self._groups, self._sums, self._zone, self._settings)

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
        self, known: Known, issue_times: Sequence[datetime], mode: Mode | str, member: str = BLEND
    ) -> list[Vintage]:
        """Vintages of several issue times from one later cut, for back-tests: models are the newest known at the first.

        Readings that arrived after an issue time are masked from it; a value corrected in between is the one thing
        that differs from issuing one at a time.
        """
        mode = Mode(mode)
        found: dict[datetime, Vintage] = {}
        for question in ask(list(issue_times), mode, self._zone):
            found |= self._answer(known, question, member)
        return [found[issue] for issue in issue_times]

    def _answer(self, known: Known, question: Question, member: str) -> dict[datetime, Vintage]:
        mode = question.mode
        parts = [self._answer_kind(known, group, question, member) for group in self._groups]
        power = np.concatenate([part[0] for part in parts], axis=1)
        model_ids = [part[1] for part, group in zip(parts, self._groups, strict=True) for _ in group.names]
        registered = known.model(sums_name(mode))
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
        self, known: Known, group: KindGroup, question: Question, member: str
    ) -> tuple[Floats, str, list[list[str]]]:
        """One kind's quantiles [MW], its model id, and the reasons by issue time and target."""
        first, last = from_numpy(question.issue.min()), question.valid.max()
        single = len(question.issue) == 1 and known.instant <= first
        history = read_history(known, group.targets, *history_span(first, last, question.mode), all_issues=not single)
        registered = known.model(model_name(group.kind, question.mode))
        model = self._unfitted(known, group, question.mode) if registered is None else self._decoded(registered)
        scale = self._scale(model, history, group)
        frame = build_frame(history, group.solar, self._zone, group.kind, scale, question)
        wanted = needed_members(model.blends) if member == BLEND else frozenset({member, *BASELINES})
        members = member_quantiles(model, frame, group.names, self._curves, wanted)
        if member == BLEND:
            power = blended(members, model.blends, frame, group.kind)
        else:
            spare = next(name for name in BASELINES if name != member)
            chosen = np.where(np.isfinite(members[member]), members[member], members[spare])
            power = np.nan_to_num(bounded(chosen, frame, group.kind), nan=0.0)
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

    def _unfitted(self, known: Known, group: KindGroup, mode: Mode) -> KindModel:
        """A model of baselines alone, their errors measured on the last days known."""
        since = known.instant - self._settings.fallback_history
        history = read_history(known, group.targets, since, known.instant + timedelta(hours=3), all_issues=True)
        scale = load_scale(history, group.known_sizes, group.names)
        question = training_question(mode, since, known.instant, group.kind, len(scale), self._zone, self._settings)
        sizes = dict(zip(group.names, scale.tolist(), strict=True))
        zero = np.zeros((len(unfitted(mode)), len(QUANTILES)))
        errors: Mapping[str, Floats] = dict.fromkeys(points_of_names(), zero)
        if question is not None:
            frame = build_frame(history, group.solar, self._zone, group.kind, scale, question)
            truth = history.truth_at(question.valid) / scale[None, :, None]
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
            words = ["no fitted model"] if member == BLEND and not model.boosters else []
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

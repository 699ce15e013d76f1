"""The stretch that members are weighed on stays unseen by the members that are weighed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from forecasting import fit as fitting
from forecasting.fit import history_stretch
from forecasting.issue import Forecaster
from forecasting.kind_model import KindModel, register
from forecasting.predict import member_quantiles
from gridcore.timeline import to_numpy
from tests.forecasting.fakes import FakeHistory
from tests.forecasting.world import FIT_AT, LOAD, PV, SMALL, WIND, changed, network, world

SETTINGS = replace(SMALL, with_prophet=True, prophet_min_days=10, fit_workers=1)
TARGETS = (*WIND, *PV, LOAD)


def with_other_validation(history: FakeHistory) -> FakeHistory:
    """What came true in the validation stretch comes 5 h later: the same values, so that sizes stay what they are."""
    cut = to_numpy(history_stretch(history.known_at(FIT_AT), SETTINGS).cut).astype(np.int64)
    end = to_numpy(FIT_AT).astype(np.int64)
    for target in TARGETS:
        rows = history.readings[target.channel]
        inside = (rows.valid >= cut) & (rows.valid < end)
        values = rows.value.copy()
        values[inside] = np.roll(rows.value[inside], 60)
        history = changed(history, target.channel, values)
    return history


def fitted(history: FakeHistory, patch: pytest.MonkeyPatch) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Payloads of the members as they are weighed, and of the models for use."""
    weighed: dict[str, bytes] = {}

    def spy(model: KindModel, *rest: object) -> object:
        named = register(model, FIT_AT)[1]
        weighed[named.name] = named.payload
        return member_quantiles(model, *rest)  # type: ignore[arg-type]

    patch.setattr(fitting, "member_quantiles", spy)
    models = Forecaster(network(), TARGETS, (), SETTINGS).fit(history.known_at(FIT_AT))
    return weighed, {model.name: model.payload for model in models if not model.name.startswith("sums/")}


def test_members_are_weighed_on_truths_that_they_were_not_fitted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    history = world().history
    before, used_before = fitted(history, monkeypatch)
    after, used_after = fitted(with_other_validation(history), monkeypatch)
    assert set(before) == set(used_before)
    assert len(before) == 6
    for name, payload in before.items():
        assert after[name] == payload, f"{name}: the validation's truth entered the fit that it judges"
        assert used_after[name] != used_before[name], f"{name}: the change should have moved the model for use"


def test_the_validation_is_the_end_of_the_history() -> None:
    stretch = history_stretch(world().history.known_at(FIT_AT), SETTINGS)
    assert stretch.end == FIT_AT
    assert stretch.end - stretch.cut == timedelta(days=SETTINGS.validation_share * stretch.days)

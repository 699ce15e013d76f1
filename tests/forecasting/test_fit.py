"""Laws of a fit: it repeats, it says when there is too little, and it sees nothing after its instant."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from forecasting.issue import Forecaster
from forecasting.kind_model import decode, describe
from forecasting.sums import decode_sums
from gridcore.errors import HistoryTooShortError
from gridcore.timeline import to_numpy
from tests.forecasting.fakes import FakeHistory
from tests.forecasting.world import FIT_AT, LOAD, PV, SMALL, START, TARGETS, WIND, changed, network, world


def test_equal_histories_give_equal_payloads() -> None:
    forecaster = Forecaster(network(), WIND, (), SMALL)
    first, again = (forecaster.fit(world().history.known_at(FIT_AT)) for _ in range(2))
    assert [model.payload for model in first] == [model.payload for model in again]
    assert [model.model_id for model in first] == [model.model_id for model in again]


def test_what_arrives_after_the_fit_does_not_change_it() -> None:
    history = world().history
    rows = history.readings["wind_0/power"]
    late = rows.at > to_numpy(FIT_AT).astype(np.int64)
    other = changed(history, "wind_0/power", np.where(late, 0.0, rows.value))
    forecaster = Forecaster(network(), WIND, (), SMALL)
    payloads = [[m.payload for m in forecaster.fit(source.known_at(FIT_AT))] for source in (history, other)]
    assert payloads[0] == payloads[1]


def test_another_history_gives_another_model_id() -> None:
    forecaster = Forecaster(network(), WIND, (), SMALL)
    later = forecaster.fit(world().history.known_at(FIT_AT + timedelta(days=1)))
    assert {m.model_id for m in later}.isdisjoint({m.model_id for m in world().models})


@pytest.mark.parametrize("days", [0.0, 3.5])
def test_too_short_a_history_names_what_there_is_and_what_is_wanted(days: float) -> None:
    history = world().history if days else FakeHistory()
    with pytest.raises(HistoryTooShortError, match="wanted 5 days") as caught:
        Forecaster(network(), TARGETS, (), SMALL).fit(history.known_at(START + timedelta(days=days, seconds=360)))
    assert caught.value.got == f"{days:.1f} days"
    assert caught.value.instant is not None


def test_nine_days_are_enough_and_prophet_says_why_it_is_out() -> None:
    forecaster = Forecaster(network(), (*PV, LOAD), (), replace(SMALL, with_prophet=True))
    models = {model.name: model for model in forecaster.fit(world().history.known_at(START + timedelta(days=9)))}
    assert decode(models["pv/intraday"]).boosters
    assert decode(models["load/day_ahead"]).boosters
    note = decode(models["load/day_ahead"]).notes[0]
    assert "prophet left out" in note
    assert "9.0 days" in note
    assert "wanted 14" in note


def test_weights_are_shares_and_the_blend_loses_to_no_member() -> None:
    rows = [row for model in world().models for row in describe(model)]
    blocks = {(row["kind"], row["mode"], row["lead_block"]) for row in rows}
    assert len(blocks) == 3 * 5
    for block in blocks:
        of_block = [row for row in rows if (row["kind"], row["mode"], row["lead_block"]) == block]
        members = {str(row["member"]): row for row in of_block}
        blend = members.pop("blend")
        weights = np.array([float(str(row["weight"])) for row in members.values()])
        assert (weights >= 0).all()
        assert weights.sum() == pytest.approx(1.0)
        best = min(float(str(row["pinball"])) for row in members.values())
        assert float(str(blend["pinball"])) <= best * 1.02


def test_sums_of_a_baseline_are_measured_with_what_stands_in_for_it() -> None:
    # The official series ends with D+1; beyond it persistence stands in, as when a vintage is issued.
    spread = decode_sums(next(m for m in world().models if m.name == "sums/day_ahead")).spread
    official, persistence = (spread[who]["system/wind"] for who in ("official", "persistence"))
    assert not np.array_equal(official[0], persistence[0])
    np.testing.assert_array_equal(official[1:], persistence[1:])


def test_load_is_scaled_by_what_history_shows() -> None:
    model = decode(next(m for m in world().models if m.name == "load/intraday"))
    highest = world().history.readings["north/load"].value.max()
    assert 0.9 * highest < model.scale_mw["north/load"] < 1.15 * highest

"""The back-test: what it counts, and when it says nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from forecasting.backtest import backtest
from forecasting.history import read_history
from forecasting.scorer import is_headline, official_is_truth
from gridcore.errors import HistoryTooShortError
from gridcore.target import Kind
from tests.forecasting.fakes import EPOCH, rts_history
from tests.forecasting.world import DAYS, LOAD, PV, SMALL, START, WIND, network, world


def test_two_days_say_insufficient_data_with_their_n() -> None:
    seen: list[int] = []
    known_at = world().history.known_at
    result = backtest(known_at, network(), (*WIND, *PV), date(2025, 3, 19), 2, SMALL, progress=seen.append)
    rows = {(row.kind, row.lead_block): row for row in result.accuracy}
    assert set(rows) == {(k, b) for k in ("wind", "pv") for b in ("15-60 min", "60-240 min", "D+1", "D+2", "D+3")}
    assert all(row.pinball is None and row.rmse_accuracy is None for row in rows.values())
    # Two days of hourly issues, four farms, 4 and 12 steps; two gates, four farms, 96 periods.
    assert rows["wind", "15-60 min"].n == 48 * 4 * 4
    assert rows["wind", "60-240 min"].n == 48 * 4 * 12
    assert rows["wind", "D+1"].n == 2 * 4 * 96
    # The sun is down for about half of March's periods.
    assert 0.4 < rows["pv", "D+1"].n / (2 * 2 * 96) < 0.65
    assert seen == [1, 2]
    assert any(member["member"] == "lightgbm" for member in result.members)


def test_thirty_days_are_scored_and_beat_both_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecasting.score.MIN_DAYS", 4)
    result = backtest(world().history.known_at, network(), WIND, date(2025, 3, 17), 5, SMALL, refit_every_days=5)
    rows = {row.lead_block: row for row in result.accuracy}
    first = rows["15-60 min"]
    assert first.skill_persistence is not None
    assert first.skill_official is not None
    assert first.skill_persistence > 0
    assert first.skill_official > 0.2
    assert rows["D+2"].skill_official is None
    assert first.is_headline


def test_too_little_history_before_the_start_is_an_error() -> None:
    with pytest.raises(HistoryTooShortError):
        backtest(world().history.known_at, network(), WIND, date(2025, 3, 5), 2, SMALL)


@pytest.mark.parametrize(("kind", "wanted"), [(Kind.LOAD, True), (Kind.WIND, False), (Kind.PV, False)])
def test_on_rts_gmlc_official_load_is_the_truth_times_a_constant(kind: Kind, wanted: bool) -> None:
    history, targets = rts_history()
    own = [target for target in targets if target.kind is kind]
    end = EPOCH + timedelta(days=20)
    known = history.known_at(end + timedelta(days=1))
    assert official_is_truth(read_history(known, own, EPOCH, end, all_issues=False)) is wanted


def test_a_constant_factor_is_seen_through_and_a_real_error_is_not() -> None:
    end = START + timedelta(days=DAYS)
    made = read_history(world().history.known_at(end + timedelta(hours=1)), [LOAD], START, end, all_issues=False)
    assert not official_is_truth(made)
    hourly = np.repeat(made.truth.reshape(1, -1, 4).mean(axis=2), 4, axis=1)
    assert official_is_truth(replace(made, official=hourly[None] * 0.92))


def test_only_wind_and_sun_are_headline() -> None:
    # No official series of the made world is its truth; a solar field's heat and load are no claim all the same.
    end = START + timedelta(days=DAYS)
    made = read_history(world().history.known_at(end + timedelta(hours=1)), WIND, START, end, all_issues=False)
    assert {kind for kind in Kind if is_headline(kind, made)} == {Kind.WIND, Kind.PV, Kind.ROOFTOP_PV}
    hourly = np.repeat(made.truth.reshape(len(WIND), -1, 4).mean(axis=2), 4, axis=1)
    assert not is_headline(Kind.WIND, replace(made, official=hourly[None] * 0.92))

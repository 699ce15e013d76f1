"""Laws of a vintage: it follows from what is known, keeps its bounds, and comes whatever is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.issue import Forecaster
from forecasting.kind_model import decode
from gridcore.forecast import QUANTILES
from gridcore.target import limit_channel
from gridcore.timeline import to_numpy
from tests.forecasting.fakes import FakeHistory, Rows
from tests.forecasting.world import DAYS, FIT_AT, LOAD, PV, SMALL, START, SUMS, TARGETS, WIND, changed, network, world

NOON = FIT_AT + timedelta(days=1, hours=11)
GATE = FIT_AT + timedelta(days=1, hours=7)


@pytest.mark.parametrize(("mode", "instant"), [("intraday", NOON), ("day_ahead", GATE)])
def test_equal_knowledge_gives_bitwise_equal_forecasts(mode: str, instant: datetime) -> None:
    fitted = world().fitted
    first = world().forecaster.issue(fitted.known_at(instant), instant, mode)
    fresh = Forecaster(network(), TARGETS, SUMS, SMALL)
    fresh.issue(fitted.known_at(instant + timedelta(days=1)), instant + timedelta(days=1), mode)
    again = fresh.issue(fitted.known_at(instant), instant, mode)
    assert first.power_mw.tobytes() == again.power_mw.tobytes()
    assert first.model_id == again.model_id


@settings(max_examples=6)
@given(st.integers(0, 4 * 24), st.sampled_from(["intraday", "day_ahead"]), st.integers(0, len(TARGETS) - 1))
def test_later_arrivals_leave_earlier_forecasts_alone(quarter: int, mode: str, row: int) -> None:
    instant = FIT_AT + timedelta(minutes=15 * quarter)
    fitted = world().fitted
    before = world().forecaster.issue(fitted.known_at(instant), instant, mode)
    rows = fitted.readings[TARGETS[row].channel]
    late = rows.at > to_numpy(instant).astype(np.int64)
    other = changed(fitted, TARGETS[row].channel, np.where(late, rows.value * 3 + 7, rows.value))
    after = world().forecaster.issue(other.known_at(instant), instant, mode)
    assert before.power_mw.tobytes() == after.power_mw.tobytes()


@pytest.mark.parametrize("mode", ["intraday", "day_ahead"])
@pytest.mark.parametrize("member", ["blend", "persistence", "official"])
def test_many_issue_times_from_one_later_cut_equal_one_at_a_time(mode: str, member: str) -> None:
    step = timedelta(hours=5) if mode == "intraday" else timedelta(days=1)
    instants = [GATE + n * step for n in range(3)]
    fitted = world().fitted
    many = world().forecaster.issue_many(fitted.known_at(GATE + timedelta(days=4)), instants, mode, member)
    for instant, vintage in zip(instants, many, strict=True):
        one = world().forecaster.issue(fitted.known_at(instant), instant, mode, member)
        assert vintage.fallback_reason == one.fallback_reason
        np.testing.assert_allclose(vintage.power_mw, one.power_mw, atol=1e-9, rtol=0)


def test_a_model_fitted_after_the_first_issue_time_is_not_used_for_it() -> None:
    before = FIT_AT - timedelta(hours=1)
    late_cut = world().fitted.known_at(FIT_AT + timedelta(days=1))
    vintage = world().forecaster.issue_many(late_cut, [before], "intraday")[0]
    assert all("no fitted model" in vintage.fallback_reason[vintage.target_index[t.name]] for t in TARGETS)


@pytest.mark.parametrize(("mode", "steps"), [("intraday", 16), ("day_ahead", 288)])
def test_forecasts_keep_capacity_and_are_dark_at_night(mode: str, steps: int) -> None:
    vintage = world().forecaster.issue(world().fitted.known_at(GATE), GATE, mode)
    assert vintage.power_mw.shape == (len(TARGETS) + len(SUMS), steps, len(QUANTILES))
    for target in (*WIND, *PV):
        values = vintage.power_mw[vintage.target_index[target.name]]
        assert values.min() >= 0
        assert values.max() <= target.capacity_mw
    if mode == "day_ahead":
        hour = (vintage.valid_time - vintage.valid_time.astype("datetime64[D]")) / np.timedelta64(1, "h")
        deep_night = (hour >= 20) | (hour < 3)
        for target in PV:
            assert (vintage.power_mw[vintage.target_index[target.name]][deep_night] == 0).all()
            assert vintage.power_mw[vintage.target_index[target.name]].max() > 0.2 * target.capacity_mw


def test_the_day_of_a_clock_change_has_92_periods() -> None:
    # Berlin sprang forward on 2025-03-30: the three days issued on the 28th hold 96 + 92 + 96 periods.
    instant = datetime(2025, 3, 28, 7, tzinfo=UTC)
    vintage = world().forecaster.issue(world().fitted.known_at(instant), instant, "day_ahead")
    assert len(vintage.valid_time) == 96 + 92 + 96
    assert vintage.valid_time[0] == np.datetime64("2025-03-28T23:00")


def test_medians_of_a_sum_are_the_sum_of_its_members_medians() -> None:
    vintage = world().forecaster.issue(world().fitted.known_at(NOON), NOON, "intraday")
    for total in SUMS:
        members = sum(sign * vintage.level(name, 0.5) for name, sign in total.members)
        np.testing.assert_allclose(vintage.level(total.name, 0.5), members, atol=1e-9)
        assert vintage.model_id[vintage.target_index[total.name]].startswith("sums-intraday-")


def test_each_target_names_its_model_and_nothing_is_a_fallback_on_good_data() -> None:
    vintage = world().forecaster.issue(world().fitted.known_at(NOON), NOON, "intraday")
    assert set(vintage.fallback_reason) == {""}
    assert vintage.data_cutoff == NOON
    for target in TARGETS:
        assert vintage.model_id[vintage.target_index[target.name]].startswith(f"{target.kind.value}-intraday-")


def test_without_a_model_baselines_answer_with_a_spread_and_a_reason() -> None:
    vintage = world().forecaster.issue(world().history.known_at(NOON), NOON, "intraday")
    wind = vintage.power_mw[vintage.target_index["wind_0"]]
    assert (wind[:, -1] > wind[:, 0]).all()
    assert "no fitted model" in vintage.fallback_reason[vintage.target_index["wind_0"]]
    assert "fallback in 4 of 4 members" in vintage.fallback_reason[vintage.target_index["system/wind"]]


def test_without_readings_the_official_series_answers() -> None:
    history = FakeHistory(official=world().history.official)
    vintage = world().forecaster.issue(history.known_at(GATE), GATE, "day_ahead", "persistence")
    table = history.known_at(GATE).official(["wind_0"], GATE, GATE + timedelta(days=3)).to_pydict()
    given_mw = {
        np.datetime64(t.replace(tzinfo=None)): v for t, v in zip(table["valid_time"], table["power_mw"], strict=True)
    }
    for valid, power in zip(vintage.valid_time[:96:4], vintage.level("wind_0", 0.5)[:96:4], strict=True):
        assert power == pytest.approx(given_mw[valid])
    assert "no reading in the last 3 h" in vintage.fallback_reason[vintage.target_index["wind_0"]]


@pytest.mark.parametrize("mode", ["intraday", "day_ahead"])
def test_an_empty_history_gives_zeros_with_a_reason(mode: str) -> None:
    vintage = world().forecaster.issue(FakeHistory().known_at(NOON), NOON, mode)
    assert (vintage.power_mw == 0).all()
    assert all(vintage.fallback_reason)
    assert "nothing known" in vintage.fallback_reason[vintage.target_index[LOAD.name]]


def test_a_missing_official_series_is_named_and_the_rest_still_forecasts() -> None:
    fitted = world().fitted
    blind = replace(fitted, official={name: rows for name, rows in fitted.official.items() if name != "wind_1"})
    vintage = world().forecaster.issue(blind.known_at(NOON), NOON, "intraday")
    assert "no official forecast" in vintage.fallback_reason[vintage.target_index["wind_1"]]
    assert vintage.fallback_reason[vintage.target_index["wind_0"]] == ""
    assert vintage.level("wind_1", 0.5).max() > 0


def test_one_farm_without_an_official_series_leaves_it_to_the_others_and_says_so() -> None:
    history = world().history
    misspelt = {{"wind_1": "Wind_1"}.get(name, name): rows for name, rows in history.official.items()}
    history = replace(history, official=misspelt)
    forecaster = Forecaster(network(), WIND[:2], (), SMALL)
    models = {model.name: model for model in forecaster.fit(history.known_at(FIT_AT))}
    for model in (decode(models["wind/intraday"]), decode(models["wind/day_ahead"])):
        assert "official" in model.blends[0].weights
        assert "official left out for wind_1: never known" in model.notes
    vintage = forecaster.issue_many(history.known_at(NOON), [NOON], "intraday", models=tuple(models.values()))[0]
    assert vintage.fallback_reason == ("", "no official forecast for 16 periods")


def curtailed(history: FakeHistory, target: str, since: datetime, until: datetime, limit_mw: float) -> FakeHistory:
    """The same farm under a limit in [since, until), the limit in the telemetry."""
    rows = history.readings[f"{target}/power"]
    first, last = (int(to_numpy(instant).astype(np.int64)) for instant in (since, until))
    held = (rows.valid >= first) & (rows.valid < last)
    other = changed(history, f"{target}/power", np.where(held, np.minimum(rows.value, limit_mw), rows.value))
    limit = Rows(rows.valid[held], rows.at[held], np.full(held.sum(), limit_mw))
    return replace(other, readings=other.readings | {limit_channel(target): limit})


def test_a_farm_curtailed_for_a_day_is_forecast_like_its_free_twin() -> None:
    fitted = world().fitted
    rows = fitted.readings["wind_0/power"]
    ours, naive = [], []
    for hours in range(0, 108, 6):
        instant = FIT_AT + timedelta(hours=hours)
        past = (rows.valid < to_numpy(instant).astype(np.int64)).nonzero()[0][-72:]
        if rows.value[past].mean() < 15.0:
            continue  # A limit hides nothing of a calm.
        free = intraday_median(fitted, instant)
        held = curtailed(fitted, "wind_0", instant - timedelta(days=1), instant, 2.0)
        unmarked = {channel: kept for channel, kept in held.readings.items() if not channel.endswith("/limit")}
        ours.append(np.abs(intraday_median(held, instant) - free).mean())
        naive.append(np.abs(intraday_median(replace(held, readings=unmarked), instant) - free).mean())
    # Of 100 MW; a forecast that takes the limit for the wind is more than twice as far off.
    assert len(ours) >= 8
    assert np.mean(ours) < 8.0
    assert np.mean(naive) > 2 * np.mean(ours)


def intraday_median(history: FakeHistory, instant: datetime) -> npt.NDArray[np.float64]:
    return world().forecaster.issue(history.known_at(instant), instant, "intraday").level("wind_0", 0.5)


def test_curtailed_output_is_no_training_target() -> None:
    # Two of four farms under a limit of 2 % for the three days before the fit. With the limits known the next days'
    # forecasts hardly move; with the limits taken for calm they sink.
    history = world().history
    for target in WIND[:2]:
        history = curtailed(history, target.name, FIT_AT - timedelta(days=3), FIT_AT, 2.0)
    unmarked = {channel: rows for channel, rows in history.readings.items() if not channel.endswith("/limit")}
    free, ours, naive = (medians_after(h) for h in (world().history, history, replace(history, readings=unmarked)))
    assert np.abs(ours - free).mean() < 8.0
    assert (naive - free).mean() < -15.0
    assert np.abs(naive - free).mean() > 3 * np.abs(ours - free).mean()


def medians_after(history: FakeHistory) -> npt.NDArray[np.float64]:
    """Day-ahead medians [MW] of three gates in the free world, models fitted on `history`."""
    forecaster = Forecaster(network(), WIND, (), SMALL)
    models = forecaster.fit(history.known_at(FIT_AT))
    instants = [FIT_AT + timedelta(days=day, hours=7) for day in range(3)]
    known = [world().history.known_at(instant) for instant in instants]
    issued = [
        forecaster.issue_many(k, [i], "day_ahead", models=models)[0] for k, i in zip(known, instants, strict=True)
    ]
    return np.concatenate([vintage.power_mw[..., QUANTILES.index(0.5)] for vintage in issued], axis=1)


def test_the_made_world_is_long_enough() -> None:
    assert START + timedelta(days=DAYS) > GATE + timedelta(days=4)

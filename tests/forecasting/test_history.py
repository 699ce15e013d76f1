"""The as-of view: a later cut, masked, shows what an earlier cut showed; grids of other resolutions work too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.censoring import FADE_H
from forecasting.history import read_history
from gridcore.reading import Quality
from gridcore.target import Kind, Target, limit_channel
from gridcore.timeline import to_numpy
from tests.forecasting.fakes import FakeHistory, Rows

START = datetime(2025, 3, 3, tzinfo=UTC)
FARM = Target("farm", Kind.WIND, 100.0, "farm/power")
MICROSECONDS = 1_000_000


def of_steps(step: timedelta, days: int = 2, latency_s: float = 60.0) -> FakeHistory:
    history = FakeHistory()
    history.add("farm/power", START, step, np.arange(days * (timedelta(days=1) // step), dtype=float), latency_s)
    return history


def issue_at(instant: datetime) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    return np.array([to_numpy(instant)])


def test_at_a_tick_the_newest_five_minute_value_is_ten_minutes_old() -> None:
    # The period from t-5 min has just ended and is still under way; that from t-10 min came at t-4 min.
    instant = START + timedelta(hours=10)
    history = read_history(of_steps(timedelta(minutes=5)).known_at(instant), [FARM], START, instant, all_issues=False)
    window = history.window(issue_at(instant), 3)[0, 0]
    assert np.isnan(window[2])
    assert window[:2].tolist() == [117.0, 118.0]


def held_with_two_issues(latency_s: float) -> FakeHistory:
    """Two days at 20 MW under a limit from 10:50 to 13:20; 30 MW official, from 11:00 on 90 MW by an issue of 16:00."""
    source = of_steps(timedelta(minutes=5), latency_s=latency_s)
    rows = source.readings["farm/power"]
    rows.value[:] = 20.0
    held = slice(130, 160)
    source.readings[limit_channel("farm")] = Rows(rows.valid[held], rows.at[held], np.full(30, 20.0))
    hours = (to_numpy(START) + np.arange(48) * np.timedelta64(1, "h")).astype(np.int64)
    source.official["farm"] = [
        Rows(valid, np.full(len(valid), to_numpy(START + at).astype(np.int64)), np.full(len(valid), power))
        for valid, at, power in ((hours, -timedelta(hours=20), 30.0), (hours[11:20], timedelta(hours=16), 90.0))
    ]
    return source


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 287), st.integers(0, 200), st.booleans(), st.booleans())
def test_a_later_cut_masked_equals_the_earlier_cut(tick: int, delay_min: int, is_held: bool, is_tick: bool) -> None:
    instant = START + timedelta(minutes=5 * tick)
    latency_s = 60.0 * delay_min
    source = held_with_two_issues(latency_s) if is_held else of_steps(timedelta(minutes=5), latency_s=latency_s)
    end = START + timedelta(days=2)
    early = read_history(source.known_at(instant), [FARM], START, end, all_issues=not is_tick)
    late = read_history(source.known_at(end), [FARM], START, end, all_issues=True)
    for cells in (1, 36):
        np.testing.assert_array_equal(early.window(issue_at(instant), cells), late.window(issue_at(instant), cells))
    past = to_numpy(instant) - np.arange(1, 20)[None, :] * np.timedelta64(15, "m")
    np.testing.assert_array_equal(early.slots_known(past, issue_at(instant)), late.slots_known(past, issue_at(instant)))


def test_a_held_farm_is_bridged_with_the_official_value_of_its_time() -> None:
    # Held since 10:50 at 20 MW, 10 MW under the official 30 MW; at 13:00 the last value had is that of 12:50, 125 min
    # after the last free one of 10:45. The issue of 16:00, 90 MW, changes nothing of it.
    instant = START + timedelta(hours=13)
    wanted = 30 - 10 * np.exp(-(125 / 60) / FADE_H[Kind.WIND])
    for cut in (timedelta(0), timedelta(hours=5)):
        known = held_with_two_issues(60.0).known_at(instant + cut)
        history = read_history(known, [FARM], START, START + timedelta(days=2), all_issues=False)
        assert history.window(issue_at(instant), 2)[0, 0, 0] == pytest.approx(wanted)


@pytest.mark.parametrize("minutes", [5, 15])
def test_a_limit_holds_as_long_as_a_reading_of_power_however_rare_limits_are(minutes: int) -> None:
    source = of_steps(timedelta(minutes=minutes))
    rows = source.readings["farm/power"]
    rows.value[:] = 60.0
    day = len(rows.valid) // 2
    for pick in ([40], [40, 40 + day]):
        source.readings[limit_channel("farm")] = Rows(rows.valid[pick], rows.at[pick], np.full(len(pick), 60.0))
        known = source.known_at(START + timedelta(days=2, hours=1))
        history = read_history(known, [FARM], START, START + timedelta(days=2), all_issues=False)
        assert np.flatnonzero(np.isnan(history.truth[0])).tolist() == [place * minutes // 15 for place in pick]


@pytest.mark.parametrize(("minutes", "count"), [(1, 15), (5, 3), (15, 1), (30, 1), (60, 1)])
def test_any_resolution_becomes_means_or_holds_over_its_period(minutes: int, count: int) -> None:
    end = START + timedelta(days=1)
    source = of_steps(timedelta(minutes=minutes), days=1)
    history = read_history(source.known_at(end + timedelta(hours=1)), [FARM], START, end, all_issues=False)
    values = np.arange(24 * 60 // minutes, dtype=float)
    wanted = values.reshape(-1, count).mean(axis=1) if minutes <= 15 else np.repeat(values, minutes // 15)
    np.testing.assert_allclose(history.truth[0], wanted)


def test_the_official_value_is_the_newest_issue_known_at_the_issue_time() -> None:
    hour = int(to_numpy(START + timedelta(hours=30)).astype(np.int64))
    source = FakeHistory()
    for hours_before, power in ((24, 10.0), (6, 20.0), (2, 30.0)):
        at = hour - hours_before * 3600 * MICROSECONDS
        source.official.setdefault("farm", []).append(Rows(np.array([hour]), np.array([at]), np.array([power])))
    known = source.known_at(START + timedelta(hours=31))
    history = read_history(known, [FARM], START, START + timedelta(days=2), all_issues=True)
    valid = (np.datetime64(hour, "us") + np.timedelta64(45, "m")).reshape(1, 1)
    for hours_before, wanted in ((25, np.nan), (24, 10.0), (7, 10.0), (6, 20.0), (1, 30.0)):
        issue = np.array([np.datetime64(hour, "us") - np.timedelta64(hours_before, "h")])
        np.testing.assert_equal(history.official_known(valid, issue)[0, 0, 0], wanted)


def test_an_official_value_holds_its_hour_and_no_longer() -> None:
    source = FakeHistory()
    valid = to_numpy(START + timedelta(hours=5)).astype(np.int64)
    source.official["farm"] = [Rows(np.array([valid]), np.array([valid - 1]), np.array([7.0]))]
    known = source.known_at(START + timedelta(hours=12))
    history = read_history(known, [FARM], START, START + timedelta(days=1), all_issues=False)
    assert np.flatnonzero(np.isfinite(history.official[0, 0])).tolist() == [20, 21, 22, 23]


def test_a_curtailed_period_is_no_truth_and_its_lag_is_bridged() -> None:
    source = of_steps(timedelta(minutes=5), days=1)
    rows = source.readings["farm/power"]
    held = slice(120, 150)
    rows.value[held] = 5.0
    source.readings[limit_channel("farm")] = Rows(rows.valid[held], rows.at[held], np.full(30, 5.0))
    known = source.known_at(START + timedelta(days=1, hours=1))
    history = read_history(known, [FARM], START, START + timedelta(days=1), all_issues=False)
    assert np.isnan(history.truth[0, 40:50]).all()
    assert np.isfinite(history.truth[0, :40]).all()
    # No official series: the last free value (119 MW, above capacity, so held at what is possible: 100 MW).
    past = to_numpy(START) + np.arange(40, 50)[None, :] * np.timedelta64(15, "m")
    known_then = history.slots_known(past, issue_at(START + timedelta(days=1)))
    np.testing.assert_allclose(known_then[0, 0], 100.0)


def test_unusable_readings_are_not_seen() -> None:
    source = of_steps(timedelta(minutes=5), days=1)
    rows = source.readings["farm/power"]
    rows.quality = np.zeros(len(rows.valid), np.int32)
    rows.quality[30:33] = int(Quality.OUT_OF_RANGE)
    rows.quality[33:36] = int(Quality.LATE)
    known = source.known_at(START + timedelta(days=1, hours=1))
    history = read_history(known, [FARM], START, START + timedelta(days=1), all_issues=False)
    assert np.isnan(history.truth[0, 10])
    assert history.truth[0, 11] == pytest.approx(34.0)

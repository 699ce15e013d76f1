"""Laws of the schedule."""

from datetime import UTC, date, datetime, timedelta

import pytest

from gridcore.timeline import PERIOD, day_start, time_zone
from pipeline.schedule import next_midnight, ticks

BERLIN = time_zone("Europe/Berlin")


@pytest.mark.parametrize(("day", "hours"), [(date(2025, 3, 30), 23), (date(2025, 10, 26), 25), (date(2025, 4, 2), 24)])
def test_each_period_of_a_day_is_controlled_by_one_tick_15_minutes_before(day, hours):
    start, end = day_start(day, BERLIN), day_start(day + timedelta(days=1), BERLIN)
    due = [tick.due for tick in ticks(start, end, BERLIN)]
    assert [instant + PERIOD for instant in due] == [start + n * PERIOD for n in range(hours * 4)]


def test_the_gate_opens_once_a_day_at_eight_local_time_also_when_the_clock_changes():
    start, end = day_start(date(2025, 3, 29), BERLIN), day_start(date(2025, 4, 1), BERLIN)
    gates = [tick.due for tick in ticks(start, end, BERLIN) if tick.is_gate]
    assert gates == [datetime(2025, 3, 29, 7, tzinfo=UTC), datetime(2025, 3, 30, 6, tzinfo=UTC),
                     datetime(2025, 3, 31, 6, tzinfo=UTC)]  # fmt: skip


def test_models_are_fitted_again_each_seventh_midnight():
    start, end = day_start(date(2025, 3, 1), BERLIN), day_start(date(2025, 3, 20), BERLIN)
    refits = [tick.due for tick in ticks(start, end, BERLIN) if tick.is_refit]
    assert refits == [day_start(date(2025, 3, 8), BERLIN), day_start(date(2025, 3, 15), BERLIN)]


def test_a_later_phase_counts_its_refits_from_the_same_origin():
    origin, end = day_start(date(2025, 3, 1), BERLIN), day_start(date(2025, 3, 20), BERLIN)
    later = day_start(date(2025, 3, 5), BERLIN)
    whole = [tick for tick in ticks(origin, end, BERLIN) if tick.due >= later - PERIOD]
    assert list(ticks(later, end, BERLIN, origin)) == whole


def test_the_next_midnight_is_later_than_midnight_itself():
    midnight = day_start(date(2025, 3, 30), BERLIN)
    assert next_midnight(midnight, BERLIN) == day_start(date(2025, 3, 31), BERLIN)
    assert next_midnight(midnight - PERIOD, BERLIN) == midnight

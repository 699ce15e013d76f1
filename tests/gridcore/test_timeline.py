"""Laws of the time line."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcore.errors import BadInputError
from gridcore.timeline import (
    PERIOD,
    at_local_time,
    day_start,
    floor_to,
    from_numpy,
    local_day,
    periods_between,
    time_zone,
    to_numpy,
)

INSTANTS = st.datetimes(datetime(1980, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC))


@given(INSTANTS)
def test_an_instant_comes_back_from_numpy(instant):
    assert from_numpy(to_numpy(instant)) == instant


@given(INSTANTS)
def test_a_period_start_is_at_most_one_period_before(instant):
    start = floor_to(np.array([to_numpy(instant)]), PERIOD)[0]
    assert np.timedelta64(0) <= to_numpy(instant) - start < np.timedelta64(PERIOD)


def test_a_naive_instant_is_refused():
    with pytest.raises(BadInputError, match="offset"):
        to_numpy(datetime(2020, 4, 18))


@pytest.mark.parametrize(("day", "hours"), [(date(2025, 3, 30), 23), (date(2025, 10, 26), 25), (date(2025, 6, 1), 24)])
def test_a_day_of_a_clock_change_keeps_its_length(day, hours):
    zone = time_zone("Europe/Berlin")
    start, end = day_start(day, zone), day_start(day + timedelta(days=1), zone)
    assert len(periods_between(start, end)) == hours * 4
    assert local_day(start, zone) == local_day(end - PERIOD, zone) == day


def test_rts_gmlc_counts_eight_hours_behind_utc_all_year():
    zone = time_zone("Etc/GMT+8")
    assert at_local_time(date(2020, 7, 5), 8, zone) == datetime(2020, 7, 5, 16, tzinfo=UTC)
    assert at_local_time(date(2020, 1, 5), 8, zone) == datetime(2020, 1, 5, 16, tzinfo=UTC)


def test_an_unknown_zone_is_refused_by_name():
    with pytest.raises(BadInputError, match="Mars/Olympus"):
        time_zone("Mars/Olympus")

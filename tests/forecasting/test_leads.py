"""Which periods a vintage has, in local days, and the same wall time days before."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from forecasting.leads import LocalTime, block_of, valid_times
from forecasting.settings import Mode
from gridcore.timeline import to_numpy

BERLIN = ZoneInfo("Europe/Berlin")


def test_intraday_goes_from_15_to_240_minutes() -> None:
    issue = datetime(2025, 5, 1, 10, tzinfo=UTC)
    valid = valid_times(issue, Mode.INTRADAY, BERLIN)
    lead = (valid - to_numpy(issue)) / np.timedelta64(1, "m")
    assert lead.tolist() == [15.0 * n for n in range(1, 17)]
    assert block_of(valid, issue, Mode.INTRADAY, BERLIN).tolist() == [0] * 4 + [1] * 12


@pytest.mark.parametrize(
    ("issue", "lengths"),
    [
        (datetime(2025, 5, 1, 6, tzinfo=UTC), (96, 96, 96)),
        (datetime(2025, 3, 29, 7, tzinfo=UTC), (92, 96, 96)),
        (datetime(2025, 10, 24, 6, tzinfo=UTC), (96, 100, 96)),
    ],
)
def test_day_ahead_is_three_local_days_whatever_their_length(issue: datetime, lengths: tuple[int, ...]) -> None:
    valid = valid_times(issue, Mode.DAY_AHEAD, BERLIN)
    blocks = block_of(valid, issue, Mode.DAY_AHEAD, BERLIN)
    assert tuple(np.bincount(blocks).tolist()) == lengths
    assert (np.diff(valid) == np.timedelta64(15, "m")).all()


def test_the_local_day_decides_not_the_utc_day() -> None:
    # 23:30 UTC on 30 April is 01:30 on 1 May in Berlin: tomorrow is 2 May, from 22:00 UTC on 1 May.
    valid = valid_times(datetime(2025, 4, 30, 23, 30, tzinfo=UTC), Mode.DAY_AHEAD, BERLIN)
    assert valid[0] == np.datetime64("2025-05-01T22:00")


def test_the_same_wall_time_yesterday_across_a_clock_change() -> None:
    # Sunday 2025-03-30 sprang forward; Monday 12:00 local is 10:00 UTC, Saturday 12:00 local is 11:00 UTC.
    monday = np.array([np.datetime64("2025-03-31T10:00", "us")])
    local = LocalTime(BERLIN, monday[0], monday[0])
    assert local.days_before(monday, 1)[0] == np.datetime64("2025-03-30T10:00")
    assert local.days_before(monday, 2)[0] == np.datetime64("2025-03-29T11:00")
    assert local.wall(monday)[0] == np.datetime64("2025-03-31T12:00")


def test_offsets_agree_with_the_zone_at_every_half_hour_of_a_year() -> None:
    instants = np.datetime64("2025-01-01", "us") + np.arange(365 * 48) * np.timedelta64(30, "m")
    offsets = LocalTime(BERLIN, instants[0], instants[-1]).offset(instants) / np.timedelta64(1, "h")
    moments = [
        datetime.fromtimestamp(int(i) / 1e6, UTC).astimezone(BERLIN).utcoffset() for i in instants.astype(np.int64)
    ]
    assert offsets.tolist() == [moment.total_seconds() / 3600 for moment in moments if moment is not None]

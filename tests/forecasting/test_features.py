"""Features against values worked out by hand: the official line in any zone, the weekend, the newest readings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pytest

from forecasting.features import NAMES, Frame, ask, build_frame
from forecasting.history import read_history
from forecasting.settings import Mode
from forecasting.solar import SolarGeometry
from gridcore.target import Kind, Target
from gridcore.timeline import to_numpy
from tests.forecasting.fakes import FakeHistory, Rows

START = datetime(2025, 3, 3, tzinfo=UTC)
"""A Monday."""

FARM = Target("farm", Kind.WIND, 100.0, "farm/power")
HOURS = 96
NEVER_MISSING = range(HOURS)


def frame_at(
    instant: datetime, zone: str, starts_min: int = 0, hours: range = NEVER_MISSING, mode: Mode = Mode.INTRADAY
) -> Frame:
    """The farm at 60 MW; its official hours begin `starts_min` past those of UTC and rise by 1 MW an hour."""
    history = FakeHistory()
    history.add("farm/power", START, timedelta(minutes=5), np.full(4 * 288, 60.0), 60.0)
    begins = START + timedelta(minutes=starts_min)
    valid = np.array([int(to_numpy(begins + timedelta(hours=n)).astype(np.int64)) for n in hours])
    # A mean over an hour is the value of a line at its middle.
    power = np.array([n + 0.5 + starts_min / 60 for n in hours])
    history.official["farm"] = [Rows(valid, np.full(len(valid), int(to_numpy(START).astype(np.int64))), power)]
    known = history.known_at(instant)
    read = read_history(known, [FARM], START, instant + timedelta(days=4), all_issues=False)
    question = ask([instant], mode, ZoneInfo(zone))[0]
    return build_frame(read, SolarGeometry([FARM]), ZoneInfo(zone), Kind.WIND, np.array([100.0]), question)


def column(frame: Frame, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(frame.features[0, 0, :, NAMES.index(name)])


@pytest.mark.parametrize(
    ("zone", "starts_min"),
    [("UTC", 0), ("Etc/GMT+8", 0), ("Europe/Berlin", 0), ("Asia/Kolkata", 30), ("Asia/Kathmandu", 15), ("UTC", 45)],
)
@pytest.mark.parametrize("minutes", [0, 45])
def test_the_interpolated_official_series_is_the_line_that_its_hours_are_means_of(
    zone: str, starts_min: int, minutes: int
) -> None:
    frame = frame_at(START + timedelta(days=1, minutes=minutes), zone, starts_min)
    middles_h = (frame.question.valid[0] - to_numpy(START)) / np.timedelta64(1, "h") + 0.125
    np.testing.assert_allclose(column(frame, "official_interpolated") * 100, middles_h)
    # The hour's four periods have their middles 7.5, 22.5, 37.5 and 52.5 min after its start.
    since_start = ((frame.question.valid[0] - to_numpy(START)) / np.timedelta64(1, "m") - starts_min) % 60
    assert column(frame, "minute").tolist() == (since_start + 7.5).tolist()


def test_a_gap_in_the_official_series_leaves_its_hours_where_they_were() -> None:
    whole = frame_at(START + timedelta(days=1), "Asia/Kolkata", 30)
    broken = frame_at(START + timedelta(days=1), "Asia/Kolkata", 30, range(24))
    assert column(whole, "minute").tolist() == column(broken, "minute").tolist()
    assert np.isnan(column(broken, "official")[2:]).all()


def test_without_a_neighbour_the_hour_itself_stands() -> None:
    # Only the hour from 01:00 on is known: 25.5 MW, no line to draw.
    frame = frame_at(START + timedelta(days=1), "UTC", 0, range(25, 26))
    np.testing.assert_allclose(column(frame, "official_interpolated")[3:7] * 100, 25.5)
    assert np.isnan(column(frame, "official_interpolated")[7:]).all()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "Etc/GMT+8"])
def test_the_weekend_is_saturday_and_sunday_of_the_grids_own_days(zone: str) -> None:
    # Issued on Thursday: Friday, Saturday and Sunday follow.
    frame = frame_at(START + timedelta(days=3, hours=12), zone, mode=Mode.DAY_AHEAD)
    assert column(frame, "is_weekend").tolist() == [0.0] * 96 + [1.0] * 192
    # Issued on Sunday: three working days.
    assert not column(frame_at(START + timedelta(days=6, hours=12), zone, mode=Mode.DAY_AHEAD), "is_weekend").any()


def test_the_newest_reading_is_what_had_come() -> None:
    # At 00:00 the value of 23:50 is the newest (it came at 23:56): one cell is missing, 5 min.
    frame = frame_at(START + timedelta(days=1), "UTC")
    assert column(frame, "last")[0] == pytest.approx(0.6)
    assert frame.age_h[0, 0] == pytest.approx(5 / 60)
    # Official values of the four periods before: 23.5 MW in their hour, against 60 MW read.
    assert column(frame, "error_60")[0] == pytest.approx(0.6 - 0.235)

"""Which rows a fit learns from: the same in every run, inside their stretch, about as many as asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from forecasting.sampling import gates, training_question, validation_question
from forecasting.settings import ForecastSettings, Mode
from gridcore.target import Kind
from gridcore.timeline import to_numpy

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2025, 3, 1, tzinfo=UTC)
END = START + timedelta(days=60)
SETTINGS = ForecastSettings()


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("targets", [1, 4, 31])
def test_a_fit_gets_about_the_rows_it_asked_for(mode: Mode, targets: int) -> None:
    question = training_question(mode, START, END, Kind.WIND, targets, BERLIN, SETTINGS)
    assert question is not None
    again = training_question(mode, START, END, Kind.WIND, targets, BERLIN, SETTINGS)
    assert again is not None
    assert question.valid.tobytes() == again.valid.tobytes()
    assert question.valid.size * targets <= 1.1 * SETTINGS.training_rows
    if targets > 1:
        assert question.valid.size * targets > 0.8 * SETTINGS.training_rows
    assert (question.issue >= to_numpy(START)).all()
    assert (question.issue < to_numpy(END)).all()
    assert (question.valid > question.issue[:, None]).all()


def test_gates_stand_at_their_local_hour_through_a_clock_change() -> None:
    found = gates(START, END, BERLIN, 8)
    assert len(found) == 60
    assert {gate.astimezone(BERLIN).hour for gate in found} == {8}
    assert len({gate.hour for gate in found}) == 2


def test_validation_issues_reach_every_hour_of_the_day() -> None:
    question = validation_question(Mode.INTRADAY, START, START + timedelta(days=10), BERLIN, 8)
    assert question is not None
    hours = (question.issue - question.issue.astype("datetime64[D]")) / np.timedelta64(1, "h")
    assert set(hours.tolist()) == set(range(24))


@pytest.mark.parametrize(("minutes", "first_hour"), [(0, 0), (15, 1), (45, 1)])
def test_validation_begins_at_the_first_whole_hour_that_is_not_before_the_cut(minutes: int, first_hour: int) -> None:
    start = START + timedelta(minutes=minutes)
    question = validation_question(Mode.INTRADAY, start, start + timedelta(days=4), BERLIN, 8)
    assert question is not None
    assert question.issue[0] == to_numpy(START + timedelta(hours=first_hour))
    assert question.valid.max() < to_numpy(start + timedelta(days=4))


def test_no_issue_time_no_question() -> None:
    assert training_question(Mode.DAY_AHEAD, START, START, Kind.PV, 3, BERLIN, SETTINGS) is None
    assert validation_question(Mode.INTRADAY, START, START, BERLIN, 8) is None

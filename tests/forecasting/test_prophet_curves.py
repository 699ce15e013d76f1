"""What Prophet says for a frame, worked by hand over a made curve: its present error is carried on, and fades."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pytest

from forecasting.features import NAMES, Frame, Question
from forecasting.prophet_curves import ProphetCurves
from forecasting.settings import Mode
from gridcore.timeline import Instants

START = np.datetime64("2025-03-03T12:00", "us")
FADE_H = 6.0
Floats = npt.NDArray[np.float64]


class Line:
    """A curve that rises by 0.04 an hour from 0.5 at `START`, whatever its text."""

    made = 0

    def __init__(self, *_: object) -> None:
        Line.made += 1

    def at(self, instants: Instants) -> Floats:
        return np.asarray(0.5 + 0.04 * ((instants - START) / np.timedelta64(1, "h")))


@pytest.fixture
def curves(monkeypatch: pytest.MonkeyPatch) -> ProphetCurves:
    monkeypatch.setattr("forecasting.prophet_member.ProphetCurve", Line)
    monkeypatch.setattr(Line, "made", 0)
    return ProphetCurves(ZoneInfo("UTC"))


def frame(recent: list[float]) -> Frame:
    """Two loads, steps 1 h and 6 h ahead; `recent` is what each read over the last hour."""
    lead = np.array([1, 6]) * np.timedelta64(1, "h")
    question = Question(np.array([START]), (START + lead)[None], np.array([[0, 1]]), Mode.INTRADAY)
    features = np.full((1, 2, 2, len(NAMES)), np.nan)
    features[..., NAMES.index("mean_60")] = np.array(recent)[None, :, None]
    one = np.ones((1, 2, 2))
    return Frame(question, np.ones(2), features, one, one, one, one == 0, np.zeros((1, 2)))


def test_the_present_error_is_carried_on_and_fades(curves: ProphetCurves) -> None:
    # The four periods before start 60, 45, 30 and 15 min earlier: the curve's mean there is 0.5 - 0.04 * 0.625 h.
    error = 0.6 - (0.5 - 0.04 * 0.625)
    result = curves.points({"a": "text"}, frame([0.6, 0.6]), ("a", "b"))[0]
    wanted = [0.54 + error * np.exp(-1 / FADE_H), 0.74 + error * np.exp(-6 / FADE_H)]
    np.testing.assert_allclose(result[0], wanted)


def test_a_target_without_a_prophet_is_unknown(curves: ProphetCurves) -> None:
    result = curves.points({"a": "text"}, frame([0.6, 0.6]), ("a", "b"))
    assert np.isnan(result[0, 1]).all()
    assert np.isfinite(result[0, 0]).all()


def test_without_a_reading_the_curve_stands_alone(curves: ProphetCurves) -> None:
    result = curves.points({"a": "text"}, frame([np.nan, 0.6]), ("a", "b"))
    np.testing.assert_allclose(result[0, 0], [0.54, 0.74])


def test_a_text_is_read_once(curves: ProphetCurves) -> None:
    for _ in range(2):
        curves.points({"a": "text", "b": "other"}, frame([0.6, 0.6]), ("a", "b"))
    assert Line.made == 2

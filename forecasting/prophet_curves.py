"""Where Prophet's values are kept, so that a tick does not ask Prophet again; and what it says for a frame.

Prophet is imported with its first model: it takes a second that grids without load models need not pay.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from forecasting.features import NAMES, Frame
from forecasting.settings import SLOT

if TYPE_CHECKING:
    from forecasting.prophet_member import ProphetCurve

Floats = npt.NDArray[np.float64]


LOGGERS = ("prophet", "prophet.forecaster", "prophet.models", "prophet.plot", "cmdstanpy")
"""What Prophet and its backend speak through: of a missing plotly, of each start of the solver."""


def silence() -> None:
    """Keep Prophet's loggers quiet; before its import, which already speaks."""
    for name in LOGGERS:
        logging.getLogger(name).disabled = True


class ProphetCurves:
    """Curves by their model text.

    Args:
        zone: The grid's zone.
        by_day: Compute day by day, so that no value depends on what else was asked for (for issuing); otherwise all
            missing days at once, which is 20 times faster (for a fit, which asks for months and is one question).
    """

    def __init__(self, zone: ZoneInfo, by_day: bool = True) -> None:
        self._zone, self._by_day = zone, by_day
        self._curves: dict[str, ProphetCurve] = {}

    def points(self, texts: Mapping[str, str], frame: Frame, targets: Sequence[str]) -> Floats:
        """Prophet's point forecast with its present error carried on, shape (issue times, targets, steps).

        NaN for targets without a Prophet.
        """
        silence()
        from forecasting.prophet_member import error_carried  # noqa: PLC0415  (see the module's docstring)

        question = frame.question
        past = question.issue[:, None] - np.arange(4, 0, -1) * SLOT
        recent = frame.features[:, :, 0, NAMES.index("mean_60")]
        result = np.full(frame.sun.shape, np.nan)
        for row, target in enumerate(targets):
            if target not in texts:
                continue
            curve = self._curve(texts[target])
            error = recent[:, row] - curve.at(past).mean(axis=1)
            result[:, row] = curve.at(question.valid) + error_carried(error[:, None], frame.lead_h)
        return result

    def _curve(self, text: str) -> ProphetCurve:
        if text not in self._curves:
            silence()
            from forecasting.prophet_member import ProphetCurve  # noqa: PLC0415

            self._curves[text] = ProphetCurve(text, self._zone, self._by_day)
        return self._curves[text]

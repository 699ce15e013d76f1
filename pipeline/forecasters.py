"""Who forecasts in which row: our blend, a baseline alone, or the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from forecasting.fit import BLEND
from forecasting.issue import Forecaster
from forecasting.kind_model import model_name
from forecasting.settings import ForecastSettings, Mode
from gridcore.errors import HistoryTooShortError
from gridcore.forecast import Vintage
from gridcore.network import Network
from gridcore.ports import Known, RegisteredModel
from gridcore.target import Target

MEMBERS = {"warm_up": BLEND, "ours": BLEND, "no_storage": BLEND, "persistence": "persistence"}
"""Which member of the blend, or the blend itself, forecasts in a row; perfect_foresight has the oracle instead."""


class RowForecaster:
    """A forecaster of the house, speaking with one member's voice.

    Args:
        network: The grid.
        targets: Basic targets.
        sums: Sums over them.
        settings: Of the fits.
        member: `blend` or a baseline.
    """

    def __init__(
        self,
        network: Network,
        targets: Sequence[Target],
        sums: Sequence[Target],
        settings: ForecastSettings,
        member: str,
    ) -> None:
        self._forecaster = Forecaster(network, targets, sums, settings)
        self._kinds = tuple(dict.fromkeys(target.kind for target in targets))
        self._settings, self._member = settings, member

    def issue(self, known: Known, issue_time: datetime, mode: str) -> Vintage:
        """The member's vintage."""
        return self._forecaster.issue(known, issue_time, mode, self._member)

    def fit(self, known: Known) -> tuple[RegisteredModel, ...]:
        """Models as of `known.instant`; none where the history is too short, and the forecasts then say so."""
        try:
            return self._forecaster.fit(known)
        except HistoryTooShortError:
            return ()

    def is_fitted(self, known: Known) -> bool:
        """There is a model, or not yet the history for one.

        Models of this very instant do not count: a run that broke off among them has only some, and fits them all anew.
        """
        models = (known.model(model_name(kind, mode)) for kind in self._kinds for mode in Mode)
        if any(model is not None and model.fitted_as_of < known.instant for model in models):
            return True
        first = known.first_valid_time()
        return first is None or known.instant - first < timedelta(days=self._settings.min_history_days)


NO_HOLIDAYS = "none"
"""Word that switches holidays off."""


def forecast_settings(seed: int, network: Network, holidays: str = "") -> ForecastSettings:
    """Settings of a run.

    Args:
        seed: Added to the default seed.
        network: The grid, whose country's holidays count.
        holidays: Another country in its place, or `none`; empty takes the grid's.
    """
    country = "" if holidays == NO_HOLIDAYS else holidays or network.country
    return ForecastSettings(seed=ForecastSettings().seed + seed, holiday_country=country)

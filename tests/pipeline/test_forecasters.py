"""A row's forecaster knows whether a first fit is due, also after a stop in the middle of one."""

from __future__ import annotations

from datetime import timedelta

from forecasting.kind_model import model_name
from forecasting.settings import Mode
from gridcore.ports import Batch, RegisteredModel
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA
from gridcore.target import Kind, basic_targets
from gridcore.timeline import PLANT_PERIOD
from pipeline.forecasters import RowForecaster, forecast_settings
from storage.memory import MemoryStore
from tests.builders import START, readings, three_bus

DUE = START + timedelta(days=60)


def test_a_fit_that_broke_off_is_made_again() -> None:
    # The models of one fit are registered one by one; a full disk or kill -9 can leave some of them.
    network, store = three_bus(), MemoryStore()
    forecaster = RowForecaster(network, basic_targets(network), (), forecast_settings(0, network), "blend")
    table = readings({"wind/power": [1.0]})
    store.accept(Batch("test/0", 0, 1, table, OFFICIAL_SCHEMA.empty_table(), OUTAGE_SCHEMA.empty_table()), ())
    assert not forecaster.is_fitted(store.known_at(DUE))
    store.register(RegisteredModel(model_name(Kind.WIND, Mode.INTRADAY), DUE, "m", b"m"))
    assert not forecaster.is_fitted(store.known_at(DUE))
    assert forecaster.is_fitted(store.known_at(DUE + PLANT_PERIOD))

"""A row's accuracy in closed loop and the open-loop back-test are one measure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from forecasting.backtest import Backtest, backtest
from forecasting.sampling import gates
from forecasting.score import Accuracy
from forecasting.settings import DAYS_AHEAD, Mode
from gridcore.forecast import FORECAST_SCHEMA, Vintage
from gridcore.ports import Known
from gridcore.target import limit_channel
from gridcore.timeline import day_start, local_day
from pipeline.accuracy import stored_scores
from tests.forecasting.fakes import FakeHistory, FakeKnown, with_models
from tests.forecasting.world import LOAD, PV, SMALL, WIND, network, world

DAYS = 3
TARGETS = (*WIND, *PV, LOAD)
ZONE = network().zone
FIRST = day_start(local_day(datetime(2025, 3, 19, 12, tzinfo=UTC), ZONE), ZONE)
ENDS = FIRST + timedelta(days=DAYS + DAYS_AHEAD, hours=6)


@dataclass
class Stored(FakeKnown):
    """A store at the end of a row: what came in, and the vintages that were issued."""

    vintages: tuple[Vintage, ...] = ()

    def forecasts(self, since: datetime) -> pa.Table:
        tables = [vintage.to_table() for vintage in self.vintages if vintage.issue_time >= since]
        return pa.concat_tables(tables) if tables else FORECAST_SCHEMA.empty_table()


def history_with_a_limit() -> FakeHistory:
    """For a day a farm is held at 20 MW: what it could have given is then not known."""
    history = replace(world().history, readings=dict(world().history.readings))
    power = history.readings["wind_1/power"]
    held = (power.valid // 300_000_000) % 2016 < 288
    history.readings["wind_1/power"] = replace(power, value=power.value.clip(max=20.0) * held + power.value * ~held)
    limit = replace(power, valid=power.valid[held], at=power.at[held], value=0 * power.value[held] + 20.0)
    history.readings[limit_channel("wind_1")] = limit
    return history


def open_loop(history: FakeHistory) -> Backtest:
    return backtest(history.known_at, network(), TARGETS, FIRST.astimezone(ZONE).date(), DAYS, SMALL)


def closed_loop(history: FakeHistory) -> tuple[Accuracy, ...]:
    """The same vintages, each issued as of its own instant with the models of the first day, and read from a store."""
    forecaster = world().forecaster
    models = type(forecaster)(network(), TARGETS, (), SMALL).fit(history.known_at(FIRST))
    ends = FIRST + timedelta(days=DAYS)
    hours = [FIRST + timedelta(hours=n) for n in range(24 * DAYS)]
    asked = {Mode.INTRADAY: hours, Mode.DAY_AHEAD: gates(FIRST, ends, ZONE, SMALL.gate_hour)}
    known: Known = history.known_at(ends)
    issued = [v for mode, at in asked.items() for v in forecaster.issue_many(known, at, mode, models=models)]
    fitted = with_models(history, models)
    return stored_scores(Stored(fitted, ENDS, tuple(issued)), fitted.known_at, network(), TARGETS, FIRST)


@pytest.fixture
def days_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty days take a minute to issue; the law does not depend on their number."""
    monkeypatch.setattr("forecasting.score.MIN_DAYS", DAYS)
    monkeypatch.setattr("pipeline.accuracy.MIN_DAYS", DAYS)


def test_closed_and_open_loop_give_the_same_numbers_for_the_same_vintages(days_enough: None) -> None:
    history = history_with_a_limit()
    wanted = {(row.kind, row.lead_block): row for row in open_loop(history).accuracy}
    found = {(row.kind, row.lead_block): row for row in closed_loop(history)}
    assert found.keys() == wanted.keys()
    for key, row in wanted.items():
        assert row.pinball is not None
        assert found[key] == row, key
    assert {kind for (kind, _), row in found.items() if row.is_headline} == {"wind", "pv"}
    assert wanted["wind", "15-60 min"].n < DAYS * 24 * 4 * len(WIND)


def test_too_few_days_give_their_n_and_no_score() -> None:
    rows = closed_loop(world().history)
    assert all(row.pinball is None and row.skill_persistence is None and row.n > 0 for row in rows)
    assert {row.issue_days for row in rows} == {DAYS}


def test_a_row_that_issued_nothing_has_no_rows() -> None:
    assert stored_scores(Stored(world().history, ENDS), world().history.known_at, network(), TARGETS, FIRST) == ()

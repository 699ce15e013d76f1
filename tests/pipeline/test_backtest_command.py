"""`xiaona forecast --backtest`: what it prints, and what it refuses by name."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from gridcore.errors import BadInputError, HistoryTooShortError
from ingest.catalogue import open_grid
from pipeline import backtest_command
from tests.forecasting.world import SMALL

ACCURACY = {"kind", "lead_block", "n", "rmse_accuracy", "pinball", "skill_persistence", "skill_official", "coverage_80"}
"""Keys of INTERFACES.md's `accuracy`."""


def test_json_alone_goes_out_with_the_agreed_keys(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    asked = []

    def cheap(seed: int, network: object, holidays: str) -> object:
        asked.append(holidays)
        return replace(SMALL, holiday_country=holidays)

    monkeypatch.setattr(backtest_command, "forecast_settings", cheap)
    backtest_command.run_backtest(open_grid("example-9"), date(2025, 3, 30), 2, True, "FR")
    facts = json.loads(capsys.readouterr().out)
    assert asked == ["FR"]
    assert (facts["grid"], facts["start"], facts["days"]) == ("example-9", "2025-03-30", 2)
    assert all(set(row) >= ACCURACY for row in facts["accuracy"])
    assert {row["is_headline"] for row in facts["accuracy"] if row["kind"] == "load"} == {False}
    assert all(row["pinball"] is None and row["n"] > 0 for row in facts["accuracy"])
    assert {row["member"] for row in facts["models"]} >= {"blend", "lightgbm", "persistence"}


@pytest.mark.parametrize(
    ("start", "days", "words"),
    [
        (date(2025, 3, 30), 0, ["--days", "got 0", "1 or more"]),
        (date(2027, 1, 1), 2, ["2027-01-01", "days without data", "Europe/Berlin"]),
        (date(2025, 3, 30), 400, ["days without data", "400 days"]),
    ],
)
def test_days_without_data_are_refused_with_what_there_is(start: date, days: int, words: list[str]):
    with pytest.raises(BadInputError) as caught:
        backtest_command.run_backtest(open_grid("example-9"), start, days, True)
    assert all(word in str(caught.value) for word in words)


def test_a_history_too_short_to_fit_is_refused_with_its_length():
    source = open_grid("example-9")
    day = (source.first.astimezone(source.network.zone)).date()
    with pytest.raises(HistoryTooShortError, match="wanted 5 days"):
        backtest_command.run_backtest(source, date.fromordinal(day.toordinal() + 2), 1, True)

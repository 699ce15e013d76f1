"""Day-ahead vintages joined: the newest wins, nothing old is lost while it matters, a restart finds the same."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from gridcore.errors import BrokenInvariantError
from gridcore.forecast import INTRADAY, QUANTILES, Vintage, vintage_from_table
from gridcore.plan import SETPOINT_SCHEMA
from gridcore.ports import Decision
from gridcore.timeline import PERIOD, periods_between
from pipeline.beyond import Beyond
from storage.memory import MemoryStore
from tests.builders import START

HOUR = timedelta(hours=1)


def vintage(issue: datetime, begins: datetime, hours: float, level: float) -> Vintage:
    valid = periods_between(begins, begins + hours * HOUR)
    power = np.full((2, len(valid), len(QUANTILES)), level) + np.arange(len(QUANTILES))
    return Vintage(issue, valid, ("wind", "load/a"), QUANTILES, power, ("m1", "m2"), issue, ("", "why"))


def test_a_newer_vintage_wins_from_its_first_period_on():
    beyond = Beyond()
    first, second = vintage(START, START + 4 * HOUR, 24, 10.0), vintage(START + HOUR, START + 20 * HOUR, 24, 50.0)
    beyond.add(first)
    beyond.add(second)
    found = beyond.over(periods_between(START + 18 * HOUR, START + 22 * HOUR))
    assert found is not None
    assert found.level("wind", 0.05).tolist() == [10.0] * 8 + [50.0] * 8
    assert beyond.over(periods_between(START + 40 * HOUR, START + 45 * HOUR)) is None
    assert beyond.over(periods_between(START + 3 * HOUR, START + 5 * HOUR)) is None


def test_none_is_known_before_the_first():
    assert Beyond().over(periods_between(START, START + HOUR)) is None


def test_a_restart_finds_what_was_carried():
    """The store has the intraday vintages too, whose periods are within 4 h of their issue."""
    store, beyond = MemoryStore(), Beyond()
    for number, begins in ((0, 4.25), (9, 20.0)):
        issue = START + number * HOUR
        day_ahead = vintage(issue, START + begins * HOUR, 24, 10.0 + number)
        intraday = vintage(issue, issue + PERIOD, INTRADAY / HOUR, 99.0)
        store.publish(Decision(issue, (intraday, day_ahead), (), SETPOINT_SCHEMA.empty_table(), b"{}"))
        beyond.add(day_ahead)
    again = Beyond.known(store.known_at(START + 9 * HOUR), START)
    assert again.vintage is not None
    assert beyond.vintage is not None
    wanted = periods_between(START + 13 * HOUR, START + 43 * HOUR)
    mine, theirs = beyond.over(wanted), again.over(wanted)
    assert mine is not None
    assert theirs is not None
    for target in ("wind", "load/a"):
        assert np.array_equal(mine.level(target, 0.5), theirs.level(target, 0.5))


def test_a_vintage_comes_back_from_its_rows_whatever_their_order():
    made = vintage(START, START + PERIOD, 2, 3.0)
    table = made.to_table()
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    back = vintage_from_table(shuffled)
    assert back.to_table().equals(table)
    with pytest.raises(BrokenInvariantError, match="rows of a vintage"):
        vintage_from_table(table.slice(1))

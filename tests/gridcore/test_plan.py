"""A plan and its rows say the same."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gridcore.plan import PLAN_SCHEMA, Layer, Plan, PlanStatus, Slack, plan_from_table

ISSUE = datetime(2020, 4, 18, 8, tzinfo=UTC)
STEP = timedelta(minutes=15)


def plan(values, slacks=(), reason=""):
    times = np.datetime64("2020-04-18T08:15", "us") + np.arange(values.shape[1]) * np.timedelta64(STEP)
    names = tuple(f"u{row}" for row in range(values.shape[0]))
    cause = np.where(values > 50, "congestion", "").astype(object)
    return Plan(
        Layer.SCED, ISSUE, times, STEP, names, values > 10, values, values / 2, values / 3, values * 4, values + 1,
        np.maximum(values, 0), cause, values / 7, PlanStatus.HELD if reason else PlanStatus.SOLVED, reason, 0.25,
        slacks=tuple(Slack(kind, place, times[column], size, "shortage") for kind, place, column, size in slacks),
        purpose="quick" if reason else "",
    )  # fmt: skip


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**32 - 1), st.booleans())
def test_a_plan_comes_back_from_its_rows_bit_for_bit(assets, periods, seed, has_slack):
    values = np.random.default_rng(seed).uniform(-100, 100, (assets, periods))
    slacks = [("shed", "bus/7", 0, 3.25), ("line", "A1", periods - 1, 1.5)] if has_slack else []
    made = plan(values, slacks, "late: 3 s" if has_slack else "")
    table = made.to_table()
    again = plan_from_table(table, STEP)
    assert table.schema == PLAN_SCHEMA
    assert table.num_rows == assets * periods + len(slacks)
    assert again.to_table().to_pandas().equals(table.to_pandas())
    assert (again.status, again.reason, again.plan_id) == (made.status, made.reason, made.plan_id)
    assert sorted(again.slacks, key=str) == sorted(made.slacks, key=str)

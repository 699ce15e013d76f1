"""A row's figures: plans held for each reason are counted as the solver's own words give them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import highspy
import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from dispatch.economic import held_plan
from dispatch.settings import DispatchSettings
from dispatch.solver import Problem, Reason, reason_of, solve
from gridcore.plan import PLAN_SCHEMA, Layer, Plan, PlanStatus
from gridcore.timeline import PERIOD
from pipeline.commitment import FAILED
from pipeline.row_export import plan_counts
from tests.builders import START, three_bus
from tests.dispatch.outlooks import outlook
from tests.pipeline.test_validate_plans import two_periods


@dataclass
class Plans:
    """A history of plans and nothing else."""

    plans: list[Plan]

    def plans_of(self, layer: str) -> pa.Table:
        tables = [plan.to_table() for plan in self.plans if plan.layer.value == layer]
        return pa.concat_tables(tables) if tables else PLAN_SCHEMA.empty_table()


class Known:
    def __init__(self, history: Plans) -> None:
        self._history = history

    def plans(self, layer: str, since: datetime) -> pa.Table:
        return self._history.plans_of(layer)


def failed(seconds: float | None, upper: float) -> str:
    """The reason of a solve of x >= 1, x <= upper that has no answer."""
    problem = Problem(
        sp.csr_array(np.array([[1.0]])), np.ones(1), np.zeros(1), np.array([upper]), np.ones(1), np.array([np.inf])
    )
    return solve(problem, DispatchSettings(), deadline_s=seconds).reason


def test_held_plans_are_counted_by_their_reason() -> None:
    network = three_bus()
    infeasible = failed(None, upper=0.5)
    late = f"{reason_of(highspy.HighsModelStatus.kTimeLimit).value}: Time limit reached"
    assert infeasible.startswith("infeasible: ")
    first = two_periods()
    plans = [first, replace(first, layer=Layer.SCUC)]
    for number, reason in enumerate((late, infeasible, infeasible, "failed: Solve error"), start=1):
        told = replace(outlook(network, {"b": 150.0}, {}), issue_time=first.issue_time + number * PERIOD)
        plans.append(held_plan(network, told, first, first, f"no answer ({reason})"))
    refused = {"status": PlanStatus.HELD, "reason": "breaks ramp", "purpose": f"{FAILED}ahead"}
    plans.append(replace(first, layer=Layer.SCUC, issue_time=first.issue_time + PERIOD, **refused))  # type: ignore[arg-type]
    counts = plan_counts(Known(Plans(plans)), START - timedelta(days=1))  # type: ignore[arg-type]
    assert counts == {"scuc": 1, "sced": 5, "held": 4, "late": 1, "infeasible": 2, "refused": 1}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (highspy.HighsModelStatus.kTimeLimit, Reason.LATE),
        (highspy.HighsModelStatus.kIterationLimit, Reason.LATE),
        (highspy.HighsModelStatus.kInfeasible, Reason.INFEASIBLE),
        (highspy.HighsModelStatus.kSolveError, Reason.FAILED),
    ],
)
def test_a_solvers_status_has_one_reason(status: highspy.HighsModelStatus, reason: Reason) -> None:
    assert reason_of(status) is reason

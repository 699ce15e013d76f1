"""Work side by side: the number of workers changes no model, and errors come through."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from forecasting.issue import Forecaster
from forecasting.workers import side_by_side
from tests.forecasting.world import FIT_AT, SMALL, SUMS, TARGETS, network, world


def test_models_do_not_depend_on_the_number_of_workers() -> None:
    payloads = []
    for workers in (1, 2):
        settings = replace(SMALL, fit_workers=workers, with_prophet=True, prophet_min_days=10)
        models = Forecaster(network(), TARGETS, SUMS, settings).fit(world().history.known_at(FIT_AT))
        payloads.append([(model.name, model.payload) for model in models])
    assert payloads[0] == payloads[1]


def test_two_tasks_run_at_once_and_results_keep_their_order() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def task(number: int) -> int:
        # Neither comes past the barrier unless the other one runs, too.
        meeting.wait()
        return number

    assert side_by_side([lambda: task(1), lambda: task(2)], 2) == [1, 2]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_tasks_error_is_raised(workers: int) -> None:
    def fails() -> int:
        raise ValueError("of a task")

    with pytest.raises(ValueError, match="of a task"):
        side_by_side([fails, lambda: 1], workers)
    assert side_by_side([lambda: 7], workers) == [7]

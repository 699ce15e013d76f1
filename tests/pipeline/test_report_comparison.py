"""The bars of the rows: what is written beside each other does not overlap."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pipeline.report.comparison import _bars
from pipeline.report.draw import canvas, look
from pipeline.report.palette import CAUSE_COLOURS


@pytest.mark.parametrize("largest", [3.0, 950.0, 15_362.0, 148_000.0, 960_000.0])
def test_figures_on_the_axis_stand_clear_of_each_other(largest):
    figure = canvas(2.5)
    with look():
        left, right = figure.subplots(1, 2, sharey=True)
        for axes in (left, right):
            rows = [{"surplus": largest, "congestion": largest / 20}, {"surplus": largest / 3}]
            _bars(axes, rows, CAUSE_COLOURS, str, 1.0)
        left.set_yticks(range(2), ["persistence forecast", "perfect foresight"])
        figure.draw_without_rendering()
        for axes in (left, right):
            low, high = axes.get_xlim()
            seen = [
                text
                for tick, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
                if low <= tick <= high
            ]
            boxes = [text.get_window_extent() for text in seen]
            assert len(boxes) >= 3
            assert all(one.x1 < other.x0 for one, other in pairwise(boxes))

"""Laws of heat-rate curves."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcore.asset import HeatRate
from ingest.heat_rate import convex, curve, is_convex

slopes_and_widths = st.lists(st.tuples(st.floats(1.0, 30.0), st.floats(0.5, 50.0)), min_size=1, max_size=6)


def built(parts: list[tuple[float, float]]) -> HeatRate:
    power, heat = [10.0], [100.0]
    for slope, width in parts:
        power.append(power[-1] + width)
        heat.append(heat[-1] + slope * width)
    return HeatRate(tuple(power), tuple(heat))


@given(slopes_and_widths)
def test_a_convex_curve_comes_out_and_its_ends_stay(parts: list[tuple[float, float]]) -> None:
    before = built(parts)
    after = convex(before)
    slopes = [
        (h1 - h0) / (p1 - p0)
        for p0, p1, h0, h1 in zip(
            after.power_mw, after.power_mw[1:], after.heat_mmbtu_per_h, after.heat_mmbtu_per_h[1:], strict=False
        )
    ]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(slopes))
    assert (after.power_mw[0], after.power_mw[-1]) == (before.power_mw[0], before.power_mw[-1])
    assert after.heat_mmbtu_per_h[0] == before.heat_mmbtu_per_h[0]
    assert after.heat_mmbtu_per_h[-1] == pytest.approx(before.heat_mmbtu_per_h[-1])


@given(slopes_and_widths)
def test_a_curve_that_is_convex_is_left_alone(parts: list[tuple[float, float]]) -> None:
    before = built(sorted(parts))
    if is_convex(before):
        assert convex(before) is before


def test_falling_slopes_are_pooled_by_width() -> None:
    # Slopes 9, 6, 8 over 10, 20, 10 MW: the first two pool to (90 + 120) / 30 = 7, which is below 8.
    pooled = convex(HeatRate((0.0, 10.0, 30.0, 40.0), (0.0, 90.0, 210.0, 290.0)))
    assert pooled.power_mw == (0.0, 30.0, 40.0)
    assert pooled.heat_mmbtu_per_h == pytest.approx((0.0, 210.0, 290.0))


def test_btu_per_kwh_times_mw_is_a_thousandth_of_mmbtu_per_hour() -> None:
    assert curve([20.0, 50.0], 10_000.0, [8_000.0]).heat_mmbtu_per_h == (200.0, 440.0)

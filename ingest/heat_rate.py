"""Heat-rate curves: from average and incremental rates to fuel heat at break points, made convex by least squares."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gridcore.asset import HeatRate


def curve(power_mw: Sequence[float], average: float, increments: Sequence[float]) -> HeatRate:
    """The curve of an average rate at the first point and an incremental rate for each segment after it.

    Args:
        power_mw: Break points, ascending, first one the minimum output, shape (points,) [MW].
        average: Average heat rate at the first point [BTU/kWh].
        increments: Incremental heat rates, shape (points - 1,) [BTU/kWh].
    """
    heat = [average * power_mw[0] / 1000.0]  # BTU/kWh x MW = 1000 BTU/h: a thousandth of an MMBtu/h
    for left, right, increment in zip(power_mw[:-1], power_mw[1:], increments, strict=True):
        heat.append(heat[-1] + increment * (right - left) / 1000.0)
    return convex(HeatRate(tuple(power_mw), tuple(heat)))


def is_convex(heat_rate: HeatRate) -> bool:
    """The slope never falls."""
    slopes = _slopes(heat_rate)
    return all(later >= earlier for earlier, later in pairwise(slopes))


def convex(heat_rate: HeatRate) -> HeatRate:
    """The curve itself where it is convex; else with its slopes changed least.

    Neighbouring segments whose slope falls are pooled to their mean slope, weighted by width (pool adjacent violators:
    the least-squares change of the slopes). Heat at minimum and at full output stays.

    Source: Barlow, Bartholomew, Bremner & Brunk (1972), Statistical Inference under Order Restrictions, ch. 1.
    """
    if is_convex(heat_rate):
        return heat_rate
    power = heat_rate.power_mw
    pools: list[tuple[float, float, int]] = []
    for slope, left, right in zip(_slopes(heat_rate), power[:-1], power[1:], strict=True):
        pools.append((slope, right - left, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (slope_a, width_a, count_a), (slope_b, width_b, count_b) = pools[-2:]
            mean = (slope_a * width_a + slope_b * width_b) / (width_a + width_b)
            pools[-2:] = [(mean, width_a + width_b, count_a + count_b)]
    kept, heat = [power[0]], [heat_rate.heat_mmbtu_per_h[0]]
    segment = 0
    for slope, width, count in pools:
        segment += count
        kept.append(power[segment])
        heat.append(heat[-1] + slope * width)
    return HeatRate(tuple(kept), tuple(heat))


def _slopes(heat_rate: HeatRate) -> list[float]:
    """Slope of each segment [MMBtu/MWh]."""
    power, heat = heat_rate.power_mw, heat_rate.heat_mmbtu_per_h
    return [(heat[i + 1] - heat[i]) / (power[i + 1] - power[i]) for i in range(len(power) - 1)]

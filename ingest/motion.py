"""Motion: how fast each kind of channel plausibly moves, and at which values it may plausibly stand still.

The shares are twice and less what RTS-GMLC's five-minute actuals show in 60 days of spring (in brackets): they are to
find broken meters, not gusts. What no rule names moves as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridcore.asset import Asset, Technology

JUMP = {
    Technology.WIND: 0.6,  # 0.41 of capacity
    Technology.PV: 0.9,  # 0.70: one plant under broken cloud
    Technology.ROOFTOP_PV: 0.5,  # 0.25: many roofs
    Technology.CSP: 0.9,  # its field is one plant under cloud; 0.14 seen
}
"""Largest plausible change of a weather-driven source from one reading to the next, share of capacity."""

LOAD_JUMP = 0.4
"""Likewise of an area's load, share of the larger of the two (0.14 of the highest load)."""

RAMP_MULTIPLE = 2.0
"""A thermal unit plausibly moves at this multiple of its ramp: declared ramps are those of normal operation."""

UNIT_JUMP = 0.05
"""Share of a unit's capacity that it may move beside its ramp: primary control and rounding."""

STORE_MULTIPLE = 1.1
"""Stored energy plausibly changes at this multiple of the largest power."""

AT_REST, AT_FULL = 0.01, 0.97
"""Shares of capacity below and above which a source may stand still: night and calm, and the full output of a storm."""

INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class Motion:
    """How a channel may move: plausibly by up to jump + jump_share * larger value + ramp_per_min * minutes."""

    jump: float = INFINITE
    """Plausible change from one reading to the next, however close [unit]."""

    jump_share: float = 0.0
    """Plausible change as a share of the larger of the two values."""

    ramp_per_min: float = 0.0
    """Plausible change for each minute between them [unit/min]."""

    can_freeze: bool = False
    """Its values never stand still for hours, but for those beyond the next two."""

    still_below: float = -INFINITE
    """A constant value of at most this is natural [unit]."""

    still_above: float = INFINITE
    """A constant value of at least this is natural [unit]."""

    limit: str = ""
    """Channel of the limit that can hold it still; empty where there is none."""


FREE = Motion()
"""Of a channel that no rule is about."""


def load_motion(meter_mw: float) -> Motion:
    """Of an area's load, whose smallest change can be seen from `meter_mw` on [MW]; a load never stands still."""
    return Motion(jump=meter_mw, jump_share=LOAD_JUMP, can_freeze=True)


def driven_motion(asset: Asset, meter_mw: float, limit: str = "") -> Motion:
    """Of what weather drives: output of wind and PV, a CSP's inflow; free for any other technology."""
    if asset.technology not in JUMP:
        return FREE
    jump = max(JUMP[asset.technology] * asset.p_max_mw, meter_mw)
    rest, full = AT_REST * asset.p_max_mw, AT_FULL * asset.p_max_mw
    return Motion(jump=jump, can_freeze=True, still_below=rest, still_above=full, limit=limit)


def unit_motion(asset: Asset, meter_mw: float) -> Motion:
    """Of a unit's output: it may stand on its set point for days, and start at its least output."""
    if asset.ramp_mw_per_min == INFINITE:
        return FREE
    jump = max(asset.p_min_mw, UNIT_JUMP * asset.p_max_mw, meter_mw)
    return Motion(jump=jump, ramp_per_min=RAMP_MULTIPLE * asset.ramp_mw_per_min)


def energy_motion(largest_mw: float, slack_mwh: float) -> Motion:
    """Of stored energy that fills or empties at no more than `largest_mw` [MW]."""
    return Motion(jump=slack_mwh, ramp_per_min=STORE_MULTIPLE * largest_mw / 60)

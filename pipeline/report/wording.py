"""Numbers and names as words: units, thousands, and what is not known said as such."""

from __future__ import annotations

import math
from typing import Any

INSUFFICIENT = "insufficient data"
"""Said where there is too little data for a figure; a 0 would be a claim."""

MISSING = "not given"
"""Said where neither the summary nor the export holds a figure."""

ROW_LABELS = {
    "ours": "Xiaona",
    "persistence": "persistence forecast",
    "no_storage": "no storage",
    "perfect_foresight": "perfect foresight",
}
"""Rows by the words a reader sees; another row keeps its own name."""

CAUSE_LABELS = {
    "congestion": "congestion (full lines)",
    "surplus": "surplus (minimum output above load)",
    "ramp": "ramps (units too slow)",
    "reserve": "reserve (power held back)",
    "forecast": "forecast error",
    "shortage": "shortage",
    "": "cause not stated",
}
"""Causes by the words a reader sees."""

CAUSE_CHINESE = {"congestion": "断面受限", "surplus": "调峰受限", "ramp": "爬坡受限", "reserve": "备用受限"}
"""The field's Chinese terms of the causes, where there is one."""


def is_number(value: Any) -> bool:
    """A finite number, not None, not NaN, not a truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any, digits: int = 0, unit: str = "", *, missing: str = MISSING) -> str:
    """The number with thousands set apart; `missing` where there is none."""
    if not is_number(value):
        return missing
    text = f"{value:,.{digits}f}"
    # Rounding must not leave a minus in front of nothing.
    text = text.removeprefix("-") if not text.strip("-0.,") else text
    return f"{text} {unit}".rstrip()


def energy(value: Any, *, missing: str = MISSING) -> str:
    """Energy in MWh: one digit below 100 MWh, and what is above 0 but would round to it keeps its size."""
    if not is_number(value):
        return missing
    if 0 < abs(value) < 0.05:
        return f"{value:.1g} MWh"
    return number(value, 1 if 0 < abs(value) < 100 else 0, "MWh")


def percent(value: Any, digits: int = 2, *, missing: str = MISSING) -> str:
    """A share as percent; 100 % and 0 % are said only where they are exact, else with more digits."""
    if not is_number(value):
        return missing
    text = f"{100 * value:.{digits}f}"
    if (float(text) in (0.0, 100.0)) and value not in (0, 1):
        bound = "above" if value > 1 or 0 < value < 0.5 else "below"
        near = "100" if value > 0.5 else "0"
        return f"{bound} {near} %"
    return f"{text} %"


def points(value: float) -> str:
    """A difference of shares in percentage points, signed."""
    return f"{100 * value:+.2f} points"


def row_label(name: str) -> str:
    """What a reader calls a row."""
    return ROW_LABELS.get(name, name.replace("_", " "))


def cause_label(cause: str) -> str:
    """What a reader calls a cause."""
    return CAUSE_LABELS.get(cause, cause.replace("_", " "))


def listed(words: list[str]) -> str:
    """Words in a row with commas and an `and`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def counted(count: int, noun: str) -> str:
    """A count with its noun in the right number."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(hours: float) -> str:
    """Length of time in the unit that suits it."""
    if hours >= 48 or (hours >= 24 and hours % 24 == 0):
        return f"{hours / 24:g} day{'' if hours == 24 else 's'}"
    return f"{hours:g} h"

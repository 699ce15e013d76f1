"""From hourly periods to the outlook's own: the plan's values hold within the hour, stored energy runs in a line."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dispatch.outlook import Outlook
from gridcore.plan import Plan, Slack

Item = TypeVar("Item", bound=np.generic)
"""Item type of an array."""


def expanded(plan: Plan, fine: Outlook, start_mwh: npt.NDArray[np.float64]) -> Plan:
    """A plan of longer periods, told in the periods of `fine`; its means over the longer periods are unchanged.

    Args:
        plan: Plan in longer periods, whole multiples of the fine ones.
        fine: Outlook whose periods are wanted, from the plan's first on.
        start_mwh: Stored energy at the plan's start, shape (assets,) [MWh].
    """
    steps = plan.resolution // fine.resolution
    if steps <= 1:
        return plan
    count = len(fine.valid_time)

    def repeated(array: npt.NDArray[Item]) -> npt.NDArray[Item]:
        return np.repeat(array, steps, axis=1)[:, :count]

    slacks = []
    for slack in plan.slacks:
        first = int(np.searchsorted(fine.valid_time, slack.valid_time))
        for valid_time in fine.valid_time[first : min(first + steps, count)]:
            slacks.append(Slack(slack.kind, slack.place, valid_time, slack.size_mw, slack.cause))
    return replace(
        plan,
        valid_time=fine.valid_time,
        resolution=fine.resolution,
        is_on=repeated(plan.is_on),
        power_mw=repeated(plan.power_mw),
        charge_mw=repeated(plan.charge_mw),
        discharge_mw=repeated(plan.discharge_mw),
        soc_mwh=_in_line(plan, steps, start_mwh)[:, :count],
        available_mw=repeated(plan.available_mw),
        curtailment_mw=repeated(plan.curtailment_mw),
        cause=repeated(plan.cause),
        reserve_mw=repeated(plan.reserve_mw),
        slacks=tuple(slacks),
    )


def _in_line(plan: Plan, steps: int, start_mwh: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Energy at the end of each fine period, on the line between the ends of the long ones."""
    ends = plan.soc_mwh
    start = np.full((len(ends), 1), np.nan)
    start[: len(start_mwh), 0] = start_mwh
    before = np.concatenate([start, ends[:, :-1]], axis=1)
    share = np.arange(1, steps + 1) / steps
    fine = before[:, :, None] + (ends - before)[:, :, None] * share
    return np.asarray(fine.reshape(len(ends), -1))

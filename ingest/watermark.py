"""Watermark: how far event time has come, for each site and for all, though some are silent and some clocks are wrong.

A site's mark is the end of the newest period it reported, as far as that end had passed when it was reported: a stamp
of the future says nothing. The mark of all is the least mark of the sites that keep up; one whose mark is more than
`idle` behind the present, be it silent or its clock slow, is not waited for. So no site can hold back or drive on the
rest, and any order and any cut into batches gives the same marks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

NEVER = np.iinfo(np.int64).min
"""Mark of a site that has reported nothing [us]."""

IDLE = timedelta(minutes=15)
"""How far behind a site may be before it is not waited for: three readings of five minutes."""


@dataclass(frozen=True, eq=False)
class Watermark:
    """The marks of all sites at one moment of a stream."""

    mark_us: Int64s
    """End of the newest period of each site [us since 1970 in UTC], `NEVER` where there is none, shape (sites,)."""


def at_start(sites: int) -> Watermark:
    """The marks before any reading, for so many sites."""
    return Watermark(np.full(sites, NEVER, np.int64))


def observe(watermark: Watermark, site: Int64s, ended_us: Int64s, arrived_us: Int64s) -> Watermark:
    """The marks after a batch of readings.

    Args:
        watermark: The marks before it.
        site: Number of each reading's site, shape (readings,).
        ended_us: End of each reading's period [us], shape (readings,).
        arrived_us: When each was first had [us], shape (readings,).
    """
    marks = watermark.mark_us.copy()
    passed = ended_us <= arrived_us
    np.maximum.at(marks, site[passed], ended_us[passed])
    return Watermark(marks)


def is_idle(watermark: Watermark, present_us: int, idle: timedelta = IDLE) -> npt.NDArray[np.bool_]:
    """Sites that are not waited for at an instant, shape (sites,)."""
    # Compared with the sum, since NEVER has nothing below it.
    idle_sites: npt.NDArray[np.bool_] = watermark.mark_us < present_us - idle // timedelta(microseconds=1)
    return idle_sites


def mark_of_all_us(watermark: Watermark, present_us: int, idle: timedelta = IDLE) -> int | None:
    """The least mark of the sites that keep up [us since 1970 in UTC]; None where none does.

    Every reading of a period that ended by it has come, from each of these sites that reports in order. It can go back
    when a site returns: whoever closes periods for good keeps the highest.
    """
    awake = watermark.mark_us[~is_idle(watermark, present_us, idle)]
    return int(awake.min()) if len(awake) else None

"""Instants on the wire: RFC 3339 with an offset, as one text or as a column of texts.

`instant` is the rule. `instants_of` reads the form that machines write, `2025-01-01T00:00:00[.123456](Z|+01:00)`, as a
matrix of digits, and leaves every other text to the rule: what it gives, the rule gives too.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Years in which an instant can be; beyond them a clock is broken and sums of instants overflow."""

WANTED = "RFC 3339 with an offset, in the years 1900 to 2200"
"""What an instant has to be, in words."""

UNREAD = np.iinfo(np.int64).min
"""Stands for a text that `instants_of` leaves to the rule."""

SECOND_US, MINUTE_US, DAY_US = 1_000_000, 60_000_000, 86_400_000_000

LOWEST_US, HIGHEST_US = (
    int(np.datetime64(f"{year}-01-01", "us").astype(np.int64)) for year in (FIRST_YEAR, LAST_YEAR + 1)
)
"""First instant of the years, and the first after them [us since 1970]."""

WHOLE = len("2025-01-01T00:00:00")
LONGEST = WHOLE + len(".123456789") + len("+01:00")
DIGITS = np.array([0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18])
MARKS = {4: "-", 7: "-", 10: "T", 13: ":", 16: ":"}
DAYS_OF_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])

Int64s = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def instant(text: object) -> datetime | None:
    """The instant of a text in UTC; None where it is no instant. Digits beyond microseconds are cut off."""
    if not isinstance(text, str):
        return None
    try:
        told = datetime.fromisoformat(text)
        if told.tzinfo is not None and FIRST_YEAR <= told.year <= LAST_YEAR:
            return told.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    return None


def instants_of(texts: pa.Array) -> Int64s:
    """Instants of texts [us since 1970 in UTC], `UNREAD` where the text is null or of another form, shape (texts,)."""
    found = np.full(len(texts), UNREAD, np.int64)
    if not len(texts):
        return found
    buffers = texts.buffers()
    ends = np.frombuffer(buffers[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    if buffers[2] is None:
        return found
    letters, lengths = np.frombuffer(buffers[2], np.uint8), np.diff(ends)
    if texts.null_count:
        lengths = np.where(texts.is_valid().to_numpy(zero_copy_only=False), lengths, 0)
    for length in np.flatnonzero(np.bincount(np.minimum(lengths, LONGEST + 1))):
        if WHOLE < length <= LONGEST:
            rows = np.flatnonzero(lengths == length)
            found[rows] = _of_length(_matrix(letters, ends, rows, int(length)))
    return found


def _matrix(letters: Bytes, ends: npt.NDArray[np.int32], rows: npt.NDArray[np.intp], length: int) -> Bytes:
    """The letters of texts of one length, shape (length, rows)."""
    first = int(ends[0])
    if len(rows) == len(ends) - 1:
        block = letters[first : first + length * len(rows)].reshape(len(rows), length)
    else:
        block = letters[ends[rows][:, None] + np.arange(length)]
    return np.ascontiguousarray(block.T)


def _of_length(letters: Bytes) -> Int64s:
    """Instants of texts of one length, shape (length, rows)."""
    tail = _tail(letters)
    if tail is None:
        return np.full(letters.shape[1], UNREAD, np.int64)
    good, fraction_us, offset_us = tail
    digits = letters[DIGITS] - ord("0")
    good &= (digits <= 9).all(axis=0)
    for place, mark in MARKS.items():
        good &= letters[place] == ord(mark)
    d = digits.astype(np.int32)
    year = d[0] * 1000 + d[1] * 100 + d[2] * 10 + d[3]
    month, day, hour, minute, second = (d[at] * 10 + d[at + 1] for at in (4, 6, 8, 10, 12))
    good &= (year >= FIRST_YEAR) & (year <= LAST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1)
    good &= (hour <= 23) & (minute <= 59) & (second <= 59)
    month = np.where(good, month, 1)
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    good &= day <= DAYS_OF_MONTH[month] + ((month == 2) & is_leap)
    of_day = (hour * 3600 + minute * 60 + second).astype(np.int64) * SECOND_US
    found = _days(year, month, day) * DAY_US + of_day + fraction_us - offset_us
    return np.where(good, found, UNREAD)


def _days(year: npt.NDArray[np.int32], month: npt.NDArray[np.int32], day: npt.NDArray[np.int32]) -> Int64s:
    """Days since 1970 of dates, shape (rows,)."""
    months = ((year.astype(np.int64) - 1970) * 12 + month - 1).astype("datetime64[M]")
    days: Int64s = months.astype("datetime64[D]").astype(np.int64) + day - 1
    return days


def _tail(letters: Bytes) -> tuple[npt.NDArray[np.bool_], Int64s | int, Int64s | int] | None:
    """What follows the whole second: which are good, fraction and offset [us], each of shape (rows,) or 0."""
    length, rows = letters.shape
    is_utc = bool((letters[-1] == ord("Z")).all())
    end = length - 1 if is_utc else length - 6
    places = end - WHOLE - 1
    if end < WHOLE or places == 0 or places > 9:
        return None
    good = np.ones(rows, bool)
    fraction: Int64s | int = 0
    if places > 0:
        good &= letters[WHOLE] == ord(".")
        digits = letters[WHOLE + 1 : end] - ord("0")
        good &= (digits <= 9).all(axis=0)
        fraction = np.zeros(rows, np.int64)
        for place in range(min(places, 6)):
            fraction += digits[place].astype(np.int64) * 10 ** (5 - place)
    if is_utc:
        return good, fraction, 0
    sign, colon = letters[end], letters[end + 3]
    digits = letters[[end + 1, end + 2, end + 4, end + 5]] - ord("0")
    good &= ((sign == ord("+")) | (sign == ord("-"))) & (colon == ord(":")) & (digits <= 9).all(axis=0)
    hours, minutes = (digits[at].astype(np.int64) * 10 + digits[at + 1] for at in (0, 2))
    good &= (hours <= 23) & (minutes <= 59)
    return good, fraction, (hours * 60 + minutes) * MINUTE_US * np.where(sign == ord("-"), -1, 1)

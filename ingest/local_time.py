"""Instants from text: with an offset always, without one in the grid's own zone where the local time is one instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from gridcore.errors import BadInputError
from gridcore.timeline import Instants, to_numpy


def parse_instants(column: pa.ChunkedArray, zone: ZoneInfo, file: object) -> Instants:
    """Texts in ISO 8601 as instants, shape (rows,); each distinct text is read once.

    Args:
        column: Texts; one without an offset is local time of `zone`.
        zone: The grid's own zone.
        file: Named in errors, with the row (the header is row 1).

    Raises:
        BadInputError: A text is no instant, or the local time does not exist or exists twice at a clock change.
    """
    encoded = column.cast(pa.string()).combine_chunks().dictionary_encode(null_encoding="encode")
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    texts: Sequence[str | None] = encoded.dictionary.to_pylist()
    instants = np.empty(len(texts), "datetime64[us]")
    for code, text in enumerate(texts):
        try:
            instants[code] = to_numpy(parse_instant(text or "", zone))
        except BadInputError as cause:
            row = int(np.flatnonzero(codes == code)[0]) + 2
            where = f"{file}, row {row}"
            raise BadInputError(cause.what, file=where, instant=text, got=cause.got, wanted=cause.wanted) from cause
    by_row: Instants = instants[codes]
    return by_row


def parse_instant(text: str, zone: ZoneInfo) -> datetime:
    """One instant in UTC; raises `BadInputError` as `parse_instants`."""
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError as cause:
        raise BadInputError("no instant", got=repr(text), wanted="ISO 8601, e.g. 2025-03-30T01:00:00+01:00") from cause
    if instant.tzinfo is not None:
        return instant.astimezone(UTC)
    earlier, later = (instant.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if earlier == later:
        return earlier
    # PEP 495: in a gap fold 0 takes the old offset, the later instant; in a repeated hour it is the earlier one.
    what = "a local time that does not exist" if earlier > later else "a local time that exists twice"
    raise BadInputError(what, got=f"{text} in {zone.key}", wanted="an offset, e.g. +01:00, or Z for UTC")

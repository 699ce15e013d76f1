"""The ledger of dirt: what a dirty recording did to which reading, so that a test can tell what should come out."""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa

from gridcore.timeline import TIMESTAMP


class Dirt(StrEnum):
    """What can be wrong with telemetry."""

    LATE = "late"
    """Came minutes to hours after its time."""

    DUPLICATE = "duplicate"
    """Came a second time, unchanged."""

    MISSING = "missing"
    """Never came: one reading alone."""

    OUTAGE = "outage"
    """Never came: part of a stretch in which a whole channel was silent."""

    OUT_OF_RANGE = "out_of_range"
    """Came with a value that no such channel can have."""

    SKEWED = "skewed"
    """Came stamped with a site's clock that ran ahead."""

    CORRECTED = "corrected"
    """Came wrong as revision 0, and right as revision 1 later."""


LEDGER_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("channel", pa.string()),
        ("valid_time", TIMESTAMP),
        ("available_at", TIMESTAMP),
        ("value", pa.float64()),
        ("sent_valid_time", TIMESTAMP),
        ("sent_available_at", TIMESTAMP),
        ("sent_value", pa.float64()),
        ("sent_revision", pa.int32()),
    ]
)
"""One row for each reading touched: the clean reading, and what was sent instead (null where nothing was).

Of a duplicate the second sending is told; of a correction the wrong revision 0; its revision 1 holds the clean value.
"""

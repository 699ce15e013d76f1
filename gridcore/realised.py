"""What really flowed: the plant's answer, by asset, bus and branch."""

from __future__ import annotations

import pyarrow as pa

from gridcore.timeline import TIMESTAMP

REALISED_ASSET_SCHEMA = pa.schema(
    [
        ("valid_time", TIMESTAMP),
        ("asset", pa.string()),
        ("bus", pa.string()),
        ("power_mw", pa.float64()),
        ("available_mw", pa.float64()),
        ("curtailment_mw", pa.float64()),
        ("cause", pa.string()),
        ("soc_mwh", pa.float64()),
        ("is_on", pa.bool_()),
    ]
)
"""Realised output of each asset over the plant's period, sorted by valid_time, asset; soc_mwh at the period's end."""

REALISED_BUS_SCHEMA = pa.schema(
    [
        ("valid_time", TIMESTAMP),
        ("bus", pa.string()),
        ("load_mw", pa.float64()),
        ("shed_mw", pa.float64()),
        ("over_generation_mw", pa.float64()),
    ]
)
"""Realised load before shedding, shed load and power that found no taker, sorted by valid_time, bus."""

REALISED_BRANCH_SCHEMA = pa.schema(
    [("valid_time", TIMESTAMP), ("branch", pa.string()), ("flow_mw", pa.float64()), ("limit_mw", pa.float64())]
)
"""Realised flow of each branch and DC line, positive from its from-bus, sorted by valid_time, branch."""

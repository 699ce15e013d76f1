"""A row's export and its figures: what INTERFACES.md asks of each row of a replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dispatch.solver import Reason
from gridcore.asset import RENEWABLE
from gridcore.network import Network
from gridcore.plan import Layer, PlanStatus
from gridcore.ports import Known
from gridcore.timeline import PERIOD, PLANT_PERIOD, TIMESTAMP, to_numpy
from pipeline.accuracy import accuracy_of
from pipeline.commitment import FAILED
from pipeline.cost import realised_cost
from pipeline.export import write_decisions, write_table
from pipeline.phase import Phase, log_of, store_of
from pipeline.realised_log import SCHEMAS

HOURS = PLANT_PERIOD / timedelta(hours=1)
"""Length of a plant period [h]."""

SORT = {"asset": ["valid_time", "asset"], "bus": ["valid_time", "bus"], "branch": ["valid_time", "branch"]}
"""Sort keys of the realised files."""


@dataclass(frozen=True)
class RowFigures:
    """Figures of one row, and what the report adds."""

    row: dict[str, Any]
    """The row of `xiaona replay --json`, without violations, which only the validator knows."""

    models: list[dict[str, Any]]
    """Members of the blend: kind, mode, lead_block, member, weight, pinball."""


def export_row(phase: Phase, out: Path) -> RowFigures:
    """Write decisions/ROW and realised/ROW, and work out the row's figures.

    Args:
        phase: The finished phase.
        out: Directory of the export.
    """
    store = store_of(phase)
    try:
        known = store.known_at(phase.end)
        decisions = write_decisions(known, phase.start - PERIOD, out / "decisions" / phase.row)
        realised = write_realised(phase, out)
        figures = row_figures(phase, known, realised, warm_up_assets(phase))
        accuracy, models = accuracy_of(phase, store.known_at)
    finally:
        store.close()
    row = {"name": phase.row, **figures, "accuracy": accuracy, "decisions_sha256": decisions}
    return RowFigures(row, models)


def write_realised(phase: Phase, out: Path) -> dict[str, pa.Table]:
    """Write realised/ROW from the phase's log, [start, end) alone, and return the tables."""
    tables = {}
    first, last = (pa.scalar(to_numpy(instant)).cast(TIMESTAMP) for instant in (phase.start, phase.end))
    for name, schema in SCHEMAS.items():
        table = log_of(phase.directory).read(name)
        valid = table.column("valid_time")
        inside = table.filter(pc.and_(pc.greater_equal(valid, first), pc.less(valid, last)))
        tables[name] = inside.cast(schema).sort_by([(key, "ascending") for key in SORT[name]])
        write_table(tables[name], out / "realised" / phase.row / f"{name}.parquet")
    return tables


def warm_up_assets(phase: Phase) -> pa.Table:
    """What the assets did before the row's first period, from the plant's first one on."""
    table = log_of(phase.directory).read("asset")
    first = pa.scalar(to_numpy(phase.start)).cast(TIMESTAMP)
    return table.filter(pc.less(table.column("valid_time"), first)).cast(SCHEMAS["asset"])


def row_figures(phase: Phase, known: Known, realised: Mapping[str, pa.Table], before: pa.Table) -> dict[str, Any]:
    """Energy, curtailment by cause, slacks, cost and plan counts of a row.

    Args:
        phase: The finished phase.
        known: Its store at the end.
        realised: Tables `asset`, `bus` and `branch` of its periods.
        before: What the assets did in the warm-up.
    """
    energy = absorption(phase.network, realised["asset"])
    bus = realised["bus"]
    return {
        **energy,
        "shed_mwh": float(pc.sum(bus.column("shed_mw")).as_py() or 0.0) * HOURS,
        "over_generation_mwh": float(pc.sum(bus.column("over_generation_mw")).as_py() or 0.0) * HOURS,
        **realised_cost(phase.network, realised, before=before),
        "plans": plan_counts(known, phase.start - PERIOD),
    }


def absorption(network: Network, table: pa.Table) -> dict[str, Any]:
    """Available, used and curtailed energy of wind, PV and rooftop PV; absorption is None where nothing was available.

    Args:
        network: The grid.
        table: Realised assets.
    """
    names = pa.array([asset.name for asset in network.assets if asset.technology in RENEWABLE], pa.string())
    rows = table.filter(pc.is_in(table.column("asset"), value_set=names))
    available = float(np.sum(rows.column("available_mw").to_numpy())) * HOURS
    used = float(np.sum(rows.column("power_mw").to_numpy())) * HOURS
    curtailed = rows.column("curtailment_mw").to_numpy() * HOURS
    by_cause: dict[str, float] = {}
    for cause, size in zip(rows.column("cause").to_pylist(), curtailed, strict=True):
        if size > 0:
            by_cause[cause] = by_cause.get(cause, 0.0) + float(size)
    return {
        "available_mwh": available,
        "absorbed_mwh": used,
        "absorption": used / available if available > 0 else None,
        "curtailment_mwh": float(np.sum(curtailed)),
        "curtailment_by_cause": dict(sorted(by_cause.items())),
    }


def plan_counts(known: Known, since: datetime) -> dict[str, int]:
    """Plans by layer, and how many were held, late or infeasible; commitments told and not followed are `refused`."""
    plans: dict[str, tuple[str, str]] = {}
    for layer in ("scuc", "sced"):
        table = known.plans(layer, since)
        ids, statuses = table.column("plan_id").to_pylist(), table.column("status").to_pylist()
        plans |= {plan_id: (layer, status) for plan_id, status in zip(ids, statuses, strict=True)}
    refused = {plan_id for plan_id in plans if plan_id.startswith(f"{Layer.SCUC.value}-{FAILED}")}
    plans = {plan_id: plan for plan_id, plan in plans.items() if plan_id not in refused}
    count = Counter(layer for layer, _ in plans.values())
    held = [status for _, status in plans.values() if status.startswith(PlanStatus.HELD.value)]
    because = {reason: sum(f"({reason.value}: " in status for status in held) for reason in Reason}
    return {
        "scuc": count["scuc"],
        "sced": count["sced"],
        "held": len(held),
        "late": because[Reason.LATE],
        "infeasible": because[Reason.INFEASIBLE],
        "refused": len(refused),
    }

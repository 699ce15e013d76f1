"""Plans and setpoints: what dispatch decided, by asset and period, and what each asset is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.timeline import TIMESTAMP, Instants, to_numpy

PLAN_SCHEMA = pa.schema(
    [
        ("plan_id", pa.string()),
        ("layer", pa.string()),
        ("issue_time", TIMESTAMP),
        ("valid_time", TIMESTAMP),
        ("asset", pa.string()),
        ("is_on", pa.bool_()),
        ("power_mw", pa.float64()),
        ("charge_mw", pa.float64()),
        ("discharge_mw", pa.float64()),
        ("soc_mwh", pa.float64()),
        ("available_mw", pa.float64()),
        ("curtailment_mw", pa.float64()),
        ("cause", pa.string()),
        ("reserve_mw", pa.float64()),
        ("status", pa.string()),
        ("gap", pa.float64()),
    ]
)
"""A plan as rows, sorted by issue_time, layer, plan_id, valid_time, asset.

Besides the assets, a DC line has rows (power_mw is its flow) and so has every slack in use: asset `slack/KIND/PLACE`
(KIND shed, over_generation, reserve_up, reserve_down, ramp), power_mw its size, cause its reason.
"""

SETPOINT_SCHEMA = pa.schema(
    [
        ("plan_id", pa.string()),
        ("issue_time", TIMESTAMP),
        ("valid_from", TIMESTAMP),
        ("valid_until", TIMESTAMP),
        ("asset", pa.string()),
        ("power_mw", pa.float64()),
        ("role", pa.string()),
        ("is_on", pa.bool_()),
        ("on_expiry", pa.string()),
    ]
)
"""A setpoint as rows, sorted by issue_time, asset, valid_from.

`role` is `target` (the asset follows power_mw; a battery's is net output, positive into the grid) or `limit` (the
asset gives what is available up to power_mw; a wind farm or PV plant that the plan does not curtail is limited by its
capacity alone).
"""


class Layer(StrEnum):
    """Which of the two optimisers made a plan."""

    SCUC = "scuc"
    SCED = "sced"


class PlanStatus(StrEnum):
    """How a plan came to be; every one but SOLVED carries a reason."""

    SOLVED = "solved"
    """Optimal, or within the gap asked for."""

    LIMITED = "limited"
    """A feasible answer at a work or time limit, its gap above the one asked for."""

    HELD = "held"
    """No answer in time or none at all: the last safe plan holds."""


class Cause(StrEnum):
    """Why power is curtailed, or a slack in use."""

    CONGESTION = "congestion"
    """A line or transformer is full (断面受限)."""

    SURPLUS = "surplus"
    """More must-run and minimum output than load and storage can take (调峰受限)."""

    RAMP = "ramp"
    """Thermal units can't move fast enough."""

    RESERVE = "reserve"
    """Power held back for reserve."""

    FORECAST = "forecast"
    """A limit set on a forecast that came out wrong."""

    SHORTAGE = "shortage"
    """Not enough power available."""


@dataclass(frozen=True, slots=True)
class Slack:
    """A shortfall that a plan accepted, named and priced."""

    kind: str
    """shed, over_generation, reserve_up, reserve_down or ramp (a ramp limit that gave way to a forced stop)."""

    place: str
    """Bus, reserve products joined by `+` (`margin` for forecast uncertainty), or unit."""

    valid_time: np.datetime64
    """Period start."""

    size_mw: float
    """Size, positive [MW]."""

    cause: str
    """Reason, a `Cause` value."""


@dataclass(frozen=True)
class Plan:
    """One solve's answer; arrays have shape (assets, periods) in the order of `assets`."""

    layer: Layer
    """Which optimiser made it."""

    issue_time: datetime
    """When it was decided."""

    valid_time: Instants
    """Period starts, shape (periods,)."""

    resolution: timedelta
    """Period length."""

    assets: tuple[str, ...]
    """Asset names, then DC line names."""

    is_on: npt.NDArray[np.bool_]
    """On/off; always True for what is not committed."""

    power_mw: npt.NDArray[np.float64]
    """Net output into the grid [MW]; of a DC line its flow."""

    charge_mw: npt.NDArray[np.float64]
    """Charging power, of a CSP the inflow stored, 0 elsewhere [MW]."""

    discharge_mw: npt.NDArray[np.float64]
    """Discharging power, 0 elsewhere [MW]."""

    soc_mwh: npt.NDArray[np.float64]
    """Stored energy at the period's end, NaN where there is no store [MWh]."""

    available_mw: npt.NDArray[np.float64]
    """Output that was possible in the plan's eyes [MW]."""

    curtailment_mw: npt.NDArray[np.float64]
    """Available minus used, of wind and PV; 0 elsewhere [MW]."""

    cause: npt.NDArray[np.object_]
    """`Cause` value of each curtailment, '' where there is none."""

    reserve_mw: npt.NDArray[np.float64]
    """Upward spinning reserve held [MW]."""

    status: PlanStatus
    """How it came to be."""

    reason: str = ""
    """Why it is not SOLVED: infeasible, late, or the limit it ran into."""

    gap: float = 0.0
    """Certified relative gap; 0 for a linear problem."""

    objective: float = 0.0
    """Cost of the plan without penalties [currency]."""

    slacks: tuple[Slack, ...] = ()
    """Slacks in use."""

    solver_work: dict[str, float] = field(default_factory=dict)
    """Deterministic counters of the solve (rows, columns, simplex iterations, nodes, lines added)."""

    purpose: str = ""
    """Tells plans of one layer and issue time apart; `quick` for a new commitment of quick units within the day."""

    @property
    def plan_id(self) -> str:
        """Deterministic name: layer, purpose if any, and issue time."""
        stem = f"{self.layer.value}-{self.purpose}" if self.purpose else self.layer.value
        return f"{stem}-{self.issue_time.strftime('%Y%m%dT%H%M%SZ')}"

    def to_table(self) -> pa.Table:
        """Rows of `PLAN_SCHEMA`, sorted by valid_time, asset; slacks in use are rows too."""
        names = [*self.assets, *dict.fromkeys(f"slack/{s.kind}/{s.place}" for s in self.slacks)]
        row_of = {name: row for row, name in enumerate(names)}
        extra = len(names) - len(self.assets)
        periods = len(self.valid_time)

        def grow(array: npt.NDArray[np.generic], fill: object) -> npt.NDArray[np.generic]:
            return np.concatenate([array, np.full((extra, periods), fill, dtype=array.dtype)])

        power, cause = grow(self.power_mw, 0.0), grow(self.cause, "")
        keep = np.concatenate([np.ones(self.power_mw.shape, bool), np.zeros((extra, periods), bool)])
        column_of = {instant: column for column, instant in enumerate(self.valid_time)}
        for slack in self.slacks:
            row, column = row_of[f"slack/{slack.kind}/{slack.place}"], column_of[slack.valid_time]
            power[row, column], cause[row, column], keep[row, column] = slack.size_mw, slack.cause, True
        order = np.argsort(np.array(names))
        chosen = keep[order].T.reshape(-1)
        count = int(chosen.sum())

        def rows(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
            return np.asarray(array[order].T.reshape(-1)[chosen])

        def constant(value: object, kind: pa.DataType) -> pa.Array:
            return pa.repeat(pa.scalar(value, kind), count)

        name_grid = np.broadcast_to(np.array(names, dtype=object)[:, None], power.shape)
        time_grid = np.broadcast_to(self.valid_time.astype("datetime64[us]")[None, :], power.shape)
        status = self.status.value if not self.reason else f"{self.status.value}: {self.reason}"
        return pa.Table.from_arrays(
            [
                constant(self.plan_id, pa.string()),
                constant(self.layer.value, pa.string()),
                pa.repeat(pa.scalar(to_numpy(self.issue_time)).cast(TIMESTAMP), count),
                pa.array(rows(time_grid)).cast(TIMESTAMP),
                pa.array(rows(name_grid), pa.string()),
                pa.array(rows(grow(self.is_on, False))),
                pa.array(rows(power)),
                pa.array(rows(grow(self.charge_mw, 0.0))),
                pa.array(rows(grow(self.discharge_mw, 0.0))),
                pa.array(rows(grow(self.soc_mwh, np.nan))),
                pa.array(rows(grow(self.available_mw, 0.0))),
                pa.array(rows(grow(self.curtailment_mw, 0.0))),
                pa.array(rows(cause), pa.string()),
                pa.array(rows(grow(self.reserve_mw, 0.0))),
                constant(status, pa.string()),
                constant(self.gap, pa.float64()),
            ],
            schema=PLAN_SCHEMA,
        )


def plan_from_table(table: pa.Table, resolution: timedelta) -> Plan:
    """The plan that `Plan.to_table` wrote, from the rows of one plan_id; objective and solver work are not kept.

    Args:
        table: Rows of one plan, `PLAN_SCHEMA`, in any order.
        resolution: Period length.
    """
    first = table.slice(0, 1).to_pylist()[0]
    names = table.column("asset").to_pylist()
    valid = table.column("valid_time").to_numpy().astype("datetime64[us]")
    valid_time = np.unique(valid)
    assets = tuple(sorted({name for name in names if not name.startswith("slack/")}))
    row_of = {name: row for row, name in enumerate(assets)}
    rows = np.array([row_of.get(name, -1) for name in names])
    columns = np.searchsorted(valid_time, valid)
    inside = rows >= 0
    shape = (len(assets), len(valid_time))

    def matrix(column: str, kind: type) -> npt.NDArray[np.generic]:
        array: npt.NDArray[np.generic] = np.zeros(shape, dtype=kind)
        array[rows[inside], columns[inside]] = table.column(column).to_numpy(zero_copy_only=False)[inside]
        return array

    slacks = []
    for index in np.flatnonzero(~inside):
        _, kind, place = names[index].split("/", 2)
        row = table.slice(int(index), 1).to_pylist()[0]
        slacks.append(Slack(kind, place, valid[index], row["power_mw"], row["cause"]))
    status, _, reason = first["status"].partition(": ")
    return Plan(
        layer=Layer(first["layer"]),
        issue_time=first["issue_time"],
        valid_time=valid_time,
        resolution=resolution,
        assets=assets,
        is_on=matrix("is_on", np.bool_),  # type: ignore[arg-type]
        power_mw=matrix("power_mw", np.float64),  # type: ignore[arg-type]
        charge_mw=matrix("charge_mw", np.float64),  # type: ignore[arg-type]
        discharge_mw=matrix("discharge_mw", np.float64),  # type: ignore[arg-type]
        soc_mwh=matrix("soc_mwh", np.float64),  # type: ignore[arg-type]
        available_mw=matrix("available_mw", np.float64),  # type: ignore[arg-type]
        curtailment_mw=matrix("curtailment_mw", np.float64),  # type: ignore[arg-type]
        cause=matrix("cause", np.object_),  # type: ignore[arg-type]
        reserve_mw=matrix("reserve_mw", np.float64),  # type: ignore[arg-type]
        status=PlanStatus(status),
        reason=reason,
        gap=first["gap"],
        slacks=tuple(slacks),
        purpose="-".join(first["plan_id"].split("-")[1:-1]),
    )

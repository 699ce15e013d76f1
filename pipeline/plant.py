"""The simulated plant of the closed loop: it answers setpoints in 5-minute steps, within everything that limits it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dispatch.balance import Balance, Reach, RealTimeBalance
from gridcore.network import Network
from gridcore.plan import Cause
from gridcore.timeline import PLANT_PERIOD
from pipeline.plant_orders import Orders, orders_in_force
from pipeline.plant_reach import Moves, energy_after, reach_of
from pipeline.plant_state import STEP_H, PlantState, columns_of, first_state
from pipeline.plant_tables import PlantTables, Realised
from pipeline.truth import Truth

Floats = npt.NDArray[np.float64]

ROUNDING_MW = 1e-9
"""A farm this near to what is available is not curtailed."""

NOTICED_MW = 1e-6
"""Solver tolerance: a smaller difference of power has no cause of its own."""


@dataclass(frozen=True)
class Step:
    """One step of the plant, as arrays and as the tables that leave it."""

    realised: Realised
    """What flowed."""

    tables: dict[str, pa.Table]
    """`asset`, `bus` and `branch` in the schemas of `gridcore.realised`."""

    telemetry: pa.Table
    """The plant's own readings, `READING_SCHEMA`."""

    refused: tuple[tuple[str, str], ...]
    """(asset, reason) of commands that were refused or put off."""


class Plant:
    """The world beyond the setpoints. A step depends on the state, the truth and the setpoints given, on nothing else.

    The first step takes its commitment and output from the setpoints then in force, free of ramps and minimum times;
    stores begin at their initial energy.

    Args:
        network: The grid.
        truth: What weather, water and consumers really do.
        origin: Start of the first step.
    """

    def __init__(self, network: Network, truth: Truth, origin: datetime) -> None:
        self._network, self._truth = network, truth
        self._columns = columns_of(network)
        self._balance = RealTimeBalance(network)
        self._tables = PlantTables(network)
        self._state = first_state(network, origin)

    @property
    def instant(self) -> datetime:
        """Start of the next step."""
        return self._state.instant

    @property
    def refused(self) -> dict[str, int]:
        """Steps in which a command was refused or put off since the origin, by reason."""
        return dict(self._state.refused)

    def to_bytes(self) -> bytes:
        """The state, for a checkpoint."""
        return self._state.to_bytes()

    def restore(self, content: bytes) -> None:
        """Continue from a state that `to_bytes` gave; raises `BrokenInvariantError` for one of another grid."""
        self._state = PlantState.from_bytes(content, len(self._network.assets))

    def step(self, setpoints: pa.Table) -> Step:
        """Simulate the next 5 minutes.

        Args:
            setpoints: `SETPOINT_SCHEMA`; the newest one valid at `instant` counts for each asset.

        Raises:
            BadInputError: The truth does not reach to this instant.
            BrokenInvariantError: The balance has no answer.
        """
        state, now = self._state, self._state.instant
        orders = orders_in_force(self._network, setpoints, now)
        assets_out, lines_out = self._truth.out_of_service(now)
        available = np.where(assets_out & ~self._columns.is_csp, 0.0, self._truth.available_mw(now))
        load = self._network.area_shares @ self._truth.load_mw(now)

        def balanced(needed: npt.NDArray[np.bool_]) -> tuple[Moves, Reach, Balance]:
            moves = reach_of(self._columns, state, orders, available, assets_out, needed)
            reach = Reach(moves.base_mw, moves.lower_mw, moves.upper_mw, load, orders.dc_mw, lines_out)
            return moves, reach, self._balance.solve(reach)

        moves, reach, balance = balanced(np.zeros(len(assets_out), bool))
        leaving = state.is_on & self._columns.is_switched & (orders.on == 0) & ~assets_out
        if leaving.any() and balance.shed_mw.sum() > NOTICED_MW:
            # A plan is of 15-minute means: what takes a unit's place may still be on its way up when it is told to
            # stop. No operator opens its breaker onto shed load.
            kept = balanced(leaving)
            if kept[2].shed_mw.sum() < balance.shed_mw.sum() - NOTICED_MW:
                moves, reach, balance = kept
        realised = self._realised(now, available, moves, orders, reach, balance)
        self._advance(moves, realised)
        refused = tuple((self._network.assets[row].name, reason) for row, reason in moves.refused)
        return Step(realised, self._tables.realised(realised), self._tables.telemetry(realised), refused)

    def _realised(
        self, now: datetime, available: Floats, moves: Moves, orders: Orders, reach: Reach, balance: Balance
    ) -> Realised:
        columns = self._columns
        power = balance.power_mw
        is_whole = columns.is_variable & (np.abs(available - power) <= ROUNDING_MW)
        power = np.where(is_whole, available, power)
        curtailed = np.where(columns.is_variable, np.maximum(available - power, 0.0), 0.0)
        follows = columns.is_variable | columns.is_given | columns.is_csp
        capacity = np.where(moves.is_on, columns.p_max_mw, 0.0)
        return Realised(
            valid_time=now,
            power_mw=power,
            available_mw=np.where(follows, available, np.where(columns.is_battery, power, capacity)),
            curtailment_mw=curtailed,
            cause=self._causes(curtailed, power, moves, reach, balance),
            limit_mw=self._limits(curtailed, power, orders),
            soc_mwh=energy_after(columns, self._state.soc_mwh, power, available),
            is_on=moves.is_on,
            load_mw=reach.load_mw,
            shed_mw=_without_rounding(balance.shed_mw),
            over_generation_mw=_without_rounding(balance.over_generation_mw),
            flow_mw=balance.flow_mw,
        )

    def _limits(self, curtailed: Floats, power: Floats, orders: Orders) -> Floats:
        """The limit that a farm's meter reports, shape (assets,) [MW]; inf where none is in force.

        A farm that is held down reports what it is held to, also where the balance and no plan did it. One that gives
        all it has reports the plan's limit, unless that is its capacity or the balance let it go beyond.
        """
        planned = (orders.limit_mw < self._columns.p_max_mw - NOTICED_MW) & (power <= orders.limit_mw + NOTICED_MW)
        planned &= self._columns.is_variable
        return np.where(curtailed > 0, power, np.where(planned, orders.limit_mw, np.inf))

    def _causes(
        self, curtailed: Floats, power: Floats, moves: Moves, reach: Reach, balance: Balance
    ) -> npt.NDArray[np.object_]:
        """Why each farm is curtailed, shape (assets,).

        A farm that the balance pushed below its limit: lines, where a copper plate would have taken more; ramps, where
        units at their minimum output would have made the room; else surplus. A farm at the plan's limit: what stands
        against giving it free with units regulating; where nothing does, the plan went by a wrong forecast.
        """
        cause = np.full(len(curtailed), "", dtype=object)
        rows = curtailed > 0
        if not rows.any():
            return cause
        at_limit = rows & (power >= moves.base_mw - NOTICED_MW) & (moves.base_mw < reach.upper_mw - ROUNDING_MW)
        pushed = rows & ~at_limit
        by_lines = pushed & (balance.copper_plate_mw > power + NOTICED_MW)
        cause[by_lines] = Cause.CONGESTION.value
        units = self._columns.is_switched & moves.is_on
        locked_mw = float((moves.lower_mw - self._columns.p_min_mw)[units].sum())
        by_ramp = locked_mw > float(curtailed[pushed & ~by_lines].sum())
        cause[pushed & ~by_lines] = Cause.RAMP.value if by_ramp else Cause.SURPLUS.value
        if at_limit.any():
            obstacle = self._balance.obstacle(reach, np.where(at_limit, reach.upper_mw, power))
            cause[at_limit] = (obstacle or Cause.FORECAST).value
        return cause

    def _advance(self, moves: Moves, realised: Realised) -> None:
        state = self._state
        switched = moves.is_on != state.is_on
        hours = np.where(switched, STEP_H, state.hours_in_state + STEP_H)
        refused = dict(state.refused)
        for _, reason in moves.refused:
            refused[reason] = refused.get(reason, 0) + 1
        self._state = PlantState(
            instant=state.instant + PLANT_PERIOD,
            power_mw=realised.power_mw,
            is_on=moves.is_on,
            hours_in_state=np.full(len(hours), np.inf) if state.is_free else hours,
            soc_mwh=realised.soc_mwh,
            refused=refused,
            is_free=False,
        )


def _without_rounding(slack_mw: Floats) -> Floats:
    """A slack below what arithmetic leaves is none."""
    return np.where(slack_mw > ROUNDING_MW, slack_mw, 0.0)

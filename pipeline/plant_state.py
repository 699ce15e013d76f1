"""The plant's state and its fixed columns: what stands at the end of a step, and what each asset can do at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from gridcore.asset import CURTAILABLE, Family, Technology
from gridcore.errors import BrokenInvariantError
from gridcore.network import Network
from gridcore.timeline import PLANT_PERIOD

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

STEP_H = PLANT_PERIOD / timedelta(hours=1)
"""Length of a step [h]."""

STEP_MIN = PLANT_PERIOD / timedelta(minutes=1)
"""Length of a step [min]."""


@dataclass
class PlantState:
    """What stands at `instant`; arrays have shape (assets,) in the network's order."""

    instant: datetime
    """Start of the next step."""

    power_mw: Floats
    """Output of the last step [MW]."""

    is_on: Bools
    """On/off; True for what is never switched, unless it is out of service."""

    hours_in_state: Floats
    """Hours since the last switch [h]; inf where no switch was seen."""

    soc_mwh: Floats
    """Stored energy, NaN where there is no store [MWh]."""

    refused: dict[str, int]
    """Steps in which a command was refused or put off, by reason."""

    is_free: bool
    """Nothing has happened yet: the first step's setpoints decide who is on, and no ramp binds."""

    def to_bytes(self) -> bytes:
        """The state as JSON with hexadecimal floats: equal states give equal bytes."""
        arrays = {name: [value.hex() for value in getattr(self, name).tolist()] for name in _FLOATS}
        words = {
            "instant": self.instant.isoformat(),
            "is_on": [int(value) for value in self.is_on],
            "refused": dict(sorted(self.refused.items())),
            "is_free": self.is_free,
            **arrays,
        }
        return json.dumps(words, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, content: bytes, assets: int) -> PlantState:
        """The state that `to_bytes` wrote.

        Raises:
            BrokenInvariantError: It is of another grid.
        """
        words = json.loads(content)
        if len(words["is_on"]) != assets:
            raise BrokenInvariantError("a plant checkpoint", got=f"{len(words['is_on'])} assets", wanted=f"{assets}")
        arrays = {name: np.array([float.fromhex(value) for value in words[name]], dtype=np.float64) for name in _FLOATS}
        is_on = np.array(words["is_on"], dtype=np.bool_)
        instant = datetime.fromisoformat(words["instant"])
        return cls(instant=instant, is_on=is_on, refused=words["refused"], is_free=words["is_free"], **arrays)


_FLOATS = ("power_mw", "hours_in_state", "soc_mwh")


def first_state(network: Network, instant: datetime) -> PlantState:
    """The state before the first step: stores at their initial energy, commitment free."""
    count = len(network.assets)
    soc = np.array([np.nan if a.store is None else a.store.initial_soc_mwh for a in network.assets])
    columns = columns_of(network)
    return PlantState(instant, np.zeros(count), ~columns.is_switched, np.full(count, np.inf), soc, {}, is_free=True)


@dataclass(frozen=True)
class Columns:
    """What each asset can do, as columns of shape (assets,)."""

    p_min_mw: Floats
    """Least output while on [MW]."""

    p_max_mw: Floats
    """Largest output [MW]."""

    ramp_mw: Floats
    """Largest change of output from one step to the next; inf for what follows weather or water [MW]."""

    min_up_h: Floats
    """Shortest time on [h]."""

    min_down_h: Floats
    """Shortest time off [h]."""

    must_run: Bools
    """Never switched off."""

    is_switched: Bools
    """Has an on/off state."""

    is_variable: Bools
    """Wind and PV."""

    is_given: Bools
    """Output is given and neither curtailed nor regulated: rooftop PV, hydro and what gives no power."""

    is_battery: Bools
    """Stores of electric energy."""

    is_csp: Bools
    """Units with a heat tank."""

    energy_mwh: Floats
    """Capacity of stores, 0 elsewhere [MWh]."""

    charge_mw: Floats
    """Largest charging power or inflow, 0 elsewhere [MW]."""

    charge_efficiency: Floats
    """Stored / drawn, 1 elsewhere."""

    discharge_efficiency: Floats
    """Delivered / taken, 1 elsewhere."""


def columns_of(network: Network) -> Columns:
    """The columns of a network's assets."""
    assets = network.assets
    stores, limits = [a.store for a in assets], [a.commitment for a in assets]
    technology = [a.technology for a in assets]
    is_switched = np.array([t in {Technology.THERMAL, Technology.NUCLEAR, Technology.CSP} for t in technology], bool)
    is_variable = np.array([t in CURTAILABLE for t in technology], bool)
    is_csp = np.array([t is Technology.CSP and s is not None for t, s in zip(technology, stores, strict=True)], bool)
    is_battery = np.array([a.family is Family.STORE and a.store is not None for a in assets], bool)
    ramp = np.array([a.ramp_mw_per_min for a in assets]) * STEP_MIN
    return Columns(
        p_min_mw=np.array([a.p_min_mw for a in assets]),
        p_max_mw=np.array([a.p_max_mw for a in assets]),
        ramp_mw=np.where(is_switched | is_battery, ramp, np.inf),
        min_up_h=np.array([c.min_up_h if c else 0.0 for c in limits]),
        min_down_h=np.array([c.min_down_h if c else 0.0 for c in limits]),
        must_run=np.array([c is None or c.must_run for c in limits], bool),
        is_switched=is_switched,
        is_variable=is_variable,
        is_given=~(is_switched | is_variable | is_battery),
        is_battery=is_battery,
        is_csp=is_csp,
        energy_mwh=np.array([s.energy_mwh if s else 0.0 for s in stores]),
        charge_mw=np.array([s.charge_mw if s else 0.0 for s in stores]),
        charge_efficiency=np.array([s.charge_efficiency if s else 1.0 for s in stores]),
        discharge_efficiency=np.array([s.discharge_efficiency if s else 1.0 for s in stores]),
    )

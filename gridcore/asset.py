"""Assets: what stands at a bus and makes, takes, stores or moves power.

A technology is data (family, numbers, source), not a class: a new one touches no code that asks for its family.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Family(StrEnum):
    """The five families of devices; the optimiser knows families, a file knows technologies."""

    SOURCE = "source"
    CONVERTER = "converter"
    STORE = "store"
    TASK = "task"
    EXCHANGE = "exchange"


class Technology(StrEnum):
    """What a device is; the value is the word used in files."""

    THERMAL = "thermal"
    NUCLEAR = "nuclear"
    HYDRO = "hydro"
    WIND = "wind"
    PV = "pv"
    ROOFTOP_PV = "rooftop_pv"
    CSP = "csp"
    SYNCHRONOUS_CONDENSER = "synchronous_condenser"
    BATTERY = "battery"
    PUMPED_HYDRO = "pumped_hydro"
    FLEXIBLE_LOAD = "flexible_load"
    TIE_LINE = "tie_line"


FAMILY_OF = {
    Technology.THERMAL: Family.SOURCE,
    Technology.NUCLEAR: Family.SOURCE,
    Technology.HYDRO: Family.SOURCE,
    Technology.WIND: Family.SOURCE,
    Technology.PV: Family.SOURCE,
    Technology.ROOFTOP_PV: Family.SOURCE,
    Technology.CSP: Family.SOURCE,
    Technology.SYNCHRONOUS_CONDENSER: Family.SOURCE,
    Technology.BATTERY: Family.STORE,
    Technology.PUMPED_HYDRO: Family.STORE,
    Technology.FLEXIBLE_LOAD: Family.TASK,
    Technology.TIE_LINE: Family.EXCHANGE,
}
"""Family of each technology."""

RENEWABLE = frozenset({Technology.WIND, Technology.PV, Technology.ROOFTOP_PV})
"""Technologies whose used / available energy is the absorption (消纳率) of INTERFACES.md."""

CURTAILABLE = frozenset({Technology.WIND, Technology.PV})
"""Technologies that a limit can curtail; rooftop PV and hydro never are."""

COMMITTED = frozenset({Technology.THERMAL, Technology.NUCLEAR, Technology.CSP})
"""Technologies with an on/off state that unit commitment decides."""


class OnExpiry(StrEnum):
    """What an asset does when its last setpoint has run out and no new one came."""

    HOLD = "hold"
    """Keep the last power: thermal units, whose ramps make a jump worse than a stale value."""

    RELEASE = "release"
    """Drop the limit and give what is available: wind and PV, since a lost link must not curtail."""

    ZERO = "zero"
    """Go to zero power: batteries and DC lines, whose energy or flow would otherwise run away."""


@dataclass(frozen=True, slots=True)
class HeatRate:
    """Fuel use as a convex piecewise-linear curve over net output.

    Raises nothing itself; readers make it convex and check it.
    """

    power_mw: tuple[float, ...]
    """Break points, ascending, first one the minimum output, shape (points,) [MW]."""

    heat_mmbtu_per_h: tuple[float, ...]
    """Fuel heat at each break point, shape (points,) [MMBtu/h]."""


@dataclass(frozen=True, slots=True)
class StartUp:
    """One start category: it holds when the unit was off for at least `off_h` hours."""

    off_h: float
    """Shortest time off at which this category applies [h]."""

    heat_mmbtu: float
    """Fuel heat of one start [MMBtu]."""

    cost: float = 0.0
    """Cost of one start besides fuel [currency]."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """Limits of a unit that is switched on and off."""

    min_up_h: float = 0.0
    """Shortest time on [h]."""

    min_down_h: float = 0.0
    """Shortest time off [h]."""

    start_ups: tuple[StartUp, ...] = ()
    """Start categories by ascending `off_h` (hot, warm, cold); empty where a start is free."""

    shut_down_cost: float = 0.0
    """Cost of one shut-down [currency]."""

    must_run: bool = False
    """Never switched off by a plan (nuclear, whose start data are sentinels in RTS-GMLC)."""


@dataclass(frozen=True, slots=True)
class Store:
    """Limits of stored energy; power limits are the asset's own."""

    energy_mwh: float
    """Usable capacity [MWh]."""

    charge_mw: float
    """Largest charging power, positive [MW]; of a CSP the largest inflow into the tank."""

    charge_efficiency: float
    """Stored / drawn energy, in (0, 1]."""

    discharge_efficiency: float
    """Delivered / taken energy, in (0, 1]."""

    initial_soc_mwh: float
    """Stored energy where no telemetry tells it [MWh]."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One device at one bus."""

    name: str
    """Unique name, as in its files."""

    technology: Technology
    """What it is."""

    bus: str
    """Name of its bus."""

    p_min_mw: float
    """Least output while on [MW]."""

    p_max_mw: float
    """Largest output [MW]; the capacity of wind and PV."""

    ramp_mw_per_min: float = float("inf")
    """Largest change of output while on, both directions [MW/min]."""

    fuel: str = ""
    """Fuel, as the files name it; empty where there is none."""

    fuel_price_per_mmbtu: float = 0.0
    """Fuel price [currency/MMBtu]."""

    vom_per_mwh: float = 0.0
    """Variable operation and maintenance cost [currency/MWh]."""

    co2_t_per_mmbtu: float = 0.0
    """CO2 rate of the fuel [t/MMBtu]."""

    heat_rate: HeatRate | None = None
    """Fuel use; None where the output is free."""

    commitment: Commitment | None = None
    """On/off limits; None for what is always on."""

    store: Store | None = None
    """Stored energy; None where there is none."""

    spinning: bool = False
    """Eligible for spinning reserve while on."""

    latitude: float | None = None
    """Of the device, else of its bus [degrees north]."""

    longitude: float | None = None
    """Of the device, else of its bus [degrees east]."""

    tags: tuple[str, ...] = field(default=())
    """Words a user groups by, e.g. the unit type of the source."""

    @property
    def family(self) -> Family:
        """The device family the optimiser asks for."""
        return FAMILY_OF[self.technology]

    @property
    def on_expiry(self) -> OnExpiry:
        """What it does when its last setpoint has run out."""
        if self.technology in CURTAILABLE:
            return OnExpiry.RELEASE
        return OnExpiry.ZERO if self.family in {Family.STORE, Family.EXCHANGE} else OnExpiry.HOLD

"""Dispatch settings: the prices of shortfalls, the horizons, and the work limits of the solvers.

The order "serve load, absorb renewables, then cost" is had by prices that dominate each other. Serving load is worth
`voll_per_mwh`; required reserve comes next, since it is what keeps load served; then absorption; then fuel. A price
dominates where it exceeds the next one times the largest ratio in which the network trades one for the other; the test
`test_prices_give_the_lexicographic_order` compares them with prices far higher still.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DispatchSettings:
    """Settings of both optimisers; hashable, since compiled problems are kept by them."""

    voll_per_mwh: float = 10_000.0
    """Value of lost load [currency/MWh]."""

    over_generation_per_mwh: float = 4_000.0
    """Penalty on power that finds no taker although all that can be curtailed is [currency/MWh]."""

    curtailment_price_per_mwh: float = 1_000.0
    """Value of a MWh of wind or PV taken up, besides the fuel it saves [currency/MWh].

    The default makes absorption come before cost: it is 7 times the dearest fuel step of RTS-GMLC (134 per MWh), so
    that it holds through line sensitivities down to 1/7. A user who wants a priced trade-off sets a lower value.
    """

    reserve_price_per_mwh: float = 3_000.0
    """Penalty on a shortfall of a required reserve product [currency/MWh]."""

    margin_price_per_mwh: float = 300.0
    """Penalty on a shortfall of the forecast uncertainty margin; below the curtailment price, so that no renewable
    power is curtailed to keep a margin against losing it [currency/MWh]."""

    stored_energy_value_per_mwh: float = 20.0
    """Value of energy left in a store at the end of the horizon, the same for all rows of a replay: about the fuel cost
    of coal in RTS-GMLC (2.1 per MMBtu times 9.5 MMBtu/MWh) [currency/MWh]."""

    soc_target_price_per_mwh: float = 60.0
    """Penalty on ending the intraday window below the day-ahead plan's stored energy; above thermal fuel, so that
    fuel alone does not empty the store, and far below curtailment [currency/MWh]."""

    wear_per_mwh: float = 0.1
    """Wear of a battery per MWh charged or discharged; breaks the tie against idle cycling [currency/MWh]."""

    reserve_time_s: float = 600.0
    """Time within which held reserve must be delivered: it caps a unit's reserve at its ramp over this time.

    RTS-GMLC asks for 72 MW in 300 s, 140 MW in 600 s and 96 MW in 1200 s. Reserve capped at 600 s of ramp gives at
    least half of itself within 300 s, so 308 MW in 600 s imply the 72 MW in 300 s [s]."""

    quick_start_h: float = 2.5
    """Units whose minimum up and down times are at most this are re-committed within the day [h]."""

    gap: float = 0.01
    """Relative gap asked of the unit commitment."""

    sure_cost_per_h: float = 0.0
    """Reduced cost of an hour on or off from which the relaxation's word on a state is taken as sure [currency/h].

    0 takes it always: fast. On RTS-GMLC, 18-19 April 2020, where wind covers all load for hours, 2000 left 2747 states
    open instead of 265: curtailment 10,518 instead of 10,786 MWh and a gap of 2.0 instead of 3.9 %, for 28 instead of
    13 CPU seconds."""

    worth_share: float = 0.01
    """Share of the running cost below which a new commitment within the day is not worth its while.

    Of the running cost, since the whole objective may be large by curtailment that nothing can avoid."""

    worth_at_least: float = 100.0
    """The same as a sum; 100 are 10 kWh of lost load or 100 kWh of wind [currency]."""

    look_ahead_h: int = 24
    """Horizon of the hourly commitment within the day [h]."""

    look_ahead_free_h: int = 12
    """Hours of it in which the commitment in force may change; a coal unit stays up for 8 h at least [h]."""

    commit_horizon_h: int = 36
    """Longest horizon of the day-ahead commitment: the day, and half of the next one, so that the evening doesn't run
    the grid into a corner; a longer outlook is cut [h].

    48 h took 1.6 to 1.9 times the CPU time on RTS-GMLC, 18-19 April 2020, for 5 to 10 % less curtailment in the first
    day, which the hourly commitment within the day sees too."""

    window_periods: int = 16
    """Periods of the economic dispatch (4 h of 15 min)."""

    mip_nodes: int = 1
    """Branch-and-bound nodes of one commitment MIP at most: a work limit, since it repeats and wall time does not.

    Of what is left open the root finds nearly all; what was fixed before costs more. On RTS-GMLC, 48 h, from 1 to 50
    nodes: 10-11 January 29 to 75 CPU seconds and the same
    plan; 18-19 April 13 to 26 s and a certified gap of 3.9 to 3.4 %."""

    simplex_iterations: int = 100_000
    """Simplex iterations of one linear solve at most."""

    line_rounds: int = 12
    """Rounds of adding violated line limits at most."""

    seed: int = 0
    """Random seed of the solvers."""

    deadline_s: float | None = None
    """Wall-time limit of one linear problem with all its rounds, or of one mixed-integer problem, for live runs only;
    None in replay [s]."""

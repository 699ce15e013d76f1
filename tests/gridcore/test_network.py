"""A network that contradicts itself is refused by name."""

from dataclasses import replace

import numpy as np
import pytest

from gridcore.asset import FAMILY_OF, Asset, OnExpiry, Store, Technology
from gridcore.errors import BadInputError
from gridcore.network import Branch, Bus, DcLine, Network
from gridcore.target import Kind, basic_targets, sum_targets

BUSES = (Bus("1", "north", 0.25), Bus("2", "north", 0.75), Bus("3", "south", 1.0))
BRANCHES = (Branch("A", "1", "2", 0.1, 100.0), Branch("B", "2", "3", 0.2, 50.0))
WIND = Asset("W", Technology.WIND, "3", 0.0, 80.0)


def grid(**changes):
    parts = {"buses": BUSES, "branches": BRANCHES, "dc_lines": (), "assets": (WIND,)}
    return Network("g", "Europe/Berlin", **{**parts, **changes})


def test_bus_shares_turn_area_load_into_bus_load():
    np.testing.assert_array_equal(grid().area_shares, [[0.25, 0.0], [0.75, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"assets": (replace(WIND, bus="9"),)}, ["unknown bus", "asset W", "got 9"]),
        ({"assets": (replace(WIND, p_max_mw=-5.0),)}, ["capacity", "asset W", "-5"]),
        ({"assets": (WIND, WIND)}, ["asset name", "2 times"]),
        ({"assets": (replace(WIND, p_min_mw=90.0),)}, ["minimum output", "asset W", "90"]),
        ({"assets": (replace(WIND, store=Store(10.0, 5.0, 0.9, 0.9, 11.0)),)}, ["stored energy", "11"]),
        ({"assets": (replace(WIND, store=Store(10.0, 5.0, 1.9, 0.9, 1.0)),)}, ["efficiency", "1.9"]),
        ({"branches": (BRANCHES[0], replace(BRANCHES[1], to_bus="8"))}, ["unknown bus", "asset B", "got 8"]),
        ({"branches": (BRANCHES[0], replace(BRANCHES[1], x_pu=0.0))}, ["reactance", "asset B"]),
        ({"branches": (BRANCHES[0], replace(BRANCHES[1], limit_mw=0.0))}, ["limit", "asset B"]),
        ({"branches": BRANCHES[:1]}, ["islands", "1 of 3 buses", "asset 3"]),
        ({"branches": BRANCHES[:1], "dc_lines": (DcLine("D", "2", "3", 10.0),)}, ["islands"]),
        ({"country": "Germany"}, ["country", "Germany", "ISO 3166-1"]),
        ({"buses": (replace(BUSES[0], load_share=0.5), *BUSES[1:])}, ["shares", "asset north", "1.25"]),
    ],
)
def test_a_contradiction_is_refused_by_name(changes, words):
    with pytest.raises(BadInputError) as caught:
        grid(**changes)
    for word in words:
        assert word in str(caught.value)


def test_every_technology_has_a_family():
    assert set(FAMILY_OF) == set(Technology)


def test_a_lost_link_never_curtails():
    assert WIND.on_expiry is OnExpiry.RELEASE
    assert replace(WIND, technology=Technology.BATTERY).on_expiry is OnExpiry.ZERO


def test_sums_roll_up_every_basic_target_once():
    second = replace(WIND, name="W2", bus="1")
    network = grid(assets=(WIND, second))
    sums = {target.name: target for target in sum_targets(network, {"mine": ("W", "north/load")})}
    assert dict(sums["system/wind"].members) == {"W": 1.0, "W2": 1.0}
    assert dict(sums["north/wind"].members) == {"W2": 1.0}
    assert dict(sums["system/load"].members) == {"north/load": 1.0, "south/load": 1.0}
    assert dict(sums["portfolio/mine"].members) == {"W": 1.0, "north/load": -1.0}
    assert [t.name for t in basic_targets(network) if t.kind is Kind.LOAD] == ["north/load", "south/load"]


def test_a_portfolio_of_strangers_is_refused_by_name():
    with pytest.raises(BadInputError, match="stranger"):
        sum_targets(grid(), {"mine": ("stranger",)})

"""A small grid with coordinates for the report's tests: six buses on a map, one of most kinds of asset."""

from __future__ import annotations

from dataclasses import replace

from gridcore.asset import Asset, Technology
from gridcore.network import Network
from tests.builders import six_bus, source, thermal

PLACES = {"1": (52.0, 9.0), "2": (52.2, 9.6), "3": (52.6, 9.4), "4": (52.9, 10.2), "5": (52.4, 10.6), "6": (52.0, 10.1)}
"""Latitude and longitude of each bus."""


def mapped_grid(zone_name: str = "Europe/Berlin") -> Network:
    """The ring of six buses, on the map, with names that a page must escape and units of several fuels."""
    ring = six_bus()
    buses = tuple(replace(b, latitude=PLACES[b.name][0], longitude=PLACES[b.name][1]) for b in ring.buses)
    gas = replace(thermal("gas <CT> & co", "5", 5.0, 40.0), fuel="NG", tags=("Gas CT", "CT"))
    return replace(ring, buses=buses, assets=(*ring.assets, gas), zone_name=zone_name)


def bare_grid() -> Network:
    """Two thermal units and a load area: no wind, no sun, no store, no coordinates."""
    ring = six_bus()
    units: tuple[Asset, ...] = (thermal("coal", "1", 30.0, 120.0), thermal("gas", "4", 10.0, 80.0))
    return replace(ring, assets=units, dc_lines=())


def sunny_grid() -> Network:
    """One PV plant beside two units, in a zone half an hour off."""
    return replace(
        bare_grid(), assets=(*bare_grid().assets, source("sun", Technology.PV, "6", 60.0)), zone_name="Asia/Kolkata"
    )

"""One colour for each technology on the whole page, and which technology an asset is shown as.

Hues are those of Okabe & Ito (2008), "Color Universal Design", which stay apart under the common colour blindnesses;
fossil plants are greys and browns, told apart by lightness, so that wind, sun, water and storage carry the colour.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gridcore.asset import Asset, Family, Technology


@dataclass(frozen=True, slots=True)
class Group:
    """Assets that share a colour and a band of the dispatch stack."""

    name: str
    """Name on the page."""

    chinese: str
    """The field's Chinese term."""

    colour: str
    """Fill."""


GROUPS = {
    "nuclear": Group("Nuclear", "核电", "#7b4fa3"),
    "coal": Group("Coal", "煤电", "#4a4a4a"),
    "gas_cc": Group("Gas CC", "燃气联合循环", "#8f8f8f"),
    "gas_ct": Group("Gas CT", "燃气轮机", "#bdbdbd"),
    "oil": Group("Oil", "燃油", "#7a5230"),
    "other_thermal": Group("Other thermal", "其他火电", "#b08f6d"),
    "hydro": Group("Hydro", "水电", "#0072b2"),
    "csp": Group("CSP", "光热", "#d55e00"),
    "wind": Group("Wind", "风电", "#56b4e9"),
    "pv": Group("PV", "光伏", "#f0b400"),
    "rooftop_pv": Group("Rooftop PV", "分布式光伏", "#f7e08a"),
    "storage": Group("Storage", "储能", "#009e73"),
    "exchange": Group("Tie line", "联络线", "#cc79a7"),
    "flexible": Group("Flexible load", "可调负荷", "#e3b7cf"),
}
"""Groups from the bottom of the dispatch stack to its top."""

CURTAILED = "#c1272d"
"""Hatching and marks of curtailed power."""

CAUSE_COLOURS = {
    "congestion": "#d55e00",
    "surplus": "#0072b2",
    "ramp": "#e69f00",
    "reserve": "#cc79a7",
    "forecast": "#56b4e9",
    "shortage": "#7b4fa3",
}
"""Fill of each cause of curtailment."""

COST_COLOURS = {
    "fuel": "#8f8f8f",
    "start": "#e69f00",
    "vom": "#56b4e9",
    "penalty": "#c1272d",
    "stored_energy": "#009e73",
}
"""Fill of each part of the cost."""

UNKNOWN_COLOUR = "#9a9a9a"
"""Fill of what has no colour of its own."""

_BY_TECHNOLOGY = {
    Technology.NUCLEAR: "nuclear",
    Technology.HYDRO: "hydro",
    Technology.CSP: "csp",
    Technology.WIND: "wind",
    Technology.PV: "pv",
    Technology.ROOFTOP_PV: "rooftop_pv",
}

_BY_FAMILY = {Family.STORE: "storage", Family.EXCHANGE: "exchange", Family.TASK: "flexible"}


def group_of(asset: Asset) -> str | None:
    """Key of `GROUPS` that an asset is shown as; None for what makes no power (synchronous condensers)."""
    if asset.technology is Technology.SYNCHRONOUS_CONDENSER:
        return None
    if asset.technology is not Technology.THERMAL:
        return _BY_TECHNOLOGY.get(asset.technology) or _BY_FAMILY.get(asset.family, "other_thermal")
    words = set(re.findall(r"[a-z]+", " ".join((asset.fuel, *asset.tags)).lower()))
    if words & {"coal", "lignite"}:
        return "coal"
    if words & {"oil", "diesel"}:
        return "oil"
    if words & {"gas", "ng"}:
        return "gas_ct" if words & {"ct", "gt", "ocgt"} else "gas_cc"
    return "other_thermal"

"""The outlook: medians by name, loads by share, given hydro, the uncertainty margin, outages, longer periods."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from dispatch.outlook import outlook_from
from gridcore.errors import BadInputError
from gridcore.forecast import QUANTILES, Vintage
from gridcore.reading import OUTAGE_SCHEMA
from gridcore.target import basic_targets, sum_targets
from gridcore.timeline import PERIOD, periods_between
from tests.builders import START, six_bus

PERIODS = 8
NO_OUTAGE = OUTAGE_SCHEMA.empty_table()


def vintage(network, spread=None, *, without=()):
    """Every target at 10 MW times its number; `spread` gives a target's P10 to P90 distance from the median."""
    targets = [t.name for t in (*basic_targets(network), *sum_targets(network)) if t.name not in without]
    levels = np.array(QUANTILES)
    power = np.zeros((len(targets), PERIODS, len(levels)))
    for row, name in enumerate(targets):
        width = (spread or {}).get(name, 0.0)
        power[row] = 10.0 * (row + 1) + width * (levels - 0.5) / 0.4
    valid = periods_between(START, START + PERIODS * PERIOD)
    words = ("made",) * len(targets)
    return Vintage(START - PERIOD, valid, tuple(targets), QUANTILES, power, words, START - PERIOD, ("",) * len(targets))


def given(network, hydro=7.0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    fixed = np.full((len(network.assets), PERIODS), np.nan)
    fixed[network.asset_index["river"]] = hydro
    return fixed, np.zeros((len(network.reserves), PERIODS))


def test_medians_go_to_assets_and_area_load_to_buses_by_share():
    network = six_bus()
    made = vintage(network, {"wind": 3.0})
    seen = outlook_from(network, made, *given(network), NO_OUTAGE)
    north, south = made.level("north/load", 0.5)[0], made.level("south/load", 0.5)[0]
    assert np.allclose(seen.load_mw[:, 0], [0.5 * north, 0.5 * north, 0, 0.6 * south, 0.4 * south, 0])
    assert np.allclose(seen.available_mw[network.asset_index["wind"]], made.level("wind", 0.5))
    assert np.allclose(seen.available_mw[network.asset_index["river"]], 7.0)
    assert not seen.available_mw[network.asset_index["coal"]].any()


def test_the_margin_is_the_root_of_summed_squares_of_the_system_sums():
    """3-4-12: sqrt(9 + 16 + 144) = 13; wind falling short and load above count the same."""
    network = six_bus()
    made = vintage(network, {"system/wind": 3.0, "system/load": 4.0, "system/pv": 12.0, "wind": 50.0})
    seen = outlook_from(network, made, *given(network), NO_OUTAGE)
    assert np.allclose(seen.margin_mw, 13.0)


def test_without_sums_the_members_make_the_margin():
    network = six_bus()
    sums = [t.name for t in sum_targets(network)]
    made = vintage(network, {"wind": 3.0, "north/load": 4.0}, without=sums)
    assert np.allclose(outlook_from(network, made, *given(network), NO_OUTAGE).margin_mw, 5.0)


def test_an_outage_takes_every_period_it_touches():
    network = six_bus()
    begin, end = START + timedelta(minutes=20), START + timedelta(minutes=45)
    rows = {"available_at": [START] * 3, "asset": ["wind", "3-4", "dc"], "from": [begin] * 3, "until": [end] * 3}
    seen = outlook_from(network, vintage(network), *given(network), pa.table(rows, OUTAGE_SCHEMA))
    touched = [False, True, True] + [False] * 5
    assert seen.out_of_service[network.asset_index["wind"]].tolist() == touched
    assert seen.branch_out[2].tolist() == touched
    assert seen.branch_out[-1].tolist() == touched
    assert (seen.available_mw[network.asset_index["wind"]] == 0).tolist() == touched


def test_longer_periods_have_the_mean_and_a_short_last_one_the_mean_of_what_there_is():
    network = six_bus()
    fixed, reserve = given(network, np.arange(PERIODS, dtype=float))
    seen = outlook_from(network, vintage(network), fixed, reserve, NO_OUTAGE).first(6).aggregated(timedelta(hours=1))
    assert seen.available_mw[network.asset_index["river"]].tolist() == [1.5, 4.5]
    assert seen.resolution == timedelta(hours=1)
    assert len(seen.valid_time) == 2


def test_a_missing_forecast_names_the_target():
    network = six_bus()
    with pytest.raises(BadInputError, match="sun"):
        outlook_from(network, vintage(network, without=("sun",)), *given(network), NO_OUTAGE)


def test_wrong_shapes_and_unknown_outages_are_named():
    network = six_bus()
    fixed, reserve = given(network)
    with pytest.raises(BadInputError, match="fixed_mw"):
        outlook_from(network, vintage(network), fixed[:, :3], reserve, NO_OUTAGE)
    rows = {"available_at": [START], "asset": ["ghost"], "from": [START], "until": [START + PERIOD]}
    with pytest.raises(BadInputError, match="ghost"):
        outlook_from(network, vintage(network), fixed, reserve, pa.table(rows, OUTAGE_SCHEMA))

"""Two outlooks joined: the error seen at the seam fades, within what a farm can give, and the sun is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dispatch.continued import FADE, continued
from gridcore.timeline import PERIOD
from tests.builders import START, six_bus
from tests.dispatch.outlooks import outlook

PERIODS = 16


def later(expected, periods):
    """The same outlook some periods later."""
    return replace(expected, valid_time=expected.valid_time + np.timedelta64(periods * PERIOD))


def times(count):
    return np.datetime64(START.replace(tzinfo=None), "us") + np.arange(count) * np.timedelta64(PERIOD)


def test_what_is_seen_at_the_seam_fades_with_its_time():
    network = six_bus()
    now = outlook(network, {"1": 80.0}, {"wind": 30.0, "sun": 20.0}, PERIODS)
    ahead = later(outlook(network, {"1": 90.0}, {"wind": 20.0, "sun": 5.0}, PERIODS), 12)
    joined = continued(network, now, ahead)
    assert np.array_equal(joined.valid_time, times(28))
    left = np.exp(-(np.arange(12) + 1) * (PERIOD / FADE))
    assert joined.available_mw[network.asset_index["wind"], 16:] == pytest.approx(20.0 + 10.0 * left)
    assert joined.load_mw[network.bus_index["1"], 16:] == pytest.approx(90.0 - 10.0 * left)
    assert (joined.available_mw[network.asset_index["sun"], 16:] == 5.0).all()
    assert np.array_equal(joined.available_mw[:, :16], now.available_mw)


def test_a_farm_gives_no_more_than_it_has_and_nothing_while_it_is_out():
    network = six_bus()
    row = network.asset_index["wind"]
    largest = network.assets[row].p_max_mw
    now = outlook(network, {}, {"wind": largest}, PERIODS)
    ahead = later(outlook(network, {}, {"wind": np.linspace(0.0, largest, PERIODS)}, PERIODS), 12)
    ahead.out_of_service[row, -3:] = True
    joined = continued(network, now, ahead)
    assert joined.available_mw[row].max() <= largest
    assert (joined.available_mw[row, -3:] == 0.0).all()
    calm = continued(network, replace(now, available_mw=now.available_mw * 0.0), ahead)
    assert calm.available_mw[row].min() == 0.0


def test_without_an_overlap_the_second_follows_as_it_is():
    network = six_bus()
    now = outlook(network, {"1": 80.0}, {"wind": 30.0}, PERIODS)
    ahead = later(outlook(network, {"1": 90.0}, {"wind": 20.0}, PERIODS), PERIODS)
    joined = continued(network, now, ahead)
    assert np.array_equal(joined.load_mw[:, 16:], ahead.load_mw)
    assert np.array_equal(joined.available_mw[:, 16:], ahead.available_mw)
    assert len(joined.margin_mw) == len(joined.valid_time) == joined.reserve_mw.shape[1] == 32

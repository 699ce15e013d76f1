"""What-if factors scale capacity, telemetry and forecasts alike."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from gridcore.asset import RENEWABLE, Family
from gridcore.errors import BadInputError
from gridcore.target import power_channel
from ingest.catalogue import open_grid
from pipeline.scale import parse_scale, scaled, without_storage


def test_twice_the_wind_and_sun_is_twice_of_everything_that_says_so():
    base = open_grid("example-9")
    twice = scaled(base, {"vre": 2.0, "battery": 10.0})
    day = (base.first, base.first + timedelta(days=1))
    names = {a.name for a in base.network.assets if a.technology in RENEWABLE}
    for before, after in zip(base.network.assets, twice.network.assets, strict=True):
        factor = 2.0 if before.name in names else 10.0 if before.family is Family.STORE else 1.0
        assert after.p_max_mw == before.p_max_mw * factor
        if before.family is Family.STORE and before.store is not None and after.store is not None:
            assert after.store.energy_mwh == before.store.energy_mwh * 10
    for table, other, key, value in (
        (base.readings(*day), twice.readings(*day), "channel", "value"),
        (base.official(*day), twice.official(*day), "asset", "power_mw"),
    ):
        keys = table.column(key).to_pylist()
        scaled_keys = {power_channel(name) for name in names} | names
        factor = np.array([2.0 if name in scaled_keys else 1.0 for name in keys])
        np.testing.assert_array_equal(other.column(value).to_numpy(), table.column(value).to_numpy() * factor)
    assert twice.data_sha256() != base.data_sha256()


def test_without_storage_no_store_can_do_anything_and_the_rest_stays():
    network = open_grid("example-9").network
    bare = without_storage(network)
    for before, after in zip(network.assets, bare.assets, strict=True):
        if before.family is Family.STORE and after.store is not None:
            assert (after.p_max_mw, after.store.energy_mwh, after.store.charge_mw) == (0.0, 0.0, 0.0)
        else:
            assert after == before


@pytest.mark.parametrize("words", ["vre", "vre=two", "wind=2", "vre=-1", "vre=inf"])
def test_factors_that_are_none_are_refused_as_they_came(words):
    with pytest.raises(BadInputError, match="--scale") as caught:
        parse_scale(words)
    assert caught.value.got == words

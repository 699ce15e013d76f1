"""The compiled problem says what the Pyomo model says, and costs what the network's data say."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyomo.environ as pyo
import pytest

from dispatch.compiled import compiled, model_of
from dispatch.fleet import fleet_of
from dispatch.settings import DispatchSettings
from gridcore.asset import Technology
from tests.builders import six_bus, three_bus

SETTINGS = DispatchSettings()


@pytest.mark.parametrize("with_commitment", [False, True])
def test_every_family_s_rows_are_those_of_the_model(with_commitment):
    """Each row of the matrix, at random values, equals the body of the Pyomo constraint it is mapped to."""
    network = six_bus()
    problem = compiled(network, 6, timedelta(minutes=30), SETTINGS, with_commitment=with_commitment)
    model = model_of(network, problem.fleet, 6, 0.5, SETTINGS, problem.is_quick, with_commitment=with_commitment)
    values = np.random.default_rng(5).uniform(-1, 1, problem.matrix.shape[1])
    for family, columns in problem.columns.items():
        for index, variable in model.component(family).items():
            column = columns[index]
            variable.set_value(values[column] if column >= 0 else 0.0, skip_validation=True)
    computed = problem.matrix @ values
    seen = 0
    for family, rows in problem.rows.items():
        for index, constraint in model.component(family).items():
            row = rows[index]
            assert row >= 0
            constant = pyo.value(constraint.body) - computed[row]
            for bound, ours in ((constraint.lower, problem.row_lower[row]), (constraint.upper, problem.row_upper[row])):
                if bound is not None:
                    assert pyo.value(bound) - constant == pytest.approx(ours, abs=1e-9)
                else:
                    assert not np.isfinite(ours)
            seen += 1
    assert seen == problem.matrix.shape[0]
    assert pyo.value(model.cost) == pytest.approx(problem.cost @ values)


def test_segments_and_starts_cost_what_the_heat_rates_say():
    """10 MMBtu/MWh at 2 per MMBtu and 1 of upkeep: 21 per MWh, 420 per hour at 20 MW; starts 200 hot, 650 cold."""
    fleet = fleet_of(three_bus())
    assert fleet.segment_cost.tolist() == [21.0, 21.0]
    assert fleet.segment_mw.tolist() == [80.0, 50.0]
    assert fleet.on_cost_per_h.tolist() == [420.0, 210.0]
    assert fleet.start_cost.tolist() == [200.0, 650.0] * 2
    assert fleet.start_until_h.tolist() == [6.0, np.inf] * 2


def test_every_asset_has_one_place_in_the_fleet():
    network = six_bus()
    fleet = fleet_of(network)
    rows = np.concatenate([fleet.unit_asset, fleet.vre_asset, fleet.battery_asset, fleet.fixed_asset])
    assert sorted(rows.tolist()) == list(range(len(network.assets)))
    given = {network.assets[row].technology for row in fleet.fixed_asset}
    assert given == {Technology.ROOFTOP_PV, Technology.HYDRO, Technology.SYNCHRONOUS_CONDENSER}


def test_one_build_serves_every_tick():
    network = six_bus()
    first = compiled(network, 6, timedelta(minutes=30), SETTINGS, with_commitment=False)
    assert compiled(six_bus(), 6, timedelta(minutes=30), SETTINGS, with_commitment=False) is first

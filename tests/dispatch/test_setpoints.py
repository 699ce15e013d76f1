"""Setpoints: who is told what, and until when."""

from __future__ import annotations

from dispatch.commit import commit
from dispatch.economic import EconomicDispatch
from dispatch.setpoints import setpoints_of
from dispatch.settings import DispatchSettings
from gridcore.plan import SETPOINT_SCHEMA, plan_from_table
from gridcore.timeline import PERIOD
from tests.builders import START, six_bus
from tests.dispatch.outlooks import outlook, state


def planned(wind=120.0):
    network = six_bus()
    load = {"1": 20.0, "2": 15.0, "4": 25.0, "5": 20.0}
    expected = outlook(network, load, {"wind": wind, "sun": 10.0, "roof": 5.0, "river": 10.0})
    begin = state(network, {"coal": 40.0, "atom": 46.0}, soc_mwh=30.0)
    wanted = commit(network, expected, begin, DispatchSettings())
    plan, _ = EconomicDispatch(network, DispatchSettings()).solve(expected, begin, wanted, None, None)
    return network, plan


def test_every_dispatchable_asset_is_told_once_for_the_first_period():
    network, plan = planned()
    told = setpoints_of(plan, network)
    assert told.schema == SETPOINT_SCHEMA
    names = told.column("asset").to_pylist()
    assert names == sorted(["atom", "cell", "coal", "dc", "gas", "mirror", "sun", "wind"])
    assert set(told.column("valid_from").to_pylist()) == {START}
    assert set(told.column("valid_until").to_pylist()) == {START + PERIOD}
    assert set(told.column("plan_id").to_pylist()) == {plan.plan_id}


def test_a_curtailed_farm_gets_its_planned_power_and_a_free_one_its_capacity():
    network, plan = planned()
    rows = {row["asset"]: row for row in setpoints_of(plan, network).to_pylist()}
    for name in ("wind", "sun"):
        index = network.asset_index[name]
        is_curtailed = plan.curtailment_mw[index, 0] > 0
        limit = plan.power_mw[index, 0] if is_curtailed else network.assets[index].p_max_mw
        assert (rows[name]["role"], rows[name]["power_mw"]) == ("limit", limit)
    assert plan.curtailment_mw[network.asset_index["wind"], 0] > 0
    _, calm = planned(wind=5.0)
    rows = {row["asset"]: row for row in setpoints_of(calm, network).to_pylist()}
    assert rows["wind"]["power_mw"] == 120.0
    assert (rows["coal"]["role"], rows["coal"]["on_expiry"]) == ("target", "hold")
    assert (rows["cell"]["on_expiry"], rows["wind"]["on_expiry"]) == ("zero", "release")


def test_a_plan_read_back_in_another_order_tells_the_same():
    network, plan = planned()
    back = plan_from_table(plan.to_table(), PERIOD)
    assert back.assets != plan.assets
    assert setpoints_of(back, network, 16).equals(setpoints_of(plan, network, 16))
    assert len(setpoints_of(plan, network, 16)) == 16 * 8

"""Laws of the transfer factors, against the nodal equations solved another way."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dispatch.ptdf import ptdf, ptdf_of
from dispatch.validate_network import angle_flows
from tests.builders import six_bus, three_bus


def test_the_slack_bus_column_is_zero():
    for slack in range(6):
        assert not ptdf(six_bus(), slack)[:, slack].any()


def test_a_third_goes_the_long_way_round_a_triangle_of_equal_lines():
    network = three_bus()
    factors = ptdf(network, network.bus_index["b"])
    from_c = factors[:, network.bus_index["c"]]
    assert np.allclose(from_c, [1 / 3, -1 / 3, 2 / 3])


@given(st.lists(st.floats(-100, 100), min_size=6, max_size=6), st.integers(0, 5), st.sampled_from([None, 0, 3, 6]))
def test_flows_equal_those_of_bus_angles_whatever_the_slack_bus(injections, slack, lost):
    network = six_bus()
    injection = np.array(injections) - np.mean(injections)
    out = np.zeros(len(network.branches), dtype=np.bool_)
    if lost is not None:
        out[lost] = True
    flows = ptdf(network, slack, out) @ injection
    assert np.allclose(flows, angle_flows(network, injection[:, None], out[:, None])[:, 0], atol=1e-9)


def test_kept_factors_are_those_of_the_topology():
    network = six_bus()
    out = np.zeros(len(network.branches), dtype=np.bool_)
    out[2] = True
    assert np.array_equal(ptdf_of(network, out), ptdf(network, 0, out))
    assert not ptdf_of(network, out)[2].any()

"""What the report's figures and words are made of: means, shares, local days, ticks, names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gridcore.asset import RENEWABLE
from pipeline.report.accuracy import accuracy_section, models_section
from pipeline.report.blocks import Note, Table
from pipeline.report.draw import canvas, time_axis
from pipeline.report.export import coarsen, local_days
from pipeline.report.palette import group_of
from pipeline.report.wording import energy, number, percent
from tests.builders import source, thermal
from tests.pipeline.report_grid import mapped_grid


def test_a_kind_that_is_no_claim_is_marked_and_a_blend_is_no_member() -> None:
    item = {"kind": "load", "lead_block": "D+1", "n": 2880, "rmse_accuracy": 0.99, "is_headline": False}
    accuracy = accuracy_section({"rows": [{"name": "ours", "accuracy": [item]}]})
    assert any(
        isinstance(block, Note) and "say nothing about the forecaster" in block.text for block in accuracy.blocks
    )
    row = {"kind": "wind", "mode": "intraday", "lead_block": "15-60 min", "weight": 1.0, "pinball": 0.02}
    models = models_section({"models": [row | {"member": "official"}, row | {"member": "blend", "pinball": 0.01}]})
    [table] = [block for block in models.blocks if isinstance(block, Table)]
    assert [cells_[3:] for cells_ in table.rows] == [["official", "100 %", "2.000 %"], ["blend", "", "1.000 %"]]
    assert table.strong == {1}


def test_local_days_follow_the_zones_clock_change() -> None:
    network = mapped_grid()
    instants = np.array(
        ["2025-03-29T22:59", "2025-03-29T23:00", "2025-03-30T21:59", "2025-03-30T22:00"], "datetime64[us]"
    )
    assert local_days(instants, network.zone).tolist() == ["2025-03-29", "2025-03-30", "2025-03-30", "2025-03-31"]


def test_ticks_stand_at_local_hours_and_skip_the_one_that_does_not_exist() -> None:
    zone = mapped_grid().zone
    for first, hours, skipped in (("2025-03-29T23:00", 23, True), ("2025-10-25T22:00", 25, False)):
        axes = canvas(2.0).subplots()
        valid = np.datetime64(first, "us") + np.arange(hours) * np.timedelta64(1, "h")
        time_axis(axes, valid, 1.0, zone)
        labels = [label.get_text() for label in axes.get_xticklabels()]
        assert labels[1:3] == (["04:00", "06:00"] if skipped else ["02:00", "04:00"])
        assert len(labels) == len(set(labels))


def test_a_mean_over_periods_passes_over_what_is_not_known() -> None:
    values = np.array([[1.0, 3.0, np.nan, 5.0, np.nan, np.nan, 7.0]])
    assert np.array_equal(coarsen(values, 2), [[2.0, 5.0, np.nan, 7.0]], equal_nan=True)


def test_a_share_is_whole_only_when_it_is() -> None:
    assert [percent(share) for share in (0.0, 1.0, 0.99999999, 1e-9)] == [
        "0.00 %",
        "100.00 %",
        "below 100 %",
        "above 0 %",
    ]
    assert [percent(None, missing="x"), percent(float("nan"), missing="x")] == ["x", "x"]


def test_numbers_keep_small_things_visible_and_lose_the_sign_of_nothing() -> None:
    assert [energy(0.0), energy(0.01), energy(12.34), energy(1234.5)] == ["0 MWh", "0.01 MWh", "12.3 MWh", "1,234 MWh"]
    assert number(-0.2) == "0"


def test_gas_turbines_are_told_from_combined_cycles_by_their_tags() -> None:
    unit = replace(thermal("u", "1", 0.0, 1.0), fuel="NG")
    assert group_of(replace(unit, tags=("Gas CC", "CC", "U355"))) == "gas_cc"
    assert group_of(replace(unit, tags=("Gas CT", "CT", "U55"))) == "gas_ct"
    assert group_of(replace(unit, fuel="Oil", tags=("Oil CT", "CT"))) == "oil"
    assert group_of(source("w", next(iter(RENEWABLE)), "1", 1.0)) in {"wind", "pv", "rooftop_pv"}

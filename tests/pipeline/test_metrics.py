"""Metrics are those that docs/metrics.md names; no label can be made by a sender; event time is counted exactly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gridcore.ports import Counts
from ingest.channels import channels_of
from pipeline import metrics as module
from pipeline.metrics import LAGS_S, Metrics
from tests.ingest.builders import LOAD, MINUTE, START, WIND, batch_of, reading, small_network

CHANNELS = channels_of(small_network())
PERIOD_MIN = CHANNELS.period / MINUTE


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Values on the page by name and labels."""
    families = text_string_to_metric_families(metrics.page().decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, frozenset(labels.items())))


def test_the_page_of_the_docs_names_every_metric_with_its_type_and_labels(project_root: Path) -> None:
    page = (project_root / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)(?:\{(\w+)\})?` \| (\w+) \|", page, re.MULTILINE)
    metrics = Metrics(CHANNELS)
    metrics.kept(batch_of([reading()]), Counts(dead_letters={"wrong_unit": 1}), 0.1)
    metrics.lags({"t/0": 1})
    metrics.answered(200, 0.1)
    told = set()
    for family in text_string_to_metric_families(metrics.page().decode()):
        if family.name.endswith("_created"):
            continue
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        told.add((name, "".join(labels), family.type))
    assert set(rows) == told


def test_outcomes_and_reasons_are_counted_and_an_unknown_reason_is_other() -> None:
    metrics = Metrics(CHANNELS)
    counts = Counts(9, 2, 1, 1, 1, {"wrong_unit": 3, "made up by nobody": 1}, {"late": 2})
    metrics.kept(batch_of([]), counts, 0.01)
    metrics.kept(batch_of([]), counts, 0.01)
    found = {outcome: value(metrics, "xiaona_readings_total", outcome=outcome) for outcome in module.OUTCOMES}
    assert found == {"stored": 4, "duplicate": 2, "revised": 2, "conflict": 2, "dead_letter": 8}
    assert value(metrics, "xiaona_dead_letters_total", reason="wrong_unit") == 6
    assert value(metrics, "xiaona_dead_letters_total", reason="other") == 2
    assert (value(metrics, "xiaona_late_total"), value(metrics, "xiaona_commit_seconds_count")) == (4, 2)


def test_a_tick_counts_by_the_worst_of_its_sources() -> None:
    metrics = Metrics()
    metrics.ticked(START, 0.5, {"a": "read_past", "b": "grace_over", "c": "at_end"})
    metrics.ticked(START, 0.5, {"a": "read_past"})
    for readiness, count in (("grace_over", 1), ("read_past", 1), ("at_end", 0)):
        assert value(metrics, "xiaona_ticks_total", readiness=readiness) == count
    assert value(metrics, "xiaona_tick_timestamp_seconds") == START.timestamp()


def test_a_partition_that_is_no_more_ours_leaves_the_page() -> None:
    metrics = Metrics()
    metrics.lags({"t/0": 5, "t/1": 7})
    metrics.lags({"t/1": 3})
    assert value(metrics, "xiaona_consumer_lag", partition="t/0") is None
    assert value(metrics, "xiaona_consumer_lag", partition="t/1") == 3


arrivals = st.lists(st.tuples(st.sampled_from([WIND, LOAD]), st.integers(0, 20), st.integers(-30, 3000)), max_size=20)


@settings(max_examples=30)
@given(rows=arrivals, cut=st.integers(0, 20))
def test_event_time_is_exact_and_the_same_for_any_cut_into_batches(rows: list[tuple[Any, int, int]], cut: int) -> None:
    readings = [reading(channel, 5 * valid, 1.0, 5 * valid + PERIOD_MIN + lag / 2) for channel, valid, lag in rows]
    whole, pieces = Metrics(CHANNELS), Metrics(CHANNELS)
    whole.kept(batch_of(readings), Counts(), 0.0)
    for piece in (readings[:cut], readings[cut:]):
        pieces.kept(batch_of(piece), Counts(), 0.0)
    lags_s = np.array([30.0 * lag for _, _, lag in rows])
    found, again = samples(whole), samples(pieces)
    for edge in LAGS_S:
        key = ("xiaona_event_lag_seconds_bucket", frozenset({("le", str(float(edge)))}))
        assert found[key] == again[key] == int((lags_s <= edge).sum())
    for site, channel in (("B", WIND), ("area-north", LOAD)):
        ends = [5 * valid + PERIOD_MIN for of, valid, lag in rows if of == channel and lag >= 0]
        key = ("xiaona_watermark_timestamp_seconds", frozenset({("site", site)}))
        assert found.get(key) == again.get(key) == ((START + max(ends) * MINUTE).timestamp() if ends else None)


def test_sites_beyond_the_known_ones_make_no_series() -> None:
    metrics = Metrics(CHANNELS)
    strange = [reading((f"site-{n}", *WIND[1:])) for n in range(50)]
    metrics.kept(batch_of(strange), Counts(), 0.0)
    names = {labels for name, labels in samples(metrics) if name == "xiaona_watermark_timestamp_seconds"}
    assert names == set()


def test_more_sites_than_have_a_mark_of_their_own_share_the_oldest(monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_SITES", 1)
    metrics = Metrics(CHANNELS)
    metrics.kept(batch_of([reading(WIND, 0), reading(LOAD, 5), reading(("A", "S/soc", "soc", "MWh"), 10)]), Counts(), 0)
    marks = {dict(labels)["site"]: at for (name, labels), at in samples(metrics).items() if "watermark" in name}
    assert marks == {"A": (START + 15 * MINUTE).timestamp(), "other": (START + 5 * MINUTE).timestamp()}

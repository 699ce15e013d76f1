"""Laws of what is given to us: an official value or an outage that can't be used is kept as a dead letter."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from gridcore.ports import Batch
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from ingest.accept import check
from ingest.channels import channels_of
from ingest.given import official_causes
from ingest.rts_gmlc import RtsGmlc
from tests.ingest.builders import MINUTE, START, small_network

CHANNELS = channels_of(small_network(), timedelta(minutes=5))


def official(**changed: object) -> dict[str, Any]:
    """An official value of the wind farm of 100 MW, issued and had a day ahead."""
    row = {"asset": "W", "valid_time": START + 1440 * MINUTE, "power_mw": 30.0}
    return {"available_at": START, "issue_time": START, **row, **changed}


def outage(**changed: object) -> dict[str, Any]:
    """An outage of the line for an hour."""
    return {"available_at": START, "asset": "A-B", "from": START, "until": START + 60 * MINUTE, **changed}


def batch(officials: list[dict[str, Any]], outages: list[dict[str, Any]]) -> Batch:
    tables = pa.Table.from_pylist(officials, OFFICIAL_SCHEMA), pa.Table.from_pylist(outages, OUTAGE_SCHEMA)
    return Batch("test/0", 7, 7 + len(officials) + len(outages), READING_SCHEMA.empty_table(), *tables)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"asset": "north/load", "power_mw": 160.0},
        {"asset": "system/wind"},
        {"power_mw": 110.0},  # 1.1 times 100 MW
        {"power_mw": -0.5},  # a zero of a meter
        {"asset": "S", "power_mw": -11.0},  # a battery charges
    ],
)
def test_a_usable_official_value_goes_through(changed: dict[str, object]) -> None:
    clean, letters = check(batch([official(**changed)], [outage(), outage(asset="W")]), CHANNELS)
    assert letters == ()
    assert (len(clean.official), len(clean.outages)) == (1, 2)


@pytest.mark.parametrize(
    ("changed", "reason", "word"),
    [
        ({"asset": "X"}, "official_of_nothing", "'X'"),
        ({"asset": None}, "official_of_nothing", "None"),
        ({"valid_time": None}, "official_without_instant", "valid_time None"),
        ({"issue_time": START + MINUTE}, "official_before_issue", "available_at"),
        ({"power_mw": math.nan}, "official_not_a_number", "nan"),
        ({"power_mw": None}, "official_not_a_number", "None"),
        ({"power_mw": math.inf}, "official_not_a_number", "inf"),
        ({"power_mw": -0.6}, "official_out_of_range", "-0.6 MW"),
        ({"power_mw": 110.1}, "official_out_of_range", "110.1 MW"),
    ],
)
def test_an_unusable_official_value_is_a_dead_letter(changed: dict[str, object], reason: str, word: str) -> None:
    clean, (letter,) = check(batch([official(), official(**changed)], []), CHANNELS)
    assert clean.official.to_pylist() == [official()]
    assert (letter.reason, letter.source, letter.offset, letter.available_at) == (reason, "test/0", 7, START)
    assert word in letter.detail
    assert json.loads(letter.payload).keys() == official().keys()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"asset": "nowhere"}, "outage_of_nothing"),
        ({"until": None}, "outage_without_instant"),
        ({"until": START}, "outage_ends_before_it_starts"),
    ],
)
def test_an_unusable_outage_is_a_dead_letter(changed: dict[str, object], reason: str) -> None:
    clean, (letter,) = check(batch([official()], [outage(**changed), outage()]), CHANNELS)
    assert clean.outages.to_pylist() == [outage()]
    assert len(clean.official) == 1
    assert letter.reason == reason
    assert str(changed.get("asset", "A-B")) in letter.detail


def test_no_official_value_of_a_year_is_refused(rts: RtsGmlc) -> None:
    table = rts.official(rts.first, rts.last)
    assert len(table) == 366 * 24 * 91
    assert (official_causes(table, channels_of(rts.network)) < 0).all()

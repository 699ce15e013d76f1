"""The channel table says what the loop can deliver, and holds all of RTS-GMLC's year."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from gridcore.reading import Quality
from ingest.accept import check
from ingest.channels import channels_of
from ingest.recording_feed import RecordingFeed
from ingest.rts_gmlc import RtsGmlc
from tests.ingest.builders import small_network


def test_the_channels_of_a_small_grid() -> None:
    table = channels_of(small_network(), timedelta(minutes=5))
    assert [(c.name, c.node, c.quantity, c.unit, c.site, c.low, c.high) for c in table.channels] == [
        ("S/power", "S", "power", "MW", "A", -11.0, 11.0),
        ("S/soc", "S", "soc", "MWh", "A", -0.5, 20.5),
        ("W/limit", "W", "limit", "MW", "B", 0.0, 110.00000000000001),
        ("W/power", "W", "power", "MW", "B", -5.0, 110.00000000000001),
        ("north/load", "north", "load", "MW", "area-north", 0.0, 165.0),
    ]
    assert table["W/power"] is table.channels[table.index["W/power"]]


def test_the_channels_of_rts_gmlc(rts: RtsGmlc) -> None:
    table = channels_of(rts.network)
    counts = Counter(channel.quantity for channel in table.channels)
    # 158 units; 4 wind and 25 PV have limits; 72 thermal, 1 nuclear, 1 CSP have a status; battery and CSP store.
    assert counts == {"power": 158, "limit": 29, "status": 74, "soc": 2, "inflow": 1, "load": 3}


def test_no_true_reading_of_a_year_is_flagged_or_refused(rts: RtsGmlc) -> None:
    table = channels_of(rts.network, rts.reading_period)
    outages = rts.outages(rts.first, rts.last)
    # One day in 18: the seasons of a year at a small part of its cost.
    for day in range(0, 366, 18):
        start = rts.first + timedelta(days=day)
        readings = rts.readings(start, start + timedelta(days=1))
        feed = RecordingFeed(readings, rts.official(start, start), outages)
        batch = feed.next_until(rts.last)
        assert batch is not None
        clean, letters = check(batch, table)
        assert letters == ()
        assert set(clean.readings.column("quality").to_pylist()) == {int(Quality.GOOD)}

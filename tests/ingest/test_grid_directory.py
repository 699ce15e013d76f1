"""Export and read again gives the same grid; a wrong file is named with its line, what came and what was wanted."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcore.asset import Asset, Commitment, HeatRate, StartUp, Store, Technology
from gridcore.errors import BadInputError
from gridcore.network import Branch, Bus, DcLine, Network, ReserveProduct
from gridcore.reading import OfficialValue
from ingest.catalogue import EXAMPLE, EXAMPLES
from ingest.grid_directory import export_grid, export_grid_tables, read_grid_directory
from ingest.grid_tables import read_network
from ingest.grid_write import write_network
from ingest.rts_gmlc import RtsGmlc
from ingest.table_source import TableSource

some = st.floats(0.0, 1e6, allow_subnormal=False)
positive = st.floats(1e-6, 1e6)
names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=8)
tags = st.text("abc XYZ,\"'", min_size=1, max_size=6).map(str.strip).filter(bool)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Two buses and one asset with everything that can be written, in numbers of any size."""
    first, second, asset = draw(st.lists(names, min_size=3, max_size=3, unique=True))
    share = draw(st.floats(0.0, 1.0))
    low, width, ramp = draw(some), draw(positive), draw(st.one_of(st.just(math.inf), some))
    starts = tuple(StartUp(float(hours), draw(some), draw(some)) for hours in range(draw(st.integers(0, 3))))
    unit = Asset(
        name=asset,
        technology=draw(st.sampled_from(list(Technology))),
        bus=second,
        p_min_mw=low,
        p_max_mw=low + width,
        ramp_mw_per_min=ramp,
        fuel=draw(st.sampled_from(["", "gas"])),
        fuel_price_per_mmbtu=draw(some),
        vom_per_mwh=draw(st.floats(-100.0, 100.0)),
        co2_t_per_mmbtu=draw(some),
        heat_rate=draw(st.sampled_from([None, HeatRate((low, low + width), (1.0, 7.3))])),
        commitment=draw(st.sampled_from([None, Commitment(draw(some), draw(some), starts, draw(some), True)])),
        store=draw(st.sampled_from([None, Store(draw(some) + 9.0, draw(some), 0.9, 1 / 3, 9.0)])),
        spinning=draw(st.booleans()),
        latitude=draw(st.sampled_from([None, 1 / 3])),
        tags=tuple(draw(st.lists(tags, max_size=3))),
    )
    return Network(
        name=draw(names),
        zone_name="Asia/Shanghai",
        buses=(Bus(first, "n", share, 110.0, 0.1, -0.2), Bus(second, "n", 1.0 - share)),
        branches=(Branch("l 1", first, second, draw(positive), draw(positive), draw(positive), draw(st.booleans())),),
        dc_lines=draw(st.sampled_from([(), (DcLine("d", second, first, 0.1 + 0.2),)])),
        assets=(unit,),
        reserves=draw(st.sampled_from([(), (ReserveProduct("r", "up", 1 / 7, ("n",), ("a", "b")),)])),
        base_mva=draw(positive),
        currency="CNY",
        source='a "quoted" \\ source',
        country=draw(st.sampled_from(["", "CN"])),
        official_hydro=draw(st.sampled_from(list(OfficialValue))),
        telemetry_latency_s=draw(some),
        latency_is_declared=draw(st.booleans()),
    )


@given(networks())
def test_a_network_written_and_read_is_the_same_bit_for_bit(network: Network) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as name:
        write_network(network, Path(name))
        assert read_network(Path(name), latency_is_declared=not network.latency_is_declared) == network


def test_an_export_of_rts_gmlc_is_rts_gmlc(rts: RtsGmlc, tmp_path: Path) -> None:
    start, end = rts.first + timedelta(days=40), rts.first + timedelta(days=44)
    rows = export_grid(rts, tmp_path / "grid", start, end)
    copy = read_grid_directory(tmp_path / "grid")
    assert copy.network == rts.network
    assert (copy.first, copy.last) == (start, end)
    assert (copy.reading_period, copy.official_period) == (rts.reading_period, rts.official_period)
    assert copy.readings(start, end).equals(rts.readings(start, end))
    assert copy.official(start, end).equals(rts.official(start, end))
    middle = start + timedelta(days=1, hours=5), start + timedelta(days=2)
    assert copy.readings(*middle).equals(rts.readings(*middle))
    assert copy.outages(start, end).equals(rts.outages(start, end))
    assert copy.notice == rts.notice
    assert rows["readings"] == 4 * 288 * 84


def test_an_export_of_an_export_has_the_same_bytes(example: TableSource, tmp_path: Path) -> None:
    export_grid(example, tmp_path / "one")
    export_grid(read_grid_directory(tmp_path / "one"), tmp_path / "two")
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    again, once = read_grid_directory(tmp_path / "two"), read_grid_directory(tmp_path / "one")
    assert again.data_sha256() == once.data_sha256()
    assert once.network == example.network
    span = example.first, example.last + timedelta(days=3)
    assert once.readings(*span).equals(example.readings(*span))
    assert once.official(*span).equals(example.official(*span))


def test_the_tables_of_a_network_are_there_for_those_who_read_parquet(rts: RtsGmlc, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    export_grid_tables(rts.network, tmp_path)
    branches = pq.read_table(tmp_path / "branches.parquet")
    assert branches.column_names == ["name", "from", "to", "x", "ratio", "limit"]
    assert branches.column("limit").to_pylist() == [branch.limit_mw for branch in rts.network.branches]
    units = {row["name"]: row for row in pq.read_table(tmp_path / "assets.parquet").to_pylist()}
    assert units["101_STEAM_3"]["start_heat_mmbtu"] == [3379.4, 4861.4, 5284.8]
    assert units["313_STORAGE_1"]["energy_mwh"] == 150.0
    assert units["309_WIND_1"]["heat_power_mw"] is None
    assert read_network(tmp_path, latency_is_declared=True) == rts.network


def edited(file: str, old: str, new: str) -> Callable[[Path], None]:
    """Replace a text that stands once in a file."""

    def edit(directory: Path) -> None:
        text = (directory / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, (file, old, text.count(old))
        (directory / file).write_text(text.replace(old, new), encoding="utf-8")

    return edit


def emptied(file: str) -> Callable[[Path], None]:
    def empty(directory: Path) -> None:
        (directory / file).write_text("", encoding="utf-8")

    return empty


def removed(file: str) -> Callable[[Path], None]:
    return lambda directory: (directory / file).unlink()


def added(file: str, line: str) -> Callable[[Path], None]:
    def add(directory: Path) -> None:
        with (directory / file).open("a", encoding="utf-8") as out:
            out.write(line + "\n")

    return add


BAD = [
    ("missing column", edited("assets.csv", "p_max_mw", "pmax"), ["assets.csv", "p_max_mw", "missing column"]),
    ("missing file", removed("buses.csv"), ["buses.csv", "missing file"]),
    ("no grid.toml", removed("grid.toml"), ["grid.toml", "no such file"]),
    ("empty file", emptied("branches.csv"), ["branches.csv", "empty file"]),
    (
        "unknown bus",
        edited("assets.csv", "wind,Cleve", "wind,Kleve"),
        ["assets.csv, line 3", "Cleve-Wind", "Kleve", "bus"],
    ),
    (
        "branch at unknown bus",
        edited("branches.csv", "Aubach,Cleve", "Aubach,Xanten"),
        ["branches.csv, line 3", "Xanten"],
    ),
    (
        "negative capacity",
        edited("assets.csv", "110.0", "-110.0"),
        ["assets.csv, line 3", "Cleve-Wind", "-110.0", "0 MW"],
    ),
    ("minimum above maximum", edited("assets.csv", "90.0,210.0", "290.0,210.0"), ["assets.csv, line 9", "290.0"]),
    ("no number", edited("branches.csv", "0.045", "0,045x"), ["branches.csv, line 2"]),
    (
        "no number in a cell",
        edited("branches.csv", "0.045", "4.5 %"),
        ["branches.csv, line 2", "x_pu", "4.5 %", "number"],
    ),
    (
        "duplicate asset",
        added("assets.csv", "Hagen-PV,pv,Hagen,0,1,,,,,,,,,"),
        ["assets.csv, line 15", "Hagen-PV", "line 5"],
    ),
    ("duplicate bus", added("buses.csv", "Hagen,Hagen,1,,,"), ["buses.csv, line 11", "Hagen", "line 9"]),
    ("islands", added("buses.csv", "Insel,Insel,0,,,"), ["buses.csv, line 11", "Insel", "island"]),
    ("zero limit", edited("branches.csv", "85.0", "0.0"), ["branches.csv, line 13", "Gronau-Nordheide", "0.0"]),
    (
        "unknown technology",
        edited("assets.csv", "Nordheide-PV,pv", "Nordheide-PV,sun"),
        ["assets.csv, line 4", "sun", "pv"],
    ),
    ("part of no asset", added("stores.csv", "Nobody,1,1,1,1,0"), ["stores.csv, line 3", "Nobody", "assets.csv"]),
    ("stored energy", edited("stores.csv", "80.0", "180.0"), ["assets.csv, line 8", "Gronau-Battery", "180.0"]),
    ("shares", edited("buses.csv", "Hagen,Hagen,1.0", "Hagen,Hagen,0.5"), ["Hagen", "0.5"]),
    ("unknown zone", edited("grid.toml", "Europe/Berlin", "Europe/Xanten"), ["grid.toml", "Europe/Xanten", "IANA"]),
    ("no TOML", edited("grid.toml", "base_mva = ", "base_mva "), ["grid.toml", "not TOML"]),
    ("wrong type", edited("grid.toml", "90.0", '"soon"'), ["grid.toml", "telemetry_latency_s", "soon"]),
    ("no country", edited("grid.toml", '"DE"', '"Germany"'), ["grid.toml", "country", "Germany", "ISO 3166-1"]),
    ("no such value", edited("grid.toml", '"mean"', '"instant"'), ["grid.toml", "official_hydro", "instant", "ramp"]),
    ("no period", edited("grid.toml", "reading_minutes", "minutes"), ["grid.toml", "reading_minutes"]),
    (
        "odd period",
        edited("grid.toml", "reading_minutes = 15.0", "reading_minutes = 7"),
        ["grid.toml", "7", "divide a day"],
    ),
    (
        "heat rate",
        edited("heat_rates.csv", "Aubach-CC,70.0", "Aubach-CC,125.0"),
        ["heat_rates.csv", "Aubach-CC", "ascend"],
    ),
]


@pytest.mark.parametrize(("edit", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_input_is_named(edit: Callable[[Path], None], words: list[str], tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / EXAMPLE, tmp_path / "grid")
    edit(tmp_path / "grid")
    with pytest.raises(BadInputError) as caught:
        read_grid_directory(tmp_path / "grid")
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert caught.value.exit_code == 2


def test_a_word_that_a_list_cannot_hold_is_refused(example: TableSource, tmp_path: Path) -> None:
    first = replace(example.network.assets[0], tags=("a;b",))
    network = replace(example.network, assets=(first, *example.network.assets[1:]))
    with pytest.raises(BadInputError, match="a;b"):
        write_network(network, tmp_path)


def test_days_without_data_are_refused(example: TableSource, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="a stretch without data"):
        export_grid(example, tmp_path / "x", example.first - timedelta(days=1), example.last)

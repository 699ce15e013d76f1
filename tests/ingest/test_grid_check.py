"""A history is looked at whole: what a replay could not use is named with file, asset and instant."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gridcore.errors import BadInputError
from ingest.catalogue import EXAMPLE, EXAMPLES
from ingest.grid_check import check_history
from ingest.grid_directory import read_grid_directory

Lines = list[str]


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """A copy of the example grid, to be spoilt."""
    return shutil.copytree(EXAMPLES / EXAMPLE, tmp_path / "grid")


def spoil(grid: Path, name: str, change: Callable[[Lines], Lines]) -> None:
    file = grid / f"{name}.csv.gz"
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    file.write_bytes(gzip.compress("\n".join([*change(lines), ""]).encode()))


def test_the_example_is_good(grid: Path) -> None:
    held = check_history(read_grid_directory(grid))
    # 6 weeks with a clock change: 4 x (44 x 24 - 1) quarters of an hour of 12 channels.
    assert (held.readings, held.outages, dict(held.flags)) == (4 * (44 * 24 - 1) * 12, 0, {})
    assert held.official == (44 * 24 - 1) * 13


def test_what_is_kept_with_a_flag_is_counted(grid: Path) -> None:
    def change(lines: Lines) -> Lines:
        stem = lines[1].rsplit(",", 1)[0]
        return [lines[0], f"{stem},nan", *lines[2:]]

    spoil(grid, "readings", change)
    assert dict(check_history(read_grid_directory(grid)).flags) == {"not_a_number": 1}


def test_readings_that_stand_again_are_counted(grid: Path) -> None:
    spoil(grid, "readings", lambda rows: [*rows, *rows[100:150], rows[7] + "1"])
    assert dict(check_history(read_grid_directory(grid)).flags) == {"repeated": 50, "conflict": 1}


def cell(column: int, value: str) -> Callable[[Lines], Lines]:
    """Change one cell of the second row."""

    def change(lines: Lines) -> Lines:
        cells = lines[2].split(",")
        cells[column] = value
        return [*lines[:2], ",".join(cells), *lines[3:]]

    return change


BAD: list[tuple[str, Callable[[Lines], Lines], list[str]]] = [
    ("official", cell(2, "Cleve-Wind/"), ["official.csv.gz", "Cleve-Wind/", "reserve/PRODUCT"]),
    ("official", cell(3, "nan"), ["official.csv.gz", "Cleve-Wind", "2025-02-28 23:00:00", "nan MW", "a number"]),
    ("official", cell(3, ""), ["official.csv.gz", "nan MW"]),
    ("official", cell(3, "-20"), ["official.csv.gz", "Cleve-Wind", "-20.0 MW", "-0.5 to 121"]),
    ("official", lambda rows: [*rows, rows[1] + "1"], ["official.csv.gz", "two official values", "Nordheide-Wind"]),
    ("readings", lambda rows: [row for row in rows if "Cleve-Wind" not in row], ["Cleve-Wind/power", "no usable"]),
    ("readings", cell(1, "Cleve-Wind/powr"), ["readings.csv.gz, row 3", "Cleve-Wind/powr"]),
]


@pytest.mark.parametrize(("name", "change", "words"), BAD, ids=[case[2][-1] for case in BAD])
def test_bad_rows_are_named(grid: Path, name: str, change: Callable[[Lines], Lines], words: list[str]) -> None:
    spoil(grid, name, change)
    with pytest.raises(BadInputError) as caught:
        check_history(read_grid_directory(grid))
    assert all(word in str(caught.value) for word in words), str(caught.value)

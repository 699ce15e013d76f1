"""A spoilt grid through the command line: exit code 2 and one line that names what came and what was wanted."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.catalogue import EXAMPLE, EXAMPLES
from pipeline import console
from pipeline.cli import app

DAY = ["--start", "2025-04-08", "--days", "1"]


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command that ends with code 2 says on standard error."""
    assert console.run(lambda: app(words, standalone_mode=False)) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert not said.out
    return said.err


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    """Replace a text of the grid's files once."""

    def edit(grid: Path) -> None:
        text = (grid / name).read_text(encoding="utf-8")
        assert old in text
        (grid / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def cut(days: int) -> Callable[[Path], None]:
    """Leave the first days of the readings: 96 periods of 12 channels each."""

    def edit(grid: Path) -> None:
        lines = gzip.decompress((grid / "readings.csv.gz").read_bytes()).splitlines()[: 1 + days * 96 * 12]
        (grid / "readings.csv.gz").write_bytes(gzip.compress(b"\n".join([*lines, b""])))

    return edit


def written(name: str, content: bytes) -> Callable[[Path], None]:
    def edit(grid: Path) -> None:
        (grid / f"{name}.csv.gz").unlink(missing_ok=True)
        (grid / f"{name}.parquet").write_bytes(content)

    return edit


@pytest.mark.parametrize(
    ("edit", "names"),
    [
        (replaced("buses.csv", "load_share", "share"), ["buses.csv", "load_share"]),
        (replaced("assets.csv", "wind,Cleve", "wind,Kleve"), ["assets.csv, line 3", "Cleve-Wind", "Kleve"]),
        (replaced("assets.csv", "110.0", "-110.0"), ["assets.csv, line 3", "Cleve-Wind", "-110.0"]),
        (replaced("buses.csv", "Hagen,Hagen,1", "Insel,Hagen,0,,,\nHagen,Hagen,1"), ["islands", "Insel"]),
        (cut(0), ["a grid without history", "readings"]),
        (written("readings", b""), ["readings.parquet", "0 bytes"]),
        (written("official", b"PAR1 no such thing PAR1"), ["official.parquet", "unreadable"]),
    ],
)
def test_a_wrong_file_is_told(
    edit: Callable[[Path], None], names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = shutil.copytree(EXAMPLES / EXAMPLE, tmp_path / "grid")
    edit(grid)
    said = told(["grid", "check", str(grid)], capsys)
    assert all(name in said for name in names), said


def test_a_history_too_short_for_the_day_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = shutil.copytree(EXAMPLES / EXAMPLE, tmp_path / "grid")
    cut(2)(grid)
    said = told(["replay", "--grid", str(grid), *DAY, "--work", str(tmp_path / "work")], capsys)
    assert all(name in said for name in ("days without data", "2025-04-08", "2025-03-03")), said
    assert not (tmp_path / "work").exists()

"""The catalogue: names, and what it says of an unknown one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridcore.errors import BadInputError
from ingest.catalogue import EXAMPLE, EXAMPLES, grid_names, open_grid


def test_a_grid_is_opened_by_name_or_directory() -> None:
    assert grid_names() == ("example-9", "rts-gmlc")
    assert open_grid("rts-gmlc").network.name == "rts-gmlc"
    assert open_grid(EXAMPLES / EXAMPLE).network == open_grid(EXAMPLE).network


@pytest.mark.parametrize("name", ["rts-gmlx", "", "/nowhere"])
def test_an_unknown_grid_is_told_what_there_is(name: str) -> None:
    with pytest.raises(BadInputError, match=r"example-9, rts-gmlc"):
        open_grid(name)


def test_a_directory_without_a_grid_is_no_grid(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"grid\.toml"):
        open_grid(tmp_path)

"""Which grids there are, and how one is opened by its name or its directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gridcore.errors import BadInputError
from gridcore.ports import GridSource
from ingest import rts_gmlc_network
from ingest.grid_directory import read_grid_directory
from ingest.rts_gmlc import read_rts_gmlc

EXAMPLE = "example-9"
"""Nine buses with six weeks of invented weather, made by infra/make_example_grid.py."""

EXAMPLES = Path(__file__).with_name("examples")
"""Grid directories that ship with the project."""

BUILT_IN: dict[str, Callable[[], GridSource]] = {
    rts_gmlc_network.NAME: read_rts_gmlc,
    EXAMPLE: lambda: read_grid_directory(EXAMPLES / EXAMPLE),
}
"""How each grid that ships with the project, or with a package it needs, is opened."""


def grid_names() -> tuple[str, ...]:
    """Names of the grids that can be opened without a directory."""
    return tuple(sorted(BUILT_IN))


def open_grid(name_or_dir: str | Path) -> GridSource:
    """The grid of a name, or of a directory in the project's own format.

    Raises:
        BadInputError: There is neither a grid nor a directory of that name, or the directory is not a good one.
    """
    if (name := str(name_or_dir)) in BUILT_IN:
        return BUILT_IN[name]()
    if name and Path(name).is_dir():
        return read_grid_directory(Path(name))
    raise BadInputError("an unknown grid", got=name, wanted=f"{', '.join(grid_names())} or a grid's directory")

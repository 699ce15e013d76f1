"""RTS-GMLC is read once for all tests of this room."""

from __future__ import annotations

import pytest

from ingest.catalogue import EXAMPLE, EXAMPLES
from ingest.grid_directory import read_grid_directory
from ingest.rts_gmlc import RtsGmlc, read_rts_gmlc
from ingest.table_source import TableSource


@pytest.fixture(scope="session")
def rts() -> RtsGmlc:
    """The installed RTS-GMLC."""
    return read_rts_gmlc()


@pytest.fixture(scope="session")
def example() -> TableSource:
    """The example grid that ships."""
    return read_grid_directory(EXAMPLES / EXAMPLE)

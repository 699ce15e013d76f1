"""Files as feeds: `file:///...` of a recording, a grid's directory, a table of readings or JSON lines."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gridcore.clock import Clock
from gridcore.errors import BadInputError
from gridcore.network import Network
from gridcore.ports import Feed, GridSource
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA
from ingest.catalogue import open_grid
from ingest.channels import ChannelTable, channels_of
from ingest.grid_directory import AHEAD
from ingest.history_columns import reading_columns
from ingest.history_files import read_whole
from ingest.json_lines import JsonLinesFeed
from ingest.recording import read_recording
from ingest.recording_feed import RecordingFeed

JSON_LINES = (".jsonl", ".ndjson")
"""Endings of files of wire readings."""

TABLES = (".parquet", ".csv", ".gz")
"""Endings of files of readings as a table."""


def open_feed(url: str, grid: str | None, clock: Clock) -> tuple[Feed, ChannelTable]:
    """The feed of an address, and the channels that its readings are placed in.

    A source is named by its content, so that the same file taken again continues where it stopped (at its end: nothing
    is stored twice), and a changed file is another source.

    Args:
        url: `file:///...` or a path: a recording, a grid's directory, `.parquet`, `.csv`, `.csv.gz`, `.jsonl`.
        grid: Name or directory of the grid that a single file belongs to; a directory holds its own.
        clock: Tells when a message came that does not say so.

    Raises:
        BadInputError: The address is of no known kind, there is nothing, a single file comes without its grid, or the
            file is wrong.
    """
    path = _path(url)
    if path.is_dir():
        source = read_recording(path) if (path / "grid").is_dir() else open_grid(path)
        return _of_source(source, path.name), channels_of(source.network, source.reading_period)
    if not path.is_file():
        raise BadInputError("no such file", file=path, wanted="a recording, a grid's directory or a file of readings")
    if grid is None:
        raise BadInputError("readings without a grid", file=path, wanted="--grid: the grid whose channels they are")
    owner = open_grid(grid)
    channels = channels_of(owner.network, owner.reading_period)
    name = f"file/{path.name}@{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    if path.suffix in JSON_LINES:
        return JsonLinesFeed(path, owner.network, channels, name, clock), channels
    if path.suffix in TABLES:
        return _of_table(path, owner.network, channels, name), channels
    raise BadInputError("a file of no known kind", file=path, got=path.suffix, wanted=", ".join((*TABLES, *JSON_LINES)))


def _path(url: str) -> Path:
    """The path of an address."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return Path(unquote(parts.path))
    if not parts.scheme:
        return Path(url)
    raise BadInputError(
        "a source of no known kind", got=url, wanted="file:///... of a recording, a directory or a file"
    )


def _of_source(source: GridSource, name: str) -> Feed:
    """The whole history of a grid or a recording."""
    first, last = source.first, source.last
    tables = source.readings(first, last), source.official(first, last + AHEAD), source.outages(first, last + AHEAD)
    return RecordingFeed(*tables, source=f"file/{name}@{source.data_sha256()[:16]}")


def _of_table(path: Path, network: Network, channels: ChannelTable, name: str) -> Feed:
    """A single table of readings."""
    readings = reading_columns(read_whole(path), network, channels, path, is_strict=False)
    return RecordingFeed(readings, OFFICIAL_SCHEMA.empty_table(), OUTAGE_SCHEMA.empty_table(), source=name)

"""A grid source over files: the network of a grid's directory and the history beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from gridcore.errors import BadInputError
from gridcore.network import Network
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from gridcore.timeline import TIMESTAMP, to_numpy
from ingest.channels import channels_of
from ingest.grid_tables import read_facts, read_network
from ingest.history_columns import official_columns, outage_columns, reading_columns
from ingest.history_files import History, find_file, read_whole

DEFAULT_OFFICIAL_MINUTES = 60.0
"""How long an official value holds, where grid.toml does not say [min]."""

NOTICE = "NOTICE.md"
"""Words that must travel with the data."""


class TableSource:
    """A `GridSource` of a grid's directory, or of a recording.

    Args:
        grid: Directory of grid.toml and the network's CSV files.
        history: Directory of readings, official and outages; may be the same.

    Raises:
        BadInputError: A file or column is missing or a cell wrong.
    """

    def __init__(self, grid: Path, history: Path) -> None:
        self._grid, self._history = grid, history
        files = {stem: find_file(history, stem) for stem in ("readings", "official", "outages")}
        facts = read_facts(grid)
        self._readings = History(files["readings"], READING_SCHEMA, self._reading_columns)
        self._official = History(files["official"], OFFICIAL_SCHEMA, self._official_columns)
        self._outage_file = files["outages"]
        self._has_arrivals = "available_at" in self._readings.names()
        self._network = read_network(grid, latency_is_declared=not self._has_arrivals)
        if files["readings"] is not None and "reading_minutes" not in facts.words:
            wanted = "reading_minutes: the period of a reading"
            raise BadInputError("a missing key", file=facts.file, got=", ".join(facts.words), wanted=wanted)
        self.reading_period = timedelta(minutes=facts.number("reading_minutes", 5.0))
        """Period of a reading."""
        self.official_period = timedelta(minutes=facts.number("official_minutes", DEFAULT_OFFICIAL_MINUTES))
        """An official value holds for this long from its valid_time."""
        for name, period in (("reading_minutes", self.reading_period), ("official_minutes", self.official_period)):
            if not period or timedelta(days=1) % period:
                raise BadInputError(
                    f"key {name}", file=facts.file, got=facts.words[name], wanted="minutes that divide a day"
                )

    @property
    def network(self) -> Network:
        """The grid."""
        return self._network

    @cached_property
    def notice(self) -> str:
        """Words that must travel with a copy of the data; empty where none must."""
        file = self._grid / NOTICE
        return file.read_text(encoding="utf-8") if file.exists() else ""

    @property
    def first(self) -> datetime:
        """Start of the first reading's period; raises `BadInputError` for a grid without history."""
        return self._span()[0]

    @property
    def last(self) -> datetime:
        """End of the last reading's period; raises `BadInputError` for a grid without history."""
        return self._span()[1] + self.reading_period

    def readings(self, start: datetime, end: datetime) -> pa.Table:
        """`READING_SCHEMA` of valid_time in [start, end), sorted by available_at, channel, valid_time, revision."""
        return self._readings.between(start, end)

    def official(self, start: datetime, end: datetime) -> pa.Table:
        """`OFFICIAL_SCHEMA` of valid_time in [start, end), sorted by available_at, asset, valid_time."""
        return self._official.between(start, end)

    def outages(self, start: datetime, end: datetime) -> pa.Table:
        """`OUTAGE_SCHEMA` rows that overlap [start, end)."""
        begins, ends = (pa.scalar(to_numpy(instant)).cast(TIMESTAMP) for instant in (start, end))
        table = self._outages
        return table.filter(pc.and_(pc.less(table.column("from"), ends), pc.greater(table.column("until"), begins)))

    def file_of(self, table: str) -> Path | None:
        """The file of readings, official or outages; None where the history has none."""
        return {"readings": self._readings.file, "official": self._official.file, "outages": self._outage_file}[table]

    def data_sha256(self) -> str:
        """Hash over name and bytes of every file of the grid and its history."""
        return self._sha256

    @cached_property
    def _outages(self) -> pa.Table:
        if self._outage_file is None:
            return OUTAGE_SCHEMA.empty_table()
        return outage_columns(read_whole(self._outage_file), self._network, self._outage_file)

    @cached_property
    def _sha256(self) -> str:
        digest = hashlib.sha256()
        for name, file in self._files():
            digest.update(f"{name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()

    def _files(self) -> Sequence[tuple[str, Path]]:
        """Every file read, with its name, in a fixed order."""
        tables = [self._readings.file, self._official.file, self._outage_file]
        network = [*sorted(self._grid.glob("*.csv")), self._grid / "grid.toml"]
        own = [file for file in network if file not in tables]
        return [(file.name, file) for file in (*own, *tables) if file is not None]

    def _span(self) -> tuple[datetime, datetime]:
        span = self._readings.span
        if span is None:
            raise BadInputError("a grid without history", file=self._history, got="no reading", wanted="readings")
        return span

    def _reading_columns(self, table: pa.Table) -> pa.Table:
        channels = channels_of(self._network, self.reading_period)
        return reading_columns(table, self._network, channels, self._readings.file)

    def _official_columns(self, table: pa.Table) -> pa.Table:
        return official_columns(table, self._network, self._official.file)

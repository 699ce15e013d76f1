"""What the plant did, kept tick by tick on disk, so that an interrupted replay loses nothing of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from gridcore.realised import REALISED_ASSET_SCHEMA, REALISED_BRANCH_SCHEMA, REALISED_BUS_SCHEMA

SCHEMAS = {"asset": REALISED_ASSET_SCHEMA, "bus": REALISED_BUS_SCHEMA, "branch": REALISED_BRANCH_SCHEMA}
"""The three tables of INTERFACES.md, realised/ROW/."""


@dataclass(frozen=True)
class RealisedLog:
    """One directory; a file a tick and table, named by the tick's instant, each written whole or not at all."""

    directory: Path

    def append(self, due: datetime, tables: dict[str, pa.Table]) -> None:
        """Keep what was realised up to `due`; again for the same instant it replaces the same content."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            path = self.directory / f"{name}-{due.strftime('%Y%m%dT%H%M%SZ')}.arrow"
            draft = path.with_suffix(".draft")
            with pa.OSFile(str(draft), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
            draft.replace(path)

    def read(self, name: str, until: datetime | None = None) -> pa.Table:
        """All rows of a table kept for ticks up to `until`, in order of time."""
        last = f"{name}-{until.strftime('%Y%m%dT%H%M%SZ')}.arrow" if until else "~"
        paths = sorted(path for path in self.directory.glob(f"{name}-*.arrow") if path.name <= last)
        tables = []
        for path in paths:
            with pa.OSFile(str(path), "rb") as source:
                tables.append(pa.ipc.open_file(source).read_all())
        return pa.concat_tables(tables) if tables else SCHEMAS[name].empty_table()

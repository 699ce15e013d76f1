"""What a feed delivers, as a recording: rows as they came, each with its own arrival; a replay plays them again.

Rows go to the disk as they come, in row groups. At the end they are brought into a recording's order by a sort that
spills to the disk, so that memory stays bounded however much was recorded. All of it happens in a draft beside the
recording's place, which is taken by one rename: a recorder that is killed leaves no recording that reads as whole.
"""

from __future__ import annotations

import errno
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gridcore.errors import BadInputError, NoSpaceError
from gridcore.ports import Batch, DeadLetter, GridSource
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from gridcore.timeline import TIMESTAMP
from ingest.accept import place
from ingest.channels import channels_of
from ingest.grid_directory import period_facts
from ingest.grid_write import write_network
from ingest.history_columns import OFFICIAL_ORDER, OUTAGE_ORDER, READING_ORDER
from ingest.history_files import ROW_GROUP, write_parquet
from ingest.recording import GRID
from ingest.table_source import NOTICE

LETTER_SCHEMA = pa.schema(
    [
        ("available_at", TIMESTAMP),
        ("source", pa.string()),
        ("offset", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("payload", pa.binary()),
    ]
)
"""A message, or a row of one, that could not be recorded; as `xiaona store export` writes dead letters."""

TABLES = {
    "readings": (READING_SCHEMA, READING_ORDER),
    "official": (OFFICIAL_SCHEMA, OFFICIAL_ORDER),
    "outages": (OUTAGE_SCHEMA, OUTAGE_ORDER),
    "dead_letters": (LETTER_SCHEMA, ("source", "offset")),
}
"""Files of a recording, their columns, and the order of their rows."""

CAME = "came"
"""Number of a row by its coming: among rows that are equal by their keys a replay meets the first one first."""

SORT_MEMORY = "512MB"
"""Memory of the sort, beyond which it spills: 17.5 million readings take 1.5 GB as columns."""


class FeedRecorder:
    """Records batches of a grid's telemetry until it is finished or given up.

    Args:
        source: The grid, whose channels are expected; its own history is no part of the recording.
        out_dir: The recording's place, which must be new or empty.

    Raises:
        BadInputError: Something is there.
    """

    def __init__(self, source: GridSource, out_dir: Path) -> None:
        if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
            raise BadInputError("the directory is not empty", file=out_dir, wanted="an empty or new directory")
        self._source, self.out = source, out_dir.absolute()
        self.channels = channels_of(source.network, source.reading_period)
        """What is expected."""
        # Beside it, so that the rename stays within one file system; what a killed recorder left there is in the way.
        self._draft = self.out.with_name(f".{self.out.name}.partial")
        shutil.rmtree(self._draft, ignore_errors=True)
        self._draft.mkdir(parents=True)
        self._runs = {name: _Run(self._draft / f"{name}.run", schema) for name, (schema, _) in TABLES.items()}
        self.dead_letters: Counter[str] = Counter()
        """What could not be recorded, by reason."""

    def take(self, batch: Batch) -> None:
        """Record the rows of a batch as they came; those that nothing of the grid can take become dead letters.

        Raises:
            NoSpaceError: The disk is full.
        """
        kept, letters = place(batch, self.channels)
        tables = {"readings": kept.readings, "official": kept.official, "outages": kept.outages}
        with _having_space(self.out):
            for name, rows in (tables | {"dead_letters": _letter_table(letters)}).items():
                self._runs[name].add(rows)
        self.dead_letters.update(letter.reason for letter in letters)

    def finish(self) -> dict[str, object]:
        """Put the recording at its place, whole; its directory, and its rows by table.

        Raises:
            BadInputError: No reading came, so that nothing could be replayed.
            NoSpaceError: The disk is full; nothing is left of the recording.
        """
        with _having_space(self.out):
            for run in self._runs.values():
                run.close()
            if not self._runs["readings"].rows:
                raise BadInputError("nothing to record", file=self.out, got="no reading", wanted="readings of the grid")
            counts = {name: self._write(name, schema, order) for name, (schema, order) in TABLES.items()}
        write_network(self._source.network, self._draft / GRID, period_facts(self._source))
        if self._source.notice:
            (self._draft / GRID / NOTICE).write_text(self._source.notice, encoding="utf-8")
        self._draft.replace(self.out)
        return {"directory": str(self.out), **counts, "dead_letters": dict(sorted(self.dead_letters.items()))}

    def close(self) -> None:
        """Leave nothing of an unfinished recording."""
        for run in self._runs.values():
            # What a full disk did not take is given up with the rest.
            with suppress(OSError):
                run.close()
        shutil.rmtree(self._draft, ignore_errors=True)

    def _write(self, name: str, schema: pa.Schema, order: Sequence[str]) -> int:
        """The rows of a run in order, as the recording's file; an empty file of dead letters is left out."""
        run = self._runs[name]
        rows = 0
        if run.rows or name != "dead_letters":
            ordered = _ordered(run.file, schema, (*order, CAME), self._draft / "spilled")
            rows = write_parquet(ordered, self._draft / f"{name}.parquet", schema)
        run.file.unlink()
        return rows


class _Run:
    """Rows of one table on the disk, in the order in which they came."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        self.file, self._schema, self.rows = file, schema, 0
        self._waiting: list[pa.Table] = []
        self._writer = pq.ParquetWriter(file, schema.append(pa.field(CAME, pa.int64())), compression="lz4")

    def add(self, rows: pa.Table) -> None:
        """Append rows; they wait in memory until they fill a row group."""
        if len(rows):
            came = pa.array(np.arange(self.rows, self.rows + len(rows)))
            self._waiting.append(rows.cast(self._schema).append_column(CAME, came))
            self.rows += len(rows)
        if sum(map(len, self._waiting)) >= ROW_GROUP:
            self._spill()

    def close(self) -> None:
        """Write what waits; harmless twice."""
        if self._writer.is_open:
            self._spill()
            self._writer.close()

    def _spill(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting.clear()


@contextmanager
def _having_space(out: Path) -> Iterator[None]:
    """A full disk in our words: our own writers and the sort's say it differently."""
    try:
        yield
    except (OSError, duckdb.Error) as cause:
        if getattr(cause, "errno", None) != errno.ENOSPC and "No space left" not in str(cause):
            raise
        raise NoSpaceError("the disk is full; nothing of the recording is kept", file=out) from cause


def _letter_table(letters: Sequence[DeadLetter]) -> pa.Table:
    columns = {name: [getattr(letter, name) for letter in letters] for name in LETTER_SCHEMA.names}
    return pa.table(columns, LETTER_SCHEMA)


def _ordered(run: Path, schema: pa.Schema, order: Sequence[str], spilled: Path) -> Iterator[pa.Table]:
    """The rows of a run in order, a row group at a time; texts in the order of their code points."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": SORT_MEMORY,
        "temp_directory": str(spilled),
    }
    with duckdb.connect(config=settings) as connection:
        columns, keys = (", ".join(f'"{name}"' for name in names) for names in (schema.names, order))
        query = f"SELECT {columns} FROM read_parquet(?) ORDER BY {keys}"
        reader = connection.sql(query, params=[str(run)]).to_arrow_reader(ROW_GROUP)
        waiting: list[pa.Table] = []
        for found in reader:
            waiting.append(pa.Table.from_batches([found]).cast(schema))
            # Full row groups alone, whatever pieces the sort gives: equal recordings are equal byte for byte.
            whole = pa.concat_tables(waiting)
            full = len(whole) // ROW_GROUP * ROW_GROUP
            if full:
                yield whole.slice(0, full)
            waiting = [whole.slice(full)]
        yield from waiting

"""Small CSV tables row by row: a wrong cell is named by file, line, asset, what came and what was wanted."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gridcore.errors import BadInputError


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, with where it stands."""

    file: str
    """Path of its file."""

    line: int
    """Line in the file; the header is line 1."""

    cells: dict[str, str]
    """Text by column."""

    key: str
    """Text of the table's first wanted column: the name errors carry."""

    def text(self, column: str) -> str:
        """The cell, without blanks around it; empty where the column is absent."""
        return self.cells.get(column, "").strip()

    def name(self, column: str) -> str:
        """The cell, not empty; raises `BadInputError` for an empty one."""
        if not (text := self.text(column)):
            raise self.bad(column, "an empty cell", "a name")
        return text

    def number(self, column: str, default: float | None = None) -> float:
        """The cell as a finite number; `default`, where given, for an empty or absent cell."""
        text = self.text(column)
        if not text and default is not None:
            return default
        try:
            value = float(text)
        except ValueError as cause:
            raise self.bad(column, repr(text), "a number") from cause
        if not math.isfinite(value):
            raise self.bad(column, text, "a finite number")
        return value

    def optional(self, column: str) -> float | None:
        """The cell as a finite number, None for an empty or absent cell."""
        return self.number(column) if self.text(column) else None

    def flag(self, column: str, default: bool = False) -> bool:
        """The cell as true or false; `default` for an empty or absent cell."""
        text = self.text(column).lower()
        if text not in {"", "true", "false"}:
            raise self.bad(column, repr(text), "true or false")
        return default if not text else text == "true"

    def bad(self, column: str, got: object, wanted: str) -> BadInputError:
        """The error of a cell of this row."""
        where = f"{self.file}, line {self.line}, column {column}"
        return BadInputError("a wrong cell", file=where, asset=self.key or None, got=got, wanted=wanted)


def read_rows(path: Path, wanted: Sequence[str]) -> list[Row]:
    """All rows of a CSV file with a header.

    Args:
        path: The file.
        wanted: Columns that must be there; the first one names a row in errors.

    Raises:
        BadInputError: The file is missing, empty or not text, a wanted column is absent, or a row is ragged.
    """
    return list(_rows(str(path), _text(path), wanted))


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as cause:
        raise BadInputError("a missing file", file=path, wanted="a CSV file") from cause
    except (OSError, UnicodeDecodeError) as cause:
        raise BadInputError("an unreadable file", file=path, got=cause, wanted="CSV in UTF-8") from cause
    if not text.strip():
        raise BadInputError("an empty file", file=path, got="0 rows", wanted="a header and rows")
    return text


def _rows(file: str, text: str, wanted: Sequence[str]) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text))
    header = [column.strip() for column in next(reader)]
    if missing := [column for column in wanted if column not in header]:
        raise BadInputError("a missing column", file=file, got=", ".join(header), wanted=", ".join(missing))
    if len(set(header)) < len(header):
        raise BadInputError("a column that stands twice", file=file, got=", ".join(header), wanted="each once")
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            where = f"{file}, line {reader.line_num}"
            raise BadInputError("a ragged row", file=where, got=f"{len(cells)} cells", wanted=f"{len(header)}")
        row = dict(zip(header, cells, strict=True))
        yield Row(file, reader.line_num, row, row[wanted[0]].strip())

"""Series: the numbers of channels and official series, in memory and in the database, fit for a million of them.

A series gets its number when it first comes and keeps it. The database holds them in blocks, one for each batch that
brought new ones: a row for each device would cost a million insertions where one blob will do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridcore.errors import BrokenInvariantError
from storage.checksums import content_checksum, verified
from storage.columns import Label, Labels, Words

WORDS = ("site", "quantity", "unit")
"""What a series has besides its name."""


class Series:
    """The series of one kind, by name and by number.

    Args:
        kind: `reading` or `official`.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.names: list[str] = []
        self.numbers: dict[str, int] = {}
        self._word_codes: tuple[dict[str, int], ...] = ({}, {}, {})
        self._codes = np.zeros((len(WORDS), 1024), np.int32)

    def __len__(self) -> int:
        """Number of series."""
        return len(self.names)

    def label(self, number: int) -> Label:
        """What a series is."""
        words = [list(codes)[code] for codes, code in zip(self._word_codes, self._codes[:, number], strict=True)]
        return Label(self.names[number], *words)

    def place(self, labels: Labels) -> npt.NDArray[np.int32]:
        """The number of each label; new series get theirs, which `forget_after` takes back.

        Raises:
            BrokenInvariantError: A series changed its site, quantity or unit.
        """
        numbers = np.fromiter(map(self.numbers.get, labels.names, repeat(-1)), np.int32, len(labels))
        pairs = zip(self._word_codes, labels.words, strict=True)
        codes = np.stack([self._coded(known, column) for known, column in pairs])
        new = np.flatnonzero(numbers < 0)
        if len(new):
            numbers[new] = self._add([labels.names[place] for place in new.tolist()], codes[:, new])
        changed = np.flatnonzero((self._codes[:, numbers] != codes).any(axis=0))
        if len(changed):
            label, known = labels[int(changed[0])], self.label(int(numbers[changed[0]]))
            raise BrokenInvariantError("a series changed what it is", asset=label.name, got=label, wanted=known)
        return numbers

    def forget_after(self, count: int) -> None:
        """Take back the series from a number on: their transaction was not committed."""
        for name in self.names[count:]:
            del self.numbers[name]
        del self.names[count:]

    def write(self, connection: sqlite3.Connection, first: int) -> None:
        """Write the series from a number on; runs inside a transaction."""
        if first == len(self):
            return
        content = _packed(self.table(first))
        values = (self._kind, first, content_checksum(content), content)
        connection.execute("INSERT INTO series_block VALUES (?, ?, ?, ?)", values)

    def catch_up(self, connection: sqlite3.Connection) -> None:
        """Read the series that are not in memory yet."""
        query = """SELECT first_number, checksum, content FROM series_block
                   WHERE kind = ? AND first_number >= ? ORDER BY first_number"""
        for first, checksum, content in connection.execute(query, (self._kind, len(self))):
            table = _unpacked(verified(f"series of {self._kind} from {first}", content, checksum))
            site, quantity, unit = (_words(table.column(name).combine_chunks()) for name in WORDS)
            self.place(Labels(table.column("name").to_pylist(), (site, quantity, unit)))

    def table(self, first: int = 0) -> pa.Table:
        """Columns name, site, quantity, unit of the series from a number on."""
        columns = [pa.array(self.names[first:], pa.string())]
        for known, codes in zip(self._word_codes, self._codes[:, first : len(self)], strict=True):
            columns.append(pa.array(list(known), pa.string()).take(pa.array(codes)))
        return pa.Table.from_arrays(columns, names=["name", *WORDS])

    def _coded(self, known: dict[str, int], column: Words) -> npt.NDArray[np.int32]:
        """The codes of a batch's words."""
        codes = [known.setdefault(word, len(known)) for word in column.words]
        return np.array(codes, np.int32)[column.codes] if codes else np.zeros(0, np.int32)

    def _add(self, names: Sequence[str], codes: npt.NDArray[np.int32]) -> list[int]:
        """Numbers of names that are new; one that comes twice gets one."""
        first, unique = len(self), {name: place for place, name in reversed(list(enumerate(names)))}
        added = list(reversed(unique))
        while first + len(added) > self._codes.shape[1]:
            self._codes = np.concatenate([self._codes, np.zeros_like(self._codes)], axis=1)
        self._codes[:, first : first + len(added)] = codes[:, [unique[name] for name in added]]
        self.numbers.update(zip(added, range(first, first + len(added)), strict=True))
        self.names.extend(added)
        return [self.numbers[name] for name in names]


def _words(column: pa.Array) -> Words:
    encoded = column.dictionary_encode()
    return Words(encoded.indices.to_numpy().astype(np.int32), encoded.dictionary.to_pylist())


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _unpacked(content: bytes) -> pa.Table:
    with pa.ipc.open_stream(content) as reader:
        return reader.read_all()

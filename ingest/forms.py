"""Forms: which columns a batch message of a topic has, and its table fitted to them, faulty rows told apart.

A column that is missing or of a wrong type condemns the message, since its sender means something else; a null or an
instant out of range condemns its row alone. Columns that no form names pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from gridcore.timeline import TIMESTAMP
from ingest.decode import LARGEST_REVISION, Undecodable
from ingest.instants import FIRST_YEAR, LAST_YEAR, WANTED, Int64s
from ingest.reasons import MISSING_FIELD, NULL_FIELD, WRONG_INSTANT, WRONG_TYPE

TEXT = pa.dictionary(pa.int32(), pa.string())
"""Texts that repeat are numbered: no text object for each reading."""

Mask = npt.NDArray[np.bool_]


def with_numbered_texts(schema: pa.Schema) -> pa.Schema:
    """The schema with `TEXT` in place of plain texts."""
    return pa.schema([pa.field(field.name, TEXT if field.type == pa.string() else field.type) for field in schema])


class Sort(Enum):
    """What a column holds."""

    TEXT = auto()
    INSTANT = auto()
    NUMBER = auto()
    WHOLE = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a form."""

    name: str
    """Its name on the wire and inside."""

    sort: Sort
    """What it holds."""

    is_needed: bool = True
    """A message without it can't be decoded; one that is not needed is 0 or the arrival where it is absent."""

    is_recorded: bool = False
    """Read only by a feed that honours a recording."""


@dataclass(frozen=True, slots=True)
class Form:
    """The columns of a topic's messages."""

    name: str
    """What a row is, in words."""

    columns: tuple[Column, ...]
    """What is read of a message."""

    schema: pa.Schema
    """What comes of it, texts numbered."""


ARRIVAL = Column("available_at", Sort.INSTANT, is_needed=False, is_recorded=True)
"""When a recording first had a row."""

READINGS = Form(
    "reading",
    (
        Column("site", Sort.TEXT),
        Column("channel", Sort.TEXT),
        Column("valid_time", Sort.INSTANT),
        Column("value", Sort.NUMBER),
        Column("unit", Sort.TEXT),
        Column("revision", Sort.WHOLE, is_needed=False),
        Column("quality", Sort.WHOLE, is_needed=False, is_recorded=True),
        ARRIVAL,
    ),
    with_numbered_texts(READING_SCHEMA),
)
"""Readings; a reading's quantity is its channel's and does not travel."""

OFFICIAL = Form(
    "official value",
    (
        Column("asset", Sort.TEXT),
        Column("issue_time", Sort.INSTANT),
        Column("valid_time", Sort.INSTANT),
        Column("power_mw", Sort.NUMBER),
        ARRIVAL,
    ),
    with_numbered_texts(OFFICIAL_SCHEMA),
)
"""Official values."""

OUTAGES = Form(
    "outage",
    (Column("asset", Sort.TEXT), Column("from", Sort.INSTANT), Column("until", Sort.INSTANT), ARRIVAL),
    with_numbered_texts(OUTAGE_SCHEMA),
)
"""Outages."""


@dataclass(frozen=True)
class RowFault:
    """A row that can't be decoded."""

    row: int
    """Its place in the message."""

    reason: str
    """One of the fixed reasons."""

    detail: str
    """What came and what was wanted."""


@dataclass(frozen=True)
class Fitted:
    """A message's rows as columns of the form."""

    columns: dict[str, pa.Array]
    """By name: good rows alone; a recorded column only if it was asked for and there."""

    row_of: Int64s
    """Row of each in the message."""

    faults: tuple[RowFault, ...]
    """The other rows, ascending."""


@dataclass(frozen=True)
class Read:
    """One column as it is needed inside, and its rows that can't be taken."""

    values: pa.Array
    """Of the inner type; whatever where a row is faulty."""

    faulty: Mask
    """Rows that can't be taken."""

    reason: str
    """Why, where a row is not null."""

    wanted: str
    """What was wanted of such a row."""


def fit(table: pa.Table, form: Form, *, honours_recorded_arrival: bool) -> Fitted | Undecodable:
    """The rows of a message's table, which has been validated in full.

    Args:
        table: As it came; other columns are passed over.
        form: What the topic's messages hold.
        honours_recorded_arrival: Recorded columns are read.
    """
    wanted = [column for column in form.columns if honours_recorded_arrival or not column.is_recorded]
    if (wrong := _schema_fault(table.schema, wanted)) is not None:
        return wrong
    reads = {column.name: _read(table, column) for column in wanted if column.name in table.schema.names}
    faulty = np.zeros(len(table), bool)
    for read in reads.values():
        faulty |= read.faulty
    faults = tuple(_fault(table, reads, int(row)) for row in np.flatnonzero(faulty))
    rows = np.flatnonzero(~faulty)
    columns = {name: read.values.take(pa.array(rows)) if faults else read.values for name, read in reads.items()}
    return Fitted(columns, rows, faults)


def _schema_fault(schema: pa.Schema, wanted: Sequence[Column]) -> Undecodable | None:
    """What is wrong with the columns of a message."""
    missing = [column.name for column in wanted if column.is_needed and column.name not in schema.names]
    if missing:
        got = ", ".join(map(ascii, schema.names))[:200]
        return Undecodable(MISSING_FIELD, f"got {got}; wanted {', '.join(missing)}")
    for column in wanted:
        found = schema.get_all_field_indices(column.name)
        if len(found) > 1:
            return Undecodable(WRONG_TYPE, f"got column {column.name} {len(found)} times; wanted one")
        if found and not _is_of(schema.field(found[0]).type, column.sort):
            got = ascii(str(schema.field(found[0]).type))[:100]
            return Undecodable(WRONG_TYPE, f"got column {column.name} of {got}; wanted {WORDS[column.sort]}")
    return None


WORDS = {
    Sort.TEXT: "string, or a dictionary of strings",
    Sort.INSTANT: "timestamp with a time zone",
    Sort.NUMBER: "float64, float32 or an integer",
    Sort.WHOLE: "an integer",
}
"""Types that are taken."""


def _is_of(kind: pa.DataType, sort: Sort) -> bool:
    """The Arrow type can hold what a column is to hold."""
    match sort:
        case Sort.TEXT:
            told = kind.value_type if pa.types.is_dictionary(kind) else kind
            return bool(pa.types.is_string(told) or pa.types.is_large_string(told))
        case Sort.INSTANT:
            return bool(pa.types.is_timestamp(kind)) and _has_zone(kind)
        case Sort.NUMBER:
            return bool(pa.types.is_float64(kind) or pa.types.is_float32(kind) or pa.types.is_integer(kind))
        case Sort.WHOLE:
            return bool(pa.types.is_integer(kind))


def _has_zone(kind: pa.TimestampType) -> bool:
    """The timestamps have a time zone; its name is bytes until it is asked for, and need not be UTF-8."""
    try:
        return kind.tz is not None
    except UnicodeDecodeError:
        return False


def _read(table: pa.Table, column: Column) -> Read:
    """One column in its inner type."""
    chunks = table.column(column.name)
    whole = chunks.combine_chunks() if chunks.num_chunks else pa.array([], chunks.type)
    match column.sort:
        case Sort.TEXT:
            texts = _texts(whole)
            return Read(texts, _nulls(texts), NULL_FIELD, "a text")
        case Sort.INSTANT:
            return _instants(whole, is_needed=column.is_needed)
        case Sort.NUMBER:
            numbers = whole.cast(pa.float64(), safe=False).fill_null(np.nan)
            return Read(numbers, np.zeros(len(whole), bool), WRONG_TYPE, "a number")
        case Sort.WHOLE:
            outside = pc.or_(pc.less(whole, pa.scalar(0)), pc.greater(whole, pa.scalar(LARGEST_REVISION)))
            faulty = outside.fill_null(True).to_numpy(zero_copy_only=False)
            wholes = whole.cast(pa.int32(), safe=False)
            return Read(wholes, faulty, WRONG_TYPE, f"a whole number from 0 to {LARGEST_REVISION}")


def _nulls(values: pa.Array) -> Mask:
    nulls: Mask = values.is_null().to_numpy(zero_copy_only=False)
    return nulls


def _texts(whole: pa.Array) -> pa.DictionaryArray:
    """Texts, each numbered once; a null in the dictionary is a null of its rows."""
    if not pa.types.is_dictionary(whole.type):
        return whole.cast(pa.string()).dictionary_encode()
    words = whole.dictionary.cast(pa.string())
    if words.null_count or len(words.unique()) < len(words):
        return words.take(whole.indices).dictionary_encode()
    return pa.DictionaryArray.from_arrays(whole.indices.cast(pa.int32()), words)


def _instants(whole: pa.Array, *, is_needed: bool) -> Read:
    """Instants in microseconds; the range is looked at in the column's own unit, in which nothing can overflow."""
    unit = whole.type.unit
    low, high = (int(np.datetime64(f"{year}-01-01", unit).astype(np.int64)) for year in (FIRST_YEAR, LAST_YEAR + 1))
    nulls = _nulls(whole)
    counts = whole.view(pa.int64()).fill_null(low).to_numpy(zero_copy_only=False)
    outside = (counts < low) | (counts >= high)
    as_micros = np.where(outside, low, counts).astype(f"datetime64[{unit}]").astype("datetime64[us]").astype(np.int64)
    faulty = outside | nulls if is_needed else outside
    return Read(pa.array(as_micros, mask=nulls).view(TIMESTAMP), faulty, WRONG_INSTANT, WANTED)


def _fault(table: pa.Table, reads: dict[str, Read], row: int) -> RowFault:
    """The first thing that is wrong with a row."""
    name, read = next((name, read) for name, read in reads.items() if read.faulty[row])
    at = f"row {row} of {len(table)}: got {name}"
    cell = table.column(name).slice(row, 1).combine_chunks()
    if cell.is_null()[0].as_py() or read.reason == NULL_FIELD:
        return RowFault(row, NULL_FIELD, f"{at} null; wanted {read.wanted}")
    number = cell.view(pa.int64()) if pa.types.is_timestamp(cell.type) else cell
    return RowFault(row, read.reason, f"{at} {number[0].as_py()}; wanted {read.wanted}")

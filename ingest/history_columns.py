"""A history's columns in the project's schemas: instants, what a plain file leaves out, and the order of rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.errors import BadInputError
from gridcore.network import Network
from gridcore.reading import OFFICIAL_SCHEMA, OUTAGE_SCHEMA, READING_SCHEMA
from gridcore.timeline import TIMESTAMP, Instants
from ingest.channels import ChannelTable
from ingest.local_time import parse_instants
from ingest.regular import instants, words

READING_ORDER = ("available_at", "channel", "valid_time", "revision")
"""Sort keys of readings."""

OFFICIAL_ORDER = ("available_at", "asset", "valid_time", "issue_time")
"""Sort keys of official forecasts."""

OUTAGE_ORDER = ("available_at", "asset", "from", "until")
"""Sort keys of outages."""

Codes = npt.NDArray[np.int64]


def reading_columns(
    table: pa.Table, network: Network, channels: ChannelTable, file: object, *, is_strict: bool = True
) -> pa.Table:
    """`READING_SCHEMA`, sorted, from a table with valid_time, channel and value at least.

    Without `available_at` a reading came `telemetry_latency_s` after its period's end; site, quantity and unit come
    from the channel; revision and quality are 0.

    Args:
        table: As read.
        network: The grid, for its zone and latency.
        channels: The grid's channels.
        file: Named in errors.
        is_strict: An unknown channel is an error; else its site, quantity and unit are empty, for `accept` to tell.

    Raises:
        BadInputError: A column is missing, a channel is not of the grid (where the file leaves its site, quantity or
            unit out), a value is no number, or an instant none.
    """
    _check_columns(table, ("valid_time", "channel", "value"), file)
    valid_time = _instants(table, "valid_time", network, file)
    columns = {"valid_time": instants(valid_time), "channel": _texts(table, "channel", file)}
    if is_strict:
        _check_named(columns["channel"], "channel", file)
    latency = np.timedelta64(channels.period + timedelta(seconds=network.telemetry_latency_s))
    columns["available_at"] = _arrival(table, network, file, valid_time + latency)
    columns["value"] = _numbers(table, "value", file)
    filled = [name for name in ("site", "quantity", "unit") if name not in table.column_names]
    rows = _channel_rows(table, channels, file, is_strict) if filled else np.zeros(0, np.int64)
    for name in ("site", "quantity", "unit"):
        texts = [*(getattr(channel, name) for channel in channels.channels), ""]
        columns[name] = words(texts, rows) if name in filled else _texts(table, name, file)
    for name in ("revision", "quality"):
        present = name in table.column_names
        columns[name] = _numbers(table, name, file) if present else pa.array(np.zeros(len(table), np.int32))
    return in_order(_table(columns, READING_SCHEMA), READING_ORDER)


def official_columns(table: pa.Table, network: Network, file: object) -> pa.Table:
    """`OFFICIAL_SCHEMA`, sorted, from valid_time, issue_time, asset and power_mw at least.

    Without `available_at` a forecast came when it was issued.

    Raises:
        BadInputError: A column is missing, a value is no number, or an instant none.
    """
    _check_columns(table, ("valid_time", "issue_time", "asset", "power_mw"), file)
    issue_time = _instants(table, "issue_time", network, file)
    columns = {
        "available_at": _arrival(table, network, file, issue_time),
        "issue_time": instants(issue_time),
        "valid_time": instants(_instants(table, "valid_time", network, file)),
        "asset": _texts(table, "asset", file),
        "power_mw": _numbers(table, "power_mw", file),
    }
    return in_order(_table(columns, OFFICIAL_SCHEMA), OFFICIAL_ORDER)


def outage_columns(table: pa.Table, network: Network, file: object) -> pa.Table:
    """`OUTAGE_SCHEMA`, sorted, from asset, from and until at least; an outage is first known when it begins.

    Raises:
        BadInputError: A column is missing, an asset or branch is unknown, an instant none, or an outage ends before it
            starts.
    """
    _check_columns(table, ("asset", "from", "until"), file)
    known = {item.name for items in (network.assets, network.branches, network.dc_lines) for item in items}
    for row, asset in enumerate(_texts(table, "asset", file).to_pylist()):
        if asset not in known:
            raise BadInputError(
                "an outage of nothing", file=f"{file}, row {row + 2}", asset=asset, wanted="an asset or branch"
            )
    start, until = (_instants(table, name, network, file) for name in ("from", "until"))
    if len(wrong := np.flatnonzero(until <= start)):
        where, got = f"{file}, row {wrong[0] + 2}", f"until {until[wrong[0]]}"
        raise BadInputError(
            "an outage's end", file=where, instant=str(start[wrong[0]]), got=got, wanted="after its start"
        )
    columns = {
        "available_at": _arrival(table, network, file, start),
        "asset": _texts(table, "asset", file),
        "from": instants(start),
        "until": instants(until),
    }
    return in_order(_table(columns, OUTAGE_SCHEMA), OUTAGE_ORDER)


def in_order(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """The table sorted by keys; itself where it is so already (texts in the order of their code points)."""
    columns = [_sortable(table.column(key)) for key in keys]
    if _is_sorted(columns):
        return table
    return table.take(pa.array(np.lexsort(columns[::-1])))


def _table(columns: dict[str, pa.Array], schema: pa.Schema) -> pa.Table:
    """Columns cast to a schema."""
    return pa.Table.from_arrays([columns[field.name].cast(field.type) for field in schema], schema=schema)


def _sortable(column: pa.ChunkedArray) -> Codes:
    """Integers in the order of the column's values, absent words first, shape (rows,)."""
    if pa.types.is_timestamp(column.type):
        return np.asarray(column.to_numpy().astype("datetime64[us]").astype(np.int64))
    if not pa.types.is_string(column.type):
        return np.asarray(column.to_numpy().astype(np.int64))
    filled = pa.chunked_array(column.chunks or [pa.array([], pa.string())]).fill_null("")
    encoded = filled.combine_chunks().dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    rank = np.empty(len(texts), np.int64)
    rank[sorted(range(len(texts)), key=lambda code: texts[code])] = np.arange(len(texts))
    by_row: Codes = rank[encoded.indices.to_numpy(zero_copy_only=False)]
    return by_row


def _is_sorted(columns: Sequence[Codes]) -> bool:
    """Rows ascend by the first column, ties by the second, and so on."""
    tied = np.ones(max(len(columns[0]) - 1, 0), bool)
    for column in columns:
        step = np.diff(column)
        if (tied & (step < 0)).any():
            return False
        tied &= step == 0
    return True


def _check_columns(table: pa.Table, wanted: Sequence[str], file: object) -> None:
    if missing := [name for name in wanted if name not in table.column_names]:
        got = ", ".join(table.column_names)
        raise BadInputError("a missing column", file=file, got=got, wanted=", ".join(missing))


def _instants(table: pa.Table, name: str, network: Network, file: object) -> Instants:
    """A column of instants: typed with a zone, or texts."""
    column = table.column(name)
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz is None:
        raise BadInputError(
            "a column of times without a zone", file=file, asset=name, got=kind, wanted="timestamp in UTC"
        )
    if not pa.types.is_timestamp(kind):
        return parse_instants(column, network.zone, file)
    if column.null_count:
        row = int(np.flatnonzero(pc.is_null(column).to_numpy())[0])
        raise BadInputError("a missing instant", file=f"{file}, row {row + 2}", asset=name, wanted="an instant")
    values: Instants = column.cast(TIMESTAMP).to_numpy().astype("datetime64[us]")
    return values


def _arrival(table: pa.Table, network: Network, file: object, otherwise: Instants) -> pa.Array:
    """The available_at column, or the instants that stand in for it."""
    return instants(
        _instants(table, "available_at", network, file) if "available_at" in table.column_names else otherwise
    )


def _numbers(table: pa.Table, name: str, file: object) -> pa.ChunkedArray:
    """A column of numbers; an empty cell is NaN."""
    column = table.column(name)
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        return column
    texts = pc.utf8_trim_whitespace(_texts(table, name, file).fill_null(""))
    texts = pc.if_else(pc.equal(texts, ""), "nan", texts)
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid as cause:
        row, text = next((row, text) for row, text in enumerate(texts.to_pylist()) if not _is_number(text))
        raise BadInputError(
            f"column {name}", file=f"{file}, row {row + 2}", got=repr(text), wanted="a number"
        ) from cause


def _texts(table: pa.Table, name: str, file: object) -> pa.ChunkedArray:
    """A column of words; an absent one stays null."""
    column = table.column(name)
    try:
        return column.cast(pa.string())
    except pa.ArrowException as cause:
        what = f"column {name}"
        raise BadInputError(what, file=file, got=column.type, wanted="words or numbers") from cause


def _check_named(column: pa.ChunkedArray, name: str, file: object) -> None:
    """Every cell holds a word."""
    if column.null_count:
        row = int(np.flatnonzero(pc.is_null(column).to_numpy())[0])
        raise BadInputError(f"a missing {name}", file=f"{file}, row {row + 2}", got="an empty cell", wanted="a name")


def _is_number(text: str) -> bool:
    try:
        pa.scalar(text).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _channel_rows(table: pa.Table, channels: ChannelTable, file: object, is_strict: bool) -> Codes:
    """Each reading's row in the channel table; the row after the last one for an unknown channel."""
    encoded = pc.dictionary_encode(_texts(table, "channel", file), null_encoding="encode")
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    names = encoded.dictionary.to_pylist()
    rows = np.array([channels.index.get(name or "", -1) for name in names] or [-1], np.int64)
    by_row: Codes = rows[encoded.indices.to_numpy(zero_copy_only=False)]
    if is_strict and len(wrong := np.flatnonzero(by_row < 0)):
        row, name = int(wrong[0]), table.column("channel")[int(wrong[0])].as_py()
        wanted = f"a channel of the grid, e.g. {channels.channels[0].name}"
        raise BadInputError("an unknown channel", file=f"{file}, row {row + 2}", asset=name, got=name, wanted=wanted)
    return np.where(by_row < 0, len(channels), by_row)

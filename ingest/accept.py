"""Accept: place each reading in the grid, flag what is implausible, hand the rest to the store; nothing is dropped.

A row that no channel of the grid can take becomes a dead letter with its reason; a value that is late, out of range,
not a number or of the future is kept with a quality flag. Flags look at one row alone: batch boundaries change nothing.
Official values and outages carry no flags: one that can't be used is a dead letter (see `ingest.given`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import repeat

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.ports import Batch, Counts, DeadLetter, Store
from gridcore.reading import Quality
from ingest.channels import ChannelTable
from ingest.given import Fault, letter_of, official_causes, official_faults, outage_causes, outage_faults
from ingest.reasons import NO_INSTANT, PLACE_REASONS, UNKNOWN_CHANNEL, WRONG_QUANTITY, WRONG_SITE, WRONG_UNIT

LATE_AFTER = timedelta(hours=1)
"""A reading is late when it comes more than this after its period's end."""

STALE_AFTER = timedelta(days=45)
"""A reading's stamp is in doubt when it comes more than this after its period's end: beyond monthly corrections."""

REASONS = tuple(PLACE_REASONS)
"""Why a decoded reading can't be placed, in the order in which it is looked at."""


def accept(batch: Batch, store: Store, channels: ChannelTable) -> Counts:
    """Check a batch and keep it: rows, dead letters and next offset in one transaction of the store.

    Raises:
        StoreConflictError: The batch does not start at the store's offset.
        NoSpaceError: The disk is full; nothing of the batch was kept.
    """
    clean, dead_letters = check(batch, channels)
    return store.accept(clean, dead_letters, batch.receipt)


def check(batch: Batch, channels: ChannelTable) -> tuple[Batch, tuple[DeadLetter, ...]]:
    """The batch with quality flags and without the rows that can't be placed, and these as dead letters.

    Args:
        batch: As a feed gave it; its undecodable messages come back as dead letters.
        channels: The grid's channels.

    Returns:
        Clean batch (same offsets, no undecodable messages, no origin) and dead letters.
    """
    kept, letters, rows = _sifted(batch, channels)
    return replace(kept, readings=_flagged(kept.readings, channels, rows)), letters


def place(batch: Batch, channels: ChannelTable) -> tuple[Batch, tuple[DeadLetter, ...]]:
    """As `check`, but the rows that are kept stay as they came, without new flags: for whoever records them."""
    kept, letters, _ = _sifted(batch, channels)
    return kept, letters


def _sifted(batch: Batch, channels: ChannelTable) -> tuple[Batch, tuple[DeadLetter, ...], npt.NDArray[np.int64]]:
    """The batch without the rows that can't be placed, these as dead letters, and the others' channel rows."""
    readings = batch.readings
    rows, table_row = _places(readings, channels)
    causes = _causes(readings, channels, rows, table_row)
    placed = causes < 0
    letters = _dead_letters(batch, np.flatnonzero(~placed), causes, channels)
    if letters:
        readings, rows = readings.filter(pa.array(placed)), rows[placed]
    official, outages, given_letters = _given(batch, channels)
    kept = Batch(batch.source, batch.start_offset, batch.next_offset, readings, official, outages)
    return kept, (*batch.undecodable, *letters, *given_letters), rows


def _given(batch: Batch, channels: ChannelTable) -> tuple[pa.Table, pa.Table, tuple[DeadLetter, ...]]:
    """Official values and outages that can be used, and dead letters of the others."""
    official, outages = batch.official, batch.outages
    letters: list[DeadLetter] = []
    before = len(batch.readings)
    if len(official) and (causes := official_causes(official, channels)).max() >= 0:
        letters += _given_letters(
            batch, official_faults(official, causes, channels), before + np.flatnonzero(causes >= 0)
        )
        official = official.filter(pa.array(causes < 0))
    if len(outages) and (causes := outage_causes(outages, channels)).max() >= 0:
        before += len(batch.official)
        letters += _given_letters(batch, outage_faults(outages, causes), before + np.flatnonzero(causes >= 0))
        outages = outages.filter(pa.array(causes < 0))
    return official, outages, tuple(letters)


def _given_letters(batch: Batch, faults: Iterable[Fault], rows: npt.NDArray[np.intp]) -> list[DeadLetter]:
    """Dead letters of rows that can't be taken, at their places among all rows of the batch.

    A feed of files does not number official values and outages apart: theirs is the offset of the batch.
    """
    letters = []
    for fault, row in zip(faults, rows.tolist(), strict=True):
        offset = batch.start_offset if batch.origin is None else _offset(batch, row)
        letters.append(letter_of(fault, batch.source, offset, _place(batch, row)))
    return letters


def _codes(table: pa.Table, column: str) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """The distinct texts of a column and each row's place among them; one behind them where it has no text."""
    whole = table.column(column).combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # a table without chunks combines to an empty chunked array
        return pa.array([], pa.string()), np.zeros(0, np.int64)
    encoded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    texts = encoded.dictionary
    return texts, encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False).astype(np.int64)


def _places(readings: pa.Table, channels: ChannelTable) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Each reading's channel row, -1 for an unknown channel, and the same with 0 in place of -1; shape (rows,)."""
    names, codes = _codes(readings, "channel")
    rows: npt.NDArray[np.int64] = np.append(channels.rows_of(names), -1)[codes]
    return rows, np.maximum(rows, 0)


def _causes(
    readings: pa.Table, channels: ChannelTable, rows: npt.NDArray[np.int64], safe: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Index into `REASONS` of what is wrong with each reading, -1 where nothing is; shape (rows,)."""
    causes = np.full(len(rows), -1, np.int64)
    no_instant = pc.is_null(readings.column("valid_time")).to_numpy()
    causes[no_instant] = REASONS.index(NO_INSTANT)
    for reason, column in ((WRONG_UNIT, "unit"), (WRONG_QUANTITY, "quantity"), (WRONG_SITE, "site")):
        if len(channels):
            causes[~_agrees(readings, column, channels, safe)] = REASONS.index(reason)
    causes[rows < 0] = REASONS.index(UNKNOWN_CHANNEL)
    return causes


def _agrees(
    readings: pa.Table, column: str, channels: ChannelTable, safe: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """The reading's text is its channel's; shape (rows,)."""
    texts, codes = _codes(readings, column)
    number, of_channel = channels.words[column]
    words = texts.to_numpy(zero_copy_only=False).tolist()
    told = np.fromiter((*map(number.get, words, repeat(-1)), -1), np.int64, len(words) + 1)
    agrees: npt.NDArray[np.bool_] = of_channel[safe] == told[codes]
    return agrees


def _flagged(readings: pa.Table, channels: ChannelTable, rows: npt.NDArray[np.int64]) -> pa.Table:
    """The readings with this check's flags added to the ones they came with; NaN in place of infinite values."""
    values = readings.column("value").to_numpy().astype(np.float64)
    is_number = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        out_of_range = is_number & ((values < channels.low[rows]) | (values > channels.high[rows]))
    valid = readings.column("valid_time").to_numpy().astype("datetime64[us]")
    ended = valid + np.timedelta64(channels.period)
    waited = readings.column("available_at").to_numpy().astype("datetime64[us]") - ended
    quality = readings.column("quality").to_numpy().astype(np.int32)
    quality = quality | np.where(waited > np.timedelta64(LATE_AFTER), int(Quality.LATE), 0)
    quality |= np.where(waited > np.timedelta64(STALE_AFTER), int(Quality.STALE), 0)
    quality |= np.where(waited < np.timedelta64(0), int(Quality.FUTURE), 0)
    quality |= np.where(out_of_range, int(Quality.OUT_OF_RANGE), 0)
    quality |= np.where(is_number, 0, int(Quality.NOT_A_NUMBER))
    kept = _replaced(readings, "quality", pa.array(quality.astype(np.int32)))
    return kept if is_number.all() else _replaced(kept, "value", pa.array(np.where(is_number, values, np.nan)))


def _replaced(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    place = table.schema.get_field_index(column)
    return table.set_column(place, table.schema.field(column), values)


def _dead_letters(
    batch: Batch, rows: npt.NDArray[np.intp], causes: npt.NDArray[np.int64], channels: ChannelTable
) -> tuple[DeadLetter, ...]:
    """The dead letters of readings; the payload is the reading as JSON, since a feed hands over columns."""
    if not len(rows):
        return ()
    letters = []
    for row, reading in zip(rows.tolist(), batch.readings.take(pa.array(rows)).to_pylist(), strict=True):
        name = reading["channel"]
        known = channels[name] if name in channels.index else None
        wanted = f"site {known.site}, {known.quantity} in {known.unit}" if known else "a channel of the grid"
        # As their own literals: a text from outside may hold what a store of text can't, such as NUL.
        got = ", ".join(f"{column} {reading[column]!a:.200}" for column in ("channel", "site", "quantity", "unit"))
        detail = f"{_place(batch, row)}got {got}, valid_time {reading['valid_time']}; wanted {wanted}"
        body = json.dumps(reading, sort_keys=True, default=datetime.isoformat).encode()
        at, offset = reading["available_at"].astimezone(UTC), _offset(batch, row)
        letters.append(DeadLetter(at, batch.source, offset, REASONS[causes[row]], detail, body))
    return tuple(letters)


def _offset(batch: Batch, row: int) -> int:
    """Offset of the message of a reading."""
    return batch.start_offset + row if batch.origin is None else int(batch.origin.offset[row])


def _place(batch: Batch, row: int) -> str:
    """Row of a reading in its message, in words; two rows of one message never have equal letters."""
    return "" if batch.origin is None else f"row {batch.origin.row[row]}: "

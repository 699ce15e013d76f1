"""Accept: place each reading in the grid, flag what is implausible, hand the rest to the store; nothing is dropped.

A row that no channel of the grid can take becomes a dead letter with its reason; a value that is late, out of range,
not a number or of the future is kept with a quality flag. Flags look at one row alone: batch boundaries change nothing.
Official values and outages carry no flags: one that can't be used is a dead letter (see `ingest.given`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.ports import Batch, Counts, DeadLetter, Store
from gridcore.reading import Quality
from ingest.channels import ChannelTable
from ingest.given import letter_of, official_causes, official_faults, outage_causes, outage_faults

LATE_AFTER = timedelta(hours=1)
"""A reading is late when it comes more than this after its period's end."""

UNKNOWN_CHANNEL = "unknown_channel"
WRONG_SITE = "wrong_site"
WRONG_QUANTITY = "wrong_quantity"
WRONG_UNIT = "wrong_unit"
NO_INSTANT = "no_instant"
REASONS = (UNKNOWN_CHANNEL, WRONG_SITE, WRONG_QUANTITY, WRONG_UNIT, NO_INSTANT)
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
        Clean batch (same offsets, no undecodable messages) and dead letters; one of an official value or an outage
        has the offset of its batch, since a feed does not number them apart.
    """
    readings = batch.readings
    rows, table_row = _places(readings, channels)
    causes = _causes(readings, channels, rows, table_row)
    placed = causes < 0
    letters = tuple(_dead_letter(batch, int(row), REASONS[causes[row]], channels) for row in np.flatnonzero(~placed))
    if letters:
        readings, rows = readings.filter(pa.array(placed)), rows[placed]
    clean = _flagged(readings, channels, rows)
    official, outages, given_letters = _given(batch, channels)
    kept = Batch(batch.source, batch.start_offset, batch.next_offset, clean, official, outages)
    return kept, (*batch.undecodable, *letters, *given_letters)


def _given(batch: Batch, channels: ChannelTable) -> tuple[pa.Table, pa.Table, tuple[DeadLetter, ...]]:
    """Official values and outages that can be used, and dead letters of the others."""
    official, outages = batch.official, batch.outages
    letters: list[DeadLetter] = []
    if len(official) and (causes := official_causes(official, channels)).max() >= 0:
        faults = official_faults(official, causes, channels)
        letters += [letter_of(fault, batch.source, batch.start_offset) for fault in faults]
        official = official.filter(pa.array(causes < 0))
    if len(outages) and (causes := outage_causes(outages, channels)).max() >= 0:
        letters += [letter_of(fault, batch.source, batch.start_offset) for fault in outage_faults(outages, causes)]
        outages = outages.filter(pa.array(causes < 0))
    return official, outages, tuple(letters)


def _codes(table: pa.Table, column: str) -> tuple[list[str | None], npt.NDArray[np.int64]]:
    """The distinct texts of a column and each row's place among them."""
    whole = table.column(column).combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # a table without chunks combines to an empty chunked array
        return [], np.zeros(0, np.int64)
    encoded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    # A row without a text gets a number of its own, that of None.
    codes = encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False).astype(np.int64)
    return [*texts, None], codes


def _places(readings: pa.Table, channels: ChannelTable) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Each reading's channel row, -1 for an unknown channel, and the same with 0 in place of -1; shape (rows,)."""
    names, codes = _codes(readings, "channel")
    row_of = np.array([channels.index.get(name or "", -1) for name in names] or [-1], dtype=np.int64)
    rows: npt.NDArray[np.int64] = row_of[codes] if len(codes) else codes
    return rows, np.maximum(rows, 0)


def _causes(
    readings: pa.Table, channels: ChannelTable, rows: npt.NDArray[np.int64], safe: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Index into `REASONS` of what is wrong with each reading, -1 where nothing is; shape (rows,)."""
    causes = np.full(len(rows), -1, np.int64)
    no_instant = pc.is_null(readings.column("valid_time")).to_numpy()
    causes[no_instant] = REASONS.index(NO_INSTANT)
    for reason, column in ((WRONG_UNIT, "unit"), (WRONG_QUANTITY, "quantity"), (WRONG_SITE, "site")):
        wanted = [getattr(channel, column) for channel in channels.channels]
        causes[~_agrees(readings, column, wanted, safe)] = REASONS.index(reason)
    causes[rows < 0] = REASONS.index(UNKNOWN_CHANNEL)
    return causes


def _agrees(
    readings: pa.Table, column: str, wanted: Sequence[str], safe: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """The reading's text is its channel's; shape (rows,)."""
    texts, codes = _codes(readings, column)
    if not len(codes):
        return np.zeros(0, bool)
    code_of = {text: code for code, text in enumerate(texts)}
    of_channel = np.array([code_of.get(text, -1) for text in wanted], dtype=np.int64)
    agrees: npt.NDArray[np.bool_] = of_channel[safe] == codes
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
    quality |= np.where(waited < np.timedelta64(0), int(Quality.FUTURE), 0)
    quality |= np.where(out_of_range, int(Quality.OUT_OF_RANGE), 0)
    quality |= np.where(is_number, 0, int(Quality.NOT_A_NUMBER))
    kept = _replaced(readings, "quality", pa.array(quality.astype(np.int32)))
    return kept if is_number.all() else _replaced(kept, "value", pa.array(np.where(is_number, values, np.nan)))


def _replaced(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    place = table.schema.get_field_index(column)
    return table.set_column(place, table.schema.field(column), values)


def _dead_letter(batch: Batch, row: int, reason: str, channels: ChannelTable) -> DeadLetter:
    """The dead letter of one reading; its payload is the reading as JSON, since a feed hands over columns."""
    reading = batch.readings.slice(row, 1).to_pylist()[0]
    payload = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in reading.items()}
    name = reading["channel"]
    known = channels[name] if name in channels.index else None
    wanted = f"site {known.site}, {known.quantity} in {known.unit}" if known else "a channel of the grid"
    got = f"channel {name}, site {reading['site']}, {reading['quantity']} in {reading['unit']}, {reading['valid_time']}"
    at = reading["available_at"].astimezone(UTC)
    offset = batch.start_offset + row
    body = json.dumps(payload, sort_keys=True).encode()
    return DeadLetter(at, batch.source, offset, reason, f"got {got}; wanted {wanted}", body)

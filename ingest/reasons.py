"""Why a message or one of its rows becomes a dead letter: the whole fixed set, in words (docs/quality.md).

A dead letter's `reason` is one of these; what came and what was wanted stands in its `detail`.
"""

from __future__ import annotations

EMPTY_MESSAGE = "empty_message"
TOO_LARGE = "too_large"
UNKNOWN_CONTENT_TYPE = "unknown_content_type"
NOT_JSON, NOT_ARROW, NOT_AVRO = "not_json", "not_arrow", "not_avro"
NOT_A_READING, WRONG_VERSION = "not_a_reading", "wrong_version"
MISSING_FIELD, WRONG_TYPE, WRONG_INSTANT = "missing_field", "wrong_type", "wrong_instant"
NULL_FIELD = "null_field"

DECODE_REASONS = {
    EMPTY_MESSAGE: "no bytes, or a tombstone",
    TOO_LARGE: "more bytes or rows than a message may have",
    UNKNOWN_CONTENT_TYPE: "a content-type header of no known form",
    NOT_JSON: "no JSON text in UTF-8, or nested too deeply",
    NOT_ARROW: "no sound Arrow IPC stream",
    NOT_AVRO: "no sound Avro container",
    NOT_A_READING: "JSON, but no object",
    WRONG_VERSION: "a version of the wire form that is not ours",
    MISSING_FIELD: "a field, or column, is missing",
    WRONG_TYPE: "a field of a wrong type or range",
    WRONG_INSTANT: "an instant that is not RFC 3339 with an offset, or outside the years 1900 to 2200",
    NULL_FIELD: "a row of a batch without a value that each row needs",
}
"""What keeps a message, or a row of one, from being decoded."""

UNKNOWN_CHANNEL = "unknown_channel"
WRONG_SITE = "wrong_site"
WRONG_QUANTITY = "wrong_quantity"
WRONG_UNIT = "wrong_unit"
NO_INSTANT = "no_instant"

PLACE_REASONS = {
    UNKNOWN_CHANNEL: "a channel that the grid has not",
    WRONG_SITE: "the channel is of another site",
    WRONG_QUANTITY: "the channel is of another quantity (recordings and files)",
    WRONG_UNIT: "the channel has another unit",
    NO_INSTANT: "a row of a file without its instant",
}
"""What keeps a decoded reading from being placed, in the order in which it is looked at."""

UNKNOWN_SERIES = "official_of_nothing"
OFFICIAL_INSTANT = "official_without_instant"
BEFORE_ISSUE = "official_before_issue"
NO_NUMBER = "official_not_a_number"
OUT_OF_RANGE = "official_out_of_range"

OFFICIAL_REASONS = {
    UNKNOWN_SERIES: "no asset, load, sum or reserve of the grid",
    OFFICIAL_INSTANT: "an official value without issue or valid time",
    BEFORE_ISSUE: "it came before it was made",
    NO_NUMBER: "an official value that is no number",
    OUT_OF_RANGE: "outside the plausible range of its series",
}
"""What can be wrong with an official value, in the order in which it is looked at."""

OUTAGE_OF_NOTHING = "outage_of_nothing"
OUTAGE_INSTANT = "outage_without_instant"
OUTAGE_END = "outage_ends_before_it_starts"

OUTAGE_REASONS = {
    OUTAGE_OF_NOTHING: "no asset, branch or DC line of the grid",
    OUTAGE_INSTANT: "an outage without its start or end",
    OUTAGE_END: "an outage whose end is not after its start",
}
"""What can be wrong with an outage, in the order in which it is looked at."""

DELETED = "deleted_before_read"

STREAM_REASONS = {DELETED: "messages that the broker had deleted before they were read; the user let them go"}
"""What a stream itself can lack; the letter has no bytes, and its detail tells which offsets."""

ALL_REASONS = DECODE_REASONS | PLACE_REASONS | OFFICIAL_REASONS | OUTAGE_REASONS | STREAM_REASONS
"""Every reason that there is, with what is wrong."""

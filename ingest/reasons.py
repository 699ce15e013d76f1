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

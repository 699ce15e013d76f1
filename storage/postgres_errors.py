"""What an error of PostgreSQL or of the way to it means to a caller.

A statement that failed carries an SQLSTATE (PostgreSQL 15 manual, appendix A); a lost or refused connection carries
none, only words.
"""

from __future__ import annotations

from adbc_driver_manager import Error

from gridcore.errors import (
    BadInputError,
    GridError,
    NoSpaceError,
    StoreConflictError,
    StoreDamagedError,
    StoreUnreachableError,
)

WAITS_OUT = ("starting up", "shutting down", "recovery", "too many", "remaining connection slots", "terminating")
"""Words of a refusal that passes by itself: the server restarts, or others hold its connections for now."""

REFUSES = ("FATAL:", "SSL", "certificate", "no password supplied", "invalid connection option", "invalid port")
"""Words of a refusal that waiting does not mend: role, password, database, encryption, a malformed address."""


def is_lost(cause: Error) -> bool:
    """The connection is gone: the server has not answered the statement."""
    return not cause.sqlstate or cause.sqlstate[:2] == "08" or cause.sqlstate in {"57P01", "57P02", "57P03"}


def connect_meaning(cause: Error, where: str) -> GridError:
    """What a failed connection means: `StoreUnreachableError` where it may pass, else `BadInputError`."""
    words = _first_line(cause)
    if any(word in words for word in REFUSES) and not any(word in words for word in WAITS_OUT):
        return BadInputError("the database refuses the connection", file=where, got=words)
    return StoreUnreachableError("the database can't be reached", file=where, got=words)


def meaning(cause: Error, where: str) -> GridError | None:
    """What an error of a statement means; None where it is a bug of ours."""
    state, words = cause.sqlstate or "", _first_line(cause)
    if is_lost(cause):
        return StoreUnreachableError("the connection to the database was lost", file=where, got=words)
    if state == "53100":
        return NoSpaceError("the database's disk is full; nothing of this step was kept", file=where, got=words)
    if state in {"55P03", "40P01", "40001"}:
        return StoreConflictError("another process keeps the store locked", file=where, got=words)
    if state.startswith("53") or state in {"57014", "25006"}:
        return StoreUnreachableError(
            "the database does not serve; nothing of this step was kept", file=where, got=words
        )
    # 23514 is a row without a partition: no table here has a CHECK, and a month that was made has been taken away.
    if state.startswith("XX0") or state in {"42P01", "23514"}:
        return StoreDamagedError("the store's database is damaged", file=where, got=words)
    if state.startswith(("28", "42501", "3D", "3F")):
        return BadInputError("the database refuses", file=where, got=words)
    return None


def _first_line(cause: Error) -> str:
    """The server's own words; the statement that follows them is ours and long."""
    text = str(cause).split("\n\nQuery was:", maxsplit=1)[0]
    return " ".join(text.split())[:300]

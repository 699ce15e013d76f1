"""Logs: one JSON object a line on standard error, with the run they belong to; what is secret never reaches one."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import Any, TextIO

import structlog
from pydantic import SecretBytes, SecretStr

from gridcore.clock import Clock
from gridcore.ports import Batch, Counts

MASK = "***"
"""Stands where a secret was."""

SECRET_NAMES = re.compile(r"authorization|token|secret|passw|credential|api_?key|cookie|private", re.IGNORECASE)
"""Fields whose values are masked whatever they hold."""

SECRET_TEXTS = (
    (re.compile(r"(?i)\b(bearer|basic)[ ]+[^\s\"',;]+"), rf"\1 {MASK}"),
    (re.compile(r"(?i)([a-z][a-z0-9+.-]*://[^\s/@:\"']*):[^\s/\"']*@"), rf"\1:{MASK}@"),
    (re.compile(r"(?i)\b(passw(?:or)?d|secret|token|api_?key)([ ]*[=:][ ]*)[^\s&\"',;]+"), rf"\1\2{MASK}"),
)
"""Secrets within words: a header's, an address's password, a setting's."""

Event = MutableMapping[str, Any]


def set_up_logs(clock: Clock, *, stream: TextIO | None = None, level: str = "info", run_id: str = "") -> str:
    """Send this process's log to standard error, the libraries' with it; gives the run's id.

    Args:
        clock: Stamps each line.
        stream: Where lines go; standard error where it is None.
        level: Least level that is written: debug, info, warning or error.
        run_id: The run's id; a new one where it is empty.
    """
    run_id = run_id or os.urandom(8).hex()
    lowest = logging.getLevelNamesMapping()[level.upper()]

    def stamped(_logger: object, _method: str, event: Event) -> Event:
        return {"at": clock.now().isoformat(), **event, "run_id": run_id}

    shared: list[Any] = [structlog.stdlib.add_log_level, structlog.contextvars.merge_contextvars, stamped]
    last: list[Any] = [structlog.processors.format_exc_info, masked, structlog.processors.JSONRenderer(default=str)]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[drop, *last]))
    logging.basicConfig(level=max(lowest, logging.WARNING), handlers=[handler], force=True)
    return run_id


def masked(_logger: object, _method: str, event: Event) -> Event:
    """The event without what is secret."""
    return {name: _mask(name, value) for name, value in event.items()}


def batch_place(batch: Batch) -> dict[str, str | int]:
    """Where a batch stood: topic, partition and offsets."""
    topic, slash, partition = batch.source.rpartition("/")
    place: dict[str, str | int] = {"topic": batch.source}
    if slash and partition.isdecimal():
        place = {"topic": topic, "partition": int(partition)}
    return place | {"offset": batch.start_offset, "next_offset": batch.next_offset}


class LogObserver:
    """Writes a line for each batch and tick; a batch with dead letters is a warning."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()

    def turned(self) -> None:
        """Nothing is logged."""

    def kept(self, batch: Batch, counts: Counts, seconds: float) -> None:
        """A batch is committed."""
        write = self._log.warning if counts.dead_letters else self._log.debug
        write("batch kept", **batch_place(batch), **vars(counts), seconds=round(seconds, 6))

    def ticked(self, due: datetime, seconds: float, readiness: Mapping[str, str]) -> None:
        """A tick is published."""
        self._log.info("tick", due=due.isoformat(), seconds=round(seconds, 6), readiness=dict(readiness))


def _mask(name: str, value: object) -> object:
    """A value that may be written."""
    if isinstance(value, SecretStr | SecretBytes) or SECRET_NAMES.search(name):
        return MASK
    if isinstance(value, Mapping):
        return {str(inner): _mask(str(inner), each) for inner, each in value.items()}
    if isinstance(value, str):
        return _without_secrets(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_mask("", each) for each in value]
    return value if isinstance(value, bool | int | float | None) else _without_secrets(str(value))


def _without_secrets(words: str) -> str:
    for pattern, instead in SECRET_TEXTS:
        words = pattern.sub(instead, words)
    return words

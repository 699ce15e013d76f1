"""A server in the foreground of a terminal: told by lines what to do, ended in order by Ctrl-C and by SIGTERM."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM)
"""Signals that mean: end in order."""


def in_foreground(start: Callable[[], None], stop: Callable[[], None], obey: Callable[[str], None]) -> None:
    """Start, obey the lines of standard input, and stop on a signal, also on one that comes while it starts.

    Args:
        start: Starts the server and tells where it is.
        stop: Ends it; always called, once.
        obey: Does what a line says. The end of the input ends nothing: a server may run without a terminal.
    """
    # Set even where a shell's `&` has SIGINT ignored; a SIGTERM left alone would end us and leave the server behind.
    for one in ENDINGS:
        signal.signal(one, _leave)
    try:
        start()
        for line in sys.stdin:
            if line.strip():
                obey(line.strip())
        while True:
            signal.pause()
    finally:
        for one in ENDINGS:
            signal.signal(one, signal.SIG_IGN)
        stop()


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)

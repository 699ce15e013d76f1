"""The segment folder's lock: who needs its files to stay holds it shared, and files are deleted by who has it alone.

It is the system's lock on the folder (flock), so that a killed process lets go of it, and a store opened to read alone
changes no file by it. A read that takes milliseconds does without: it finds its file gone, looks into the manifest
again, and reads the segment that took its place.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def stays(folder: Path) -> Iterator[None]:
    """No file of the folder is deleted meanwhile; waits while one is. A folder that is not there has none."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def alone_with(folder: Path) -> Iterator[bool]:
    """Whether no one needs the folder's files to stay; if so, no one can until the block ends."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)

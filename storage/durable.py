"""Folders and files that a loss of power does not take back: what was written is synced, and so is its name.

A file's bytes and its entry in its folder are two writes; a folder's own entry, in the folder above, is a third.
"""

from __future__ import annotations

import os
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make a folder and those above it where there are none, each named durably in the one above."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    # Another process may have made it since.
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def sync(path: Path) -> None:
    """Force a file's bytes or a folder's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""A fork: a second store that begins with what a first one holds."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from gridcore.errors import BadInputError
from storage.database import DATABASE_FILE, connect, told_apart
from storage.durable import make_folder, sync
from storage.folder_lock import stays
from storage.segments import SEGMENT_FOLDER


def fork(source: Path, target: Path) -> None:
    """Copy a store, so that another course of events can be played on it; the source may be open and in use.

    The segments, which never change, become hard links where the file system has them: a fork costs the database's
    size alone.

    Args:
        source: Directory of a store.
        target: Directory to make; it must not hold a store.

    Raises:
        BadInputError: There is no store at `source`, or one at `target`.
        NoSpaceError: The disk is full.
    """
    if not (source / DATABASE_FILE).is_file() or (target / DATABASE_FILE).exists():
        wanted = "a store to copy, and a directory without one"
        raise BadInputError("a store can't be forked", file=source, got=target, wanted=wanted)
    # No segment may be merged away between the copy of the manifest and the links.
    with told_apart(target), stays(source / SEGMENT_FOLDER):
        segments = target / SEGMENT_FOLDER
        make_folder(segments)
        partial = target / f"{DATABASE_FILE}.partial"
        partial.unlink(missing_ok=True)
        with closing(connect(source)) as original, closing(sqlite3.connect(partial)) as copy:
            original.backup(copy)
            files = [row[0] for row in copy.execute("SELECT file FROM segment")]
        for file in files:
            linked = segments / file
            linked.unlink(missing_ok=True)
            try:
                os.link(source / SEGMENT_FOLDER / file, linked)
            except OSError as cause:
                if cause.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
                    raise
                shutil.copyfile(source / SEGMENT_FOLDER / file, linked)
                sync(linked)
        sync(segments)
        sync(partial)
        # The database comes last: a fork that broke off is no store, and can be made again.
        partial.rename(target / DATABASE_FILE)
        sync(target)

"""Names reach the disk: each new folder, segment and fork is synced, and its folder after it."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from pathlib import Path

import pytest

from storage.durable import make_folder
from storage.embedded import EmbeddedStore
from storage.fork import fork
from storage.segments import SEGMENT_FOLDER
from tests.storage.telemetry import accept_sealed, telemetry_batch


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Syncs and renames in their order, each with the file's inode: its name may change, the file does not."""
    told: list[tuple[str, int]] = []
    fsync, rename = os.fsync, Path.rename

    def synced(descriptor: int) -> None:
        told.append(("sync", os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        told.append(("rename", path.stat().st_ino))
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    return told


def synced(path: Path) -> tuple[str, int]:
    return "sync", path.stat().st_ino


def renamed(path: Path) -> tuple[str, int]:
    return "rename", path.stat().st_ino


def test_each_new_folder_is_named_durably_in_the_one_above(tmp_path: Path, steps: list[tuple[str, int]]) -> None:
    make_folder(tmp_path / "a" / "b")
    assert steps == [synced(tmp_path), synced(tmp_path / "a")]
    make_folder(tmp_path / "a" / "b")
    assert len(steps) == 2


def test_a_first_segment_is_on_the_disk_with_its_folder(tmp_path: Path, steps: list[tuple[str, int]]) -> None:
    store = tmp_path / "store"
    with closing(EmbeddedStore(store)) as opened:
        assert synced(tmp_path) in steps
        steps.clear()
        accept_sealed(opened, telemetry_batch("plant/0", 100, 0, 300))
    segment = next((store / SEGMENT_FOLDER).iterdir())
    assert steps == [synced(store), synced(segment), renamed(segment), synced(segment.parent)]


@pytest.mark.parametrize("is_linked", [True, False], ids=["linked", "copied"])
def test_a_fork_gets_its_name_only_when_all_of_it_is_on_the_disk(
    tmp_path: Path, steps: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, is_linked: bool
) -> None:
    def not_here(*_: object) -> None:
        raise OSError(errno.EXDEV, "another file system")

    with closing(EmbeddedStore(tmp_path / "a")) as store:
        accept_sealed(store, telemetry_batch("plant/0", 100, 0, 300))
    steps.clear()
    if not is_linked:
        monkeypatch.setattr(os, "link", not_here)
    fork(tmp_path / "a", tmp_path / "b")
    segments, database = tmp_path / "b" / SEGMENT_FOLDER, tmp_path / "b" / "store.sqlite"
    copied = [] if is_linked else [synced(next(segments.iterdir()))]
    made = [synced(tmp_path), synced(tmp_path / "b")]
    ended = [synced(segments), synced(database), renamed(database), synced(tmp_path / "b")]
    assert steps == [*made, *copied, *ended]

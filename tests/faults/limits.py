"""Faults of the store and its limits: retention past the offset, a full disk, a torn segment, damaged files."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from time import perf_counter

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from tests.faults.ledger import Outcome
from tests.faults.rig import PARTITIONS, Rig, end
from tests.faults.sender import TOPIC, Sender, readings_of
from tests.faults.setting import BEGINS

TMPFS_MB = 2
"""Size of the disk that runs full [MB]."""


def retention(rig: Rig) -> Outcome:
    """The broker deleted what comes next: the run ends loudly and names the gap; what was stored stays.

    What was deleted was acknowledged by the broker and is lost by its rule: the ledger counts the part before.
    """
    sender = Sender(rig.cluster.client(), rig.ledger)
    sender.send(readings_of(rig.channels.channels, BEGINS, 20))
    rig.drain()
    unseen = Sender(rig.cluster.client(), type(rig.ledger)())
    unseen.send(readings_of(rig.channels.channels, BEGINS.replace(day=28), 20))
    admin = AdminClient(rig.cluster.client())
    gone = [TopicPartition(TOPIC, number, end) for number, end in enumerate(rig.ends().values())]
    for done in admin.delete_records(gone).values():
        done.result(30)
    unseen.send(readings_of(rig.channels.channels, BEGINS.replace(day=29), 1))
    process = rig.ingest(until_idle_s=2.0)
    process.communicate(timeout=120)
    words = rig.said()
    last = words.strip().splitlines()[-1] if words.strip() else ""
    holds = process.returncode not in {0, 1} and TOPIC in words
    return rig.outcome("retention passed the offset", 0.0, f"exit code {process.returncode}: {last[:200]}", holds=holds)


def disk_full(rig: Rig) -> Outcome:
    """The store's disk runs full: exit code 5, what was committed stays; with room the same command goes on."""
    disk = rig.folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={TMPFS_MB}m", "tmpfs", str(disk)], check=True)
    try:
        rig.store = str(disk / "store")
        sender = Sender(rig.cluster.client(), rig.ledger)
        sender.send(readings_of(rig.channels.channels, BEGINS, 10_000))
        process = rig.ingest(until_idle_s=2.0)
        process.communicate(timeout=300)
        code = process.returncode
        began = perf_counter()
        subprocess.run(["mount", "-o", "remount,size=512m", str(disk)], check=True)
        rig.drain()
        recovery_s = perf_counter() - began
        return rig.outcome("disk full", recovery_s, f"exit code {code}", holds=code == 5)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def torn_segment(rig: Rig) -> Outcome:
    """A sealed segment is cut short: `store check` says so (exit code 4), and no read passes it off as whole."""
    return _damaged(rig, "torn segment", "*.parquet", lambda path: os.truncate(path, path.stat().st_size // 2))


def corrupt_store(rig: Rig) -> Outcome:
    """Bytes in the middle of the database are others: `store check` says so (exit code 4)."""

    def scratch(path: Path) -> None:
        size = path.stat().st_size
        with path.open("r+b") as file:
            for place in range(size // 4, size - 64, max(size // 50, 4096)):
                file.seek(place)
                file.write(os.urandom(64))

    return _damaged(rig, "corrupt store", "*.sqlite*", scratch)


def _damaged(rig: Rig, name: str, pattern: str, damage) -> Outcome:  # type: ignore[no-untyped-def]
    sender = Sender(rig.cluster.client(), rig.ledger)
    sender.send(readings_of(rig.channels.channels, BEGINS, 400))
    rig.drain()
    sealed = rig.command("store", "seal", "--store", rig.store)
    whole = rig.outcome(name, 0.0)
    files = [path for path in Path(rig.store).rglob(pattern) if path.stat().st_size > 8192]
    if pattern.startswith("*.sqlite"):
        files = files or [path for path in Path(rig.store).iterdir() if path.is_file() and path.stat().st_size > 8192]
    damage(max(files, key=lambda path: path.stat().st_size))
    checked = rig.command("store", "check", "--store", rig.store)
    words = (checked.stdout + checked.stderr).strip().splitlines()
    note = f"seal {sealed.returncode}, check {checked.returncode}: {(words or [''])[-1][:160]}"
    return Outcome(**{**vars(whole), "note": note, "holds": whole.holds and checked.returncode == 4})


def killed_while_sealing(rig: Rig) -> Outcome:
    """`kill -9` in the middle of sealing, five times: the next run sweeps up, and nothing is gone."""
    sender = Sender(rig.cluster.client(), rig.ledger)
    sender.send(readings_of(rig.channels.channels, BEGINS, 2000))
    rig.drain()
    for number in range(5):
        process = rig.start_command("store", "seal", "--store", rig.store)
        try:
            process.communicate(timeout=0.8 + 0.3 * number)
        except subprocess.TimeoutExpired:
            end(process, signal.SIGKILL)
    rig.drain()
    return rig.outcome("kill -9 while sealing", 0.0, f"{PARTITIONS} partitions")

"""The ledger: what was sent and acknowledged, held against what a store kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock

import pyarrow.compute as pc
import pyarrow.parquet as pq

EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)

Identity = tuple[str, int, int, float]
"""Channel, valid_time [us since 1970], revision, value."""


@dataclass(frozen=True)
class Outcome:
    """What a fault did (INTERFACES.md, `build/bench/faults.json`)."""

    name: str
    """The fault."""

    sent: int
    """Messages sent, sent again counted again."""

    acknowledged: int
    """Of them acknowledged: from then on they are ours."""

    stored: int
    """Different readings, and dead letters, that the store holds at the end."""

    lost: int
    """Acknowledged and neither stored nor a dead letter."""

    duplicated: int
    """Stored more than once."""

    misordered: int
    """Cells whose current reading is not of the highest revision stored."""

    recovery_seconds: float
    """From the end of the fault to everything acknowledged being stored [s]."""

    note: str = ""
    """What else was seen: a loud stop's words, an exit code."""

    holds: bool = True
    """What the fault demands besides (a loud stop was loud, a refusal came) was seen."""

    @property
    def is_good(self) -> bool:
        """Nothing lost, doubled or out of order, and the fault's own demand is met."""
        return self.holds and not (self.lost or self.duplicated or self.misordered)


@dataclass
class Ledger:
    """Readings and undecodable messages by what the receiver answered; filled from a sender's threads."""

    sent: int = 0
    acknowledged: int = 0
    readings: set[Identity] = field(default_factory=set)
    """Acknowledged readings."""

    poison: Counter[bytes] = field(default_factory=Counter)
    """Acknowledged messages that no decoder can take, by their bytes."""

    _lock: Lock = field(default_factory=Lock)

    def note_sent(self, count: int = 1) -> None:
        """So many messages were sent."""
        with self._lock:
            self.sent += count

    def note_reading(self, identity: Identity) -> None:
        """A reading was acknowledged."""
        with self._lock:
            self.acknowledged += 1
            self.readings.add(identity)

    def note_poison(self, payload: bytes) -> None:
        """A message that is no reading was acknowledged."""
        with self._lock:
            self.acknowledged += 1
            self.poison[payload] += 1


def outcome_of(
    name: str, ledger: Ledger, export: Path, recovery_s: float, note: str = "", *, holds: bool = True
) -> Outcome:
    """Hold a ledger against a store's export.

    Args:
        name: The fault.
        ledger: What was sent.
        export: Directory that `xiaona store export` wrote.
        recovery_s: From the end of the fault to the end of catching up [s].
        note: What else was seen.
        holds: The fault's own demand is met.
    """
    current, older = (identities(export / f"{table}.parquet") for table in ("readings", "revisions"))
    counted = Counter([*current, *older])
    letters = pq.read_table(export / "dead_letters.parquet")
    kept = Counter(letters.column("payload").to_pylist())
    lost = len(ledger.readings - counted.keys() - _readings_in(kept))
    lost += sum(max(count - kept[payload], 0) for payload, count in ledger.poison.items())
    doubled = sum(count - 1 for count in counted.values())
    doubled += sum(max(kept[payload] - count, 0) for payload, count in ledger.poison.items())
    highest: dict[tuple[str, int], int] = {}
    for channel, valid_us, revision, _ in counted:
        highest[channel, valid_us] = max(revision, highest.get((channel, valid_us), -1))
    stands = {(channel, valid_us): revision for channel, valid_us, revision, _ in current}
    misordered = sum(stands.get(cell) != revision for cell, revision in highest.items())
    stored = len(counted) + len(letters)
    return Outcome(name, ledger.sent, ledger.acknowledged, stored, lost, doubled, misordered, recovery_s, note, holds)


def identities(file: Path) -> list[Identity]:
    """Identity of each row of an exported table of readings; NaN stands as its text, since it equals nothing."""
    table = pq.read_table(file, columns=["channel", "valid_time", "revision", "value"])
    values = [value if value == value else float("inf") for value in table.column("value").to_pylist()]  # noqa: PLR0124
    valid_us = pc.cast(table.column("valid_time"), "int64").to_pylist()
    channels, revisions = table.column("channel").to_pylist(), table.column("revision").to_pylist()
    return list(zip(channels, valid_us, revisions, values, strict=True))


def _readings_in(letters: Iterable[bytes]) -> set[Identity]:
    """Readings that were decoded and could not be placed: their letters hold the reading as JSON."""
    found = set()
    for payload in letters:
        try:
            words = json.loads(payload)
            since = datetime.fromisoformat(words["valid_time"]) - EPOCH
            found.add((words["channel"], since // MICROSECOND, words["revision"], words["value"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def as_json(outcomes: list[Outcome]) -> str:
    """`build/bench/faults.json`."""
    return json.dumps([asdict(outcome) for outcome in outcomes], indent=2) + "\n"

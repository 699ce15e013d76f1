"""Counting: what became of each reading of a batch, and what a store tallies of it."""

from __future__ import annotations

from collections.abc import Sequence

from gridcore.ports import Batch, Counts, DeadLetter
from gridcore.reading import Quality
from storage.claims import Sifted


def amounts(counts: Counts) -> dict[str, int]:
    """What is tallied of a batch's counts."""
    told = {name: getattr(counts, name) for name in ("received", "stored", "duplicate", "revised", "conflict")}
    return told | {"dead_letter": sum(counts.dead_letters.values())}


def count(batch: Batch, letters: Sequence[DeadLetter], sifted: Sifted) -> Counts:
    """Counts of a batch: what became of each of its readings, and the flags of those kept."""
    reasons = [letter.reason for letter in letters]
    quality = sifted.kept.quality
    named = {flag.name.lower(): int(((quality & int(flag)) != 0).sum()) for flag in Quality if flag and flag.name}
    named["conflict"] = sifted.conflict
    return Counts(
        received=batch.readings.num_rows + len(letters),
        stored=sifted.stored,
        duplicate=sifted.duplicate,
        revised=sifted.revised,
        conflict=sifted.conflict,
        dead_letters={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        flags={name: amount for name, amount in named.items() if amount},
    )

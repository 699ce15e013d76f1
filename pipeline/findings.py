"""What a check of an export found: violations with their place, and the largest imbalance of each row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

LISTED = 50
"""Violations of one kind in one row that are listed with their values; all are counted."""

NOTHING = "nothing to check"
"""The law that every other law saw something."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One law broken at one place."""

    where: str
    """Row of the replay, `manifest` or `grid`."""

    what: str
    """The law, e.g. `bus balance`."""

    asset: str
    """Asset, bus, branch, target or file."""

    instant: str
    """ISO 8601; empty where it is about no instant."""

    got: str
    """What stands in the file."""

    wanted: str
    """What the law asks."""


@dataclass
class Findings:
    """Everything one validation found."""

    violations: list[Violation] = field(default_factory=list)
    """Up to `LISTED` of each law and row."""

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Number of violations by row and law."""

    max_bus_imbalance_mw: dict[str, float] = field(default_factory=dict)
    """Largest imbalance of a bus in a period, by row [MW]."""

    checked: dict[str, int] = field(default_factory=dict)
    """Number of values looked at, by law."""

    checked_in: dict[str, dict[str, int]] = field(default_factory=dict)
    """The same by row and law: a law that saw nothing has proved nothing."""

    @property
    def total(self) -> int:
        """Number of violations."""
        return sum(sum(of_row.values()) for of_row in self.counts.values())

    @property
    def first(self) -> Violation | None:
        """The first violation; None where there is none."""
        return self.violations[0] if self.violations else None

    def violations_of(self, row: str) -> int:
        """Number of violations in one row."""
        return sum(self.counts.get(row, {}).values())

    def add(self, violation: Violation) -> None:
        """Count a violation, and list it unless there are `LISTED` of its kind."""
        of_row = self.counts.setdefault(violation.where, {})
        of_row[violation.what] = of_row.get(violation.what, 0) + 1
        if of_row[violation.what] <= LISTED:
            self.violations.append(violation)

    def looked(self, where: str, what: str, count: int) -> None:
        """A law was held against some values of a row."""
        self.checked[what] = self.checked.get(what, 0) + count
        of_row = self.checked_in.setdefault(where, {})
        of_row[what] = of_row.get(what, 0) + count

    def take(self, other: Findings) -> None:
        """Take up what was found in other rows."""
        self.violations += other.violations
        self.max_bus_imbalance_mw |= other.max_bus_imbalance_mw
        for where, of_row in other.counts.items():
            self.counts.setdefault(where, {}).update(of_row)
        for where, of_row in other.checked_in.items():
            for what, count in of_row.items():
                self.looked(where, what, count)

    def demand_looked(self, where: str, laws: Iterable[str]) -> None:
        """Add a violation for each law that saw nothing in a row."""
        for law in laws:
            if not self.checked_in.get(where, {}).get(law):
                self.add(Violation(where, NOTHING, law, "", "0 values", "1 or more"))

    def as_dict(self) -> dict[str, object]:
        """For `xiaona validate --json`: `counts` has all violations, `violations` the first of each law and row."""
        return {
            "total": self.total,
            "counts": self.counts,
            "listed_of_each_law": LISTED,
            "checked": self.checked,
            "max_bus_imbalance_mw": self.max_bus_imbalance_mw,
            "violations": [asdict(violation) for violation in self.violations],
        }


@dataclass(frozen=True)
class Grid2d:
    """A check's field: periods by things, with what to call them."""

    findings: Findings
    """Where violations go."""

    where: str
    """Row of the replay."""

    valid_time: npt.NDArray[np.datetime64]
    """Period starts, shape (periods,)."""

    names: tuple[str, ...]
    """Names of the things, shape (things,)."""

    def demand(
        self,
        what: str,
        good: npt.NDArray[np.bool_],
        got: npt.NDArray[np.generic],
        wanted: npt.NDArray[np.generic] | str,
    ) -> None:
        """Record every place where a law does not hold.

        Args:
            what: The law.
            good: Where it holds, shape (periods, things).
            got: What stands there, same shape.
            wanted: What should, same shape or the same words for all.
        """
        self.findings.looked(self.where, what, good.size)
        periods, things = np.nonzero(~good)
        of_row = self.findings.counts.setdefault(self.where, {})
        if len(periods) > LISTED:
            of_row[what] = of_row.get(what, 0) + len(periods) - LISTED
        for period, thing in zip(periods[:LISTED], things[:LISTED], strict=True):
            words = wanted if isinstance(wanted, str) else str(wanted[period, thing])
            instant = f"{np.datetime_as_string(self.valid_time[period], unit='s')}Z"
            place = (self.names[thing], instant, str(got[period, thing]), words)
            self.findings.violations.append(Violation(self.where, what, *place))
            of_row[what] = of_row.get(what, 0) + 1

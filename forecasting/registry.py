"""Which fit serves an issue time: the newest that was there by then, however late the cut that is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from gridcore.ports import Known, RegisteredModel

INSTANT = timedelta(microseconds=1)
"""The finest step of time in a store."""


def fits_between(
    known_at: Callable[[datetime], Known], names: Iterable[str], first: datetime, last: datetime
) -> tuple[RegisteredModel, ...]:
    """Every fit that served an instant of [first, last], by name, oldest first.

    A cut tells its newest fit alone, so the cuts walk back from fit to fit.

    Args:
        known_at: The door to history.
        names: Names of models.
        first: First issue time.
        last: Last issue time.
    """
    found: list[RegisteredModel] = []
    for name in names:
        of_name: list[RegisteredModel] = []
        instant = last
        while instant >= first and (model := known_at(instant).model(name)) is not None:
            of_name.insert(0, model)
            instant = model.fitted_as_of - INSTANT
        # The oldest one may have been fitted before `first`: the walk ends with the fit that served `first`.
        found += of_name
    return tuple(found)


class Registry:
    """Where an answer finds its models: in the cut, or among those handed in.

    Args:
        known: The cut.
        models: Fits to choose from; None for the newest of each name in the cut.
    """

    def __init__(self, known: Known, models: Sequence[RegisteredModel] | None) -> None:
        self.known, self._given = known, models
        self._newest: dict[str, RegisteredModel | None] = {}

    def find(self, name: str, issue_time: datetime) -> RegisteredModel | None:
        """The newest fit of a name as of an issue time; None where there is none."""
        by_then = [model for model in self._fits(name) if model.fitted_as_of <= issue_time]
        return max(by_then, key=lambda model: model.fitted_as_of, default=None)

    def by_fit(self, names: Sequence[str], issue_times: Iterable[datetime]) -> list[list[datetime]]:
        """The issue times in groups that are served by the same fits."""
        groups: dict[tuple[str | None, ...], list[datetime]] = {}
        for issue_time in issue_times:
            found = [self.find(name, issue_time) for name in names]
            served_by = tuple(None if model is None else model.model_id for model in found)
            groups.setdefault(served_by, []).append(issue_time)
        return list(groups.values())

    def _fits(self, name: str) -> list[RegisteredModel]:
        if self._given is not None:
            return [model for model in self._given if model.name == name]
        if name not in self._newest:
            self._newest[name] = self.known.model(name)
        newest = self._newest[name]
        return [] if newest is None else [newest]

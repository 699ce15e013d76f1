"""A store that is opened while another process writes sees that writing, or goes on from before it: never half."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage.check import check
from storage.embedded import EmbeddedStore
from storage.history import History
from tests.contracts.store_content import LONG_AGO, NEVER_REACHED, batch, reading

SEAMS = [
    (EmbeddedStore, "_read_generation"),
    (EmbeddedStore, "_read_data_version"),
    (History, "load"),
    (History, "catch_up"),
]
"""Steps of an opening between which another process may commit."""

NAMES = ("1/load", "2/load", "3/load")


def values(store: EmbeddedStore) -> list[tuple[str, float]]:
    table = store.known_at(NEVER_REACHED).readings(NAMES, LONG_AGO, NEVER_REACHED)
    return [(row["channel"], row["value"]) for row in table.to_pylist()]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "step"), SEAMS, ids=[step for _, step in SEAMS])
def test_a_commit_in_the_midst_of_an_opening_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, step: str, after: bool
) -> None:
    """The other process gives a series the number that this one, if it missed that, would give to a third."""
    original, left = getattr(owner, step), [1]
    with closing(EmbeddedStore(tmp_path)) as other:
        other.accept(batch(0, [reading("1/load", 0, 5.0, 6)]), ())

        def committed_meanwhile(self: Any) -> Any:
            result = original(self) if after else None
            if left:
                left.pop()
                other.accept(batch(1, [reading("2/load", 0, 9.0, 6), reading("1/load", 5, 5.5, 11)]), ())
            return result if after else original(self)

        monkeypatch.setattr(owner, step, committed_meanwhile)
        store = EmbeddedStore(tmp_path)
    seen = [("1/load", 5.0), ("1/load", 5.5), ("2/load", 9.0)]
    with closing(store):
        assert not left
        assert values(store) == seen
        store.accept(replace(batch(0, [reading("3/load", 0, 7.0, 6)]), source="other/0"), ())
    with closing(EmbeddedStore(tmp_path)) as again:
        assert values(again) == [*seen, ("3/load", 7.0)]
    assert check(tmp_path) == []

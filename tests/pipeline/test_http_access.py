"""Tokens are known by their hash, bound to sites, and no error shows one; a bucket fills steadily."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcore.errors import BadInputError
from pipeline.http_access import RateLimit, read_senders
from tests.pipeline.push_server import SENDERS, TOKENS

HASH = "ab" * 32


@pytest.mark.parametrize("sender", list(TOKENS))
def test_each_token_tells_its_own_sender(sender: str) -> None:
    found = SENDERS.of(f"Bearer {TOKENS[sender]}")
    assert found is not None
    assert (found.name, found.allowed) == (sender, frozenset({"B"}) if sender == "wind" else None)


@given(st.text(max_size=80))
def test_no_other_words_are_a_token(words: str) -> None:
    assert SENDERS.of(words) is None
    assert SENDERS.of(f"Bearer {words}") is None
    # The hash in the file is no token either.
    assert SENDERS.of(f"Bearer {SENDERS.sender[0].sha256}") is None


@pytest.mark.parametrize(
    "words",
    [
        "",
        '[[sender]]\nname = "a"\nsha256 = "the-token-in-clear"\nsites = ["*"]\n',
        f'[[sender]]\nname = "a"\nsha256 = "{HASH}"\nsites = []\n',
        f'[[sender]]\nname = "#a"\nsha256 = "{HASH}"\nsites = ["*"]\n',
        f'[[sender]]\nname = "a"\nsha256 = "{HASH}"\nsites = ["*"]\ntoken = "the-token-in-clear"\n',
        f'[[sender]]\nname = "a"\nsha256 = "{HASH}"\nsites = ["*"]\n' * 2,
        "the-token-in-clear",
    ],
)
def test_a_wrong_file_is_named_and_no_token_of_it_is_shown(words: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text(words, encoding="utf-8")
    with pytest.raises(BadInputError, match="tokens") as caught:
        read_senders(file)
    assert "in-clear" not in str(caught.value)


def test_a_file_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no readable tokens file"):
        read_senders(tmp_path / "none.toml")


@given(steps_s=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=60))
def test_no_stretch_of_time_lets_more_through_than_a_burst_and_its_rate(steps_s: list[float]) -> None:
    limit, now_s, passed = RateLimit(2.0, 5), 0.0, 0
    for step_s in steps_s:
        now_s += step_s
        wait_s = limit.wait_s("a", now_s)
        passed += wait_s == 0.0
        assert passed <= 5 + 2.0 * now_s + 1e-6
        assert 0.0 <= wait_s <= 0.5


def test_who_waits_as_long_as_told_gets_through() -> None:
    limit = RateLimit(0.5, 1)
    assert limit.wait_s("a", 0.0) == 0.0
    assert limit.wait_s("b", 0.0) == 0.0
    wait_s = limit.wait_s("a", 0.0)
    assert wait_s == 2.0
    assert limit.wait_s("a", wait_s) == 0.0

"""Settings are refused by key, with what came and what was wanted."""

from __future__ import annotations

import pytest

from gridcore.errors import BadInputError
from pipeline.settings import read_live_settings

GOOD = 'grid = "example-9"\nstart = 2025-03-30\ndays = 1\n'


def test_a_live_run_decides_as_the_replay_of_its_settings(tmp_path):
    file = tmp_path / "live.toml"
    file.write_text(GOOD + 'speed = 7200.0\n[portfolios]\nmine = ["Cleve-Wind"]\n')
    same = read_live_settings(file).as_replay()
    assert (same.grid, same.days, same.rows) == ("example-9", 1, ("ours",))
    assert same.holidays == ""
    assert same.portfolios == {"mine": ("Cleve-Wind",)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "spede = 3\n", ["spede", "3"]),
        (GOOD.replace("days = 1", "days = 0"), ["days", "0"]),
        (GOOD.replace("2025-03-30", '"yesterday"'), ["start", "yesterday"]),
        (GOOD + 'holidays = "Germany"\n', ["holidays", "Germany"]),
        ("grid = \n", ["not TOML"]),
    ],
)
def test_a_wrong_setting_is_refused_by_key(tmp_path, text, words):
    file = tmp_path / "live.toml"
    file.write_text(text)
    with pytest.raises(BadInputError) as caught:
        read_live_settings(file)
    for word in [*words, "live.toml"]:
        assert word in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadInputError, match=r"live\.toml"):
        read_live_settings(tmp_path / "live.toml")

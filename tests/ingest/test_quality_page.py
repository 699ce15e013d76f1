"""docs/quality.md tells what the code does: every flag with its number, every reason with its words."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from gridcore.asset import Technology
from gridcore.reading import SUSPECTS, UNUSABLE, Quality
from ingest import motion
from ingest.accept import LATE_AFTER, STALE_AFTER
from ingest.decode import DEEPEST
from ingest.reasons import ALL_REASONS
from ingest.sequence import FROZEN_AFTER, FROZEN_VALUES, LIMIT_SLACK, NEAR_PERIODS
from ingest.wire_parts import MOST_FAULTY_ROWS

PAGE = (Path(__file__).parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())


def test_each_flag_has_its_number_and_what_it_does_to_models() -> None:
    rows = re.findall(r"^\| ([A-Z_]+) \| (\d+) \| .* \| (yes|no) \|$", PAGE, re.MULTILINE)
    told = {name: (int(number), word == "yes") for name, number, word in rows}
    assert told == {flag.name: (int(flag), bool(flag & UNUSABLE)) for flag in Quality}
    assert [name for name, _, _ in rows][-2:] == [flag.name for flag in SUSPECTS]


def test_each_reason_has_its_words() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert dict(rows) == ALL_REASONS
    assert len(rows) == len(ALL_REASONS)


def test_the_numbers_are_the_codes() -> None:
    hour = timedelta(hours=1)
    for words in (
        f"more than {LATE_AFTER // hour} h after",
        f"more than {STALE_AFTER.days} days after",
        f"at most {NEAR_PERIODS} periods earlier",
        f"at least {FROZEN_VALUES} equal values over at least {FROZEN_AFTER // hour} h",
        f"within {LIMIT_SLACK:.0%}".replace("%", " %"),
        f"no more than {motion.AT_REST:.0%} or at least {motion.AT_FULL:.0%}".replace("%", " %"),
        f"more than {MOST_FAULTY_ROWS:,} wrong rows",
        f"nested {DEEPEST} deep",
        f"output of wind | {motion.JUMP[Technology.WIND]:.0%}".replace("%", " %"),
        f"inflow of a CSP | {motion.JUMP[Technology.CSP]:.0%}".replace("%", " %"),
        f"output of rooftop PV | {motion.JUMP[Technology.ROOFTOP_PV]:.0%}".replace("%", " %"),
        f"load of an area | {motion.LOAD_JUMP:.0%}".replace("%", " %"),
        f"{motion.STORE_MULTIPLE} times the largest power",
    ):
        assert words in WORDS, words

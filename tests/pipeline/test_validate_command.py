"""`xiaona validate` counts all that it finds, and says how much of it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import validate_command
from pipeline.findings import LISTED, Findings, Violation


def found(count: int) -> Findings:
    findings = Findings()
    for number in range(count):
        findings.add(Violation("ours", "bus balance", f"bus [{number}]", "", "1.0", "0"))
    return findings


@pytest.mark.parametrize("count", [0, 3, LISTED + 70])
def test_the_title_counts_all_violations(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manifest.json").touch()
    monkeypatch.setattr(validate_command, "validate_export", lambda out, processes: found(count))
    assert validate_command.run_validate(tmp_path, as_json=False) == (3 if count else 0)
    words = capsys.readouterr().out
    assert (f"{count} violations" in words) is (count > 0)
    shown = min(count, validate_command.SHOWN)
    assert words.count("bus [") == shown
    assert (f"{shown} of {count} are shown; in all, ours: bus balance {count}" in words) is (shown < count)


def test_the_json_counts_all_and_lists_the_first_of_each_law() -> None:
    words = found(LISTED + 70).as_dict()
    assert words["total"] == LISTED + 70
    assert words["counts"] == {"ours": {"bus balance": LISTED + 70}}
    assert len(words["violations"]) == words["listed_of_each_law"] == LISTED  # type: ignore[arg-type]

"""Kafka's jars are fetched once, whole or not at all; Maven is a small program here that writes two of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.kafka.jars import fetch_jars

WHOLE = 'echo x >> "$HERE/fetched"; echo one > "$out/one.jar"; echo two > "$out/two.jar"'
"""A Maven that fetches, and keeps count."""


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a Maven of these words, and a Java, before all others; gives the folder that both write to."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HERE", str(tmp_path))

    def put(words: str) -> Path:
        for name, body in (("java", ""), ("mvn", f'for out; do :; done; out="${{out#*=}}"; {words}')):
            (programs / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
            (programs / name).chmod(0o755)
        return tmp_path

    return put


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_jars_are_fetched_once(maven):
    here = maven(WHOLE)
    jars = fetch_jars(here / "cache")
    assert fetch_jars(here / "cache") == jars
    assert _names(jars) == ["one.jar", "two.jar"]
    assert (here / "fetched").read_text(encoding="utf-8") == "x\n"


def test_a_fetch_that_failed_is_told_and_leaves_no_jars(maven):
    here = maven('echo half > "$out/one.jar"; echo no such host; exit 1')
    with pytest.raises(SystemExit, match="no such host"):
        fetch_jars(here / "cache")
    maven(WHOLE)
    assert _names(fetch_jars(here / "cache")) == ["one.jar", "two.jar"]


def test_a_fetch_that_was_killed_halfway_leaves_nothing_that_is_taken_for_whole(maven):
    here = maven('echo half > "$out/half.jar"; echo begun; exec 1>&-; kill -9 $PPID')
    words = (
        f"from pathlib import Path; from infra.kafka.jars import fetch_jars; fetch_jars(Path({str(here)!r}) / 'cache')"
    )
    killed = subprocess.run([sys.executable, "-c", words], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert (here / "cache" / "jars.draft" / "half.jar").is_file()
    maven(WHOLE)
    assert _names(fetch_jars(here / "cache")) == ["one.jar", "two.jar"]
    assert not (here / "cache" / "jars.draft").exists()


def test_two_that_fetch_at_once_share_one_fetch(maven):
    here = maven(f'read word < "$HERE/pipe"; {WHOLE}')
    os.mkfifo(here / "pipe")
    begin = "import sys; from pathlib import Path; from infra.kafka.jars import fetch_jars; here = Path(sys.argv[1])"
    fetch = "print(fetch_jars(here / 'cache'))"
    # The second writes to the pipe once the first one's Maven reads it, and asks for the jars only then.
    programs = (f"{begin}; {fetch}", f"{begin}; (here / 'pipe').write_text('go'); {fetch}")
    both = [
        subprocess.Popen([sys.executable, "-c", program, str(here)], stdout=subprocess.PIPE, text=True)
        for program in programs
    ]
    answers = {process.communicate(timeout=60)[0] for process in both}
    assert len(answers) == 1
    assert (here / "fetched").read_text(encoding="utf-8") == "x\n"


@pytest.mark.parametrize("lacking", ["java", "mvn"])
def test_a_program_that_is_lacking_is_named_with_its_package(maven, monkeypatch, lacking):
    here = maven(WHOLE)
    (here / "programs" / lacking).unlink()
    monkeypatch.setenv("PATH", str(here / "programs"))
    with pytest.raises(SystemExit, match=f"{lacking} is lacking.*apt-get install"):
        fetch_jars(here / "cache")

"""Kafka's own jars, by their Maven coordinates; fetched once into build/kafka."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent

POM = HERE / "pom.xml"
"""Names the jars."""


def fetch_jars(cache: Path) -> Path:
    """The folder with all jars; fetched when it is not there, whole or not at all.

    Args:
        cache: Folder that keeps them; its entries are named by the content of `pom.xml`.

    Raises:
        SystemExit: Java or Maven is lacking, or Maven could not fetch; says what to do.
    """
    for program, package in (("java", "openjdk-17-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is lacking. Debian: apt-get install {package}")
    jars = cache / f"jars-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if jars.is_dir():
        return jars
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "jars.lock").open("w") as lock:
        # One fetches, the others wait for it; the kernel frees the lock of a killed one, and the next clears its draft.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars.is_dir():
            _fetch(cache / "jars.draft").rename(jars)
    return jars


def _fetch(draft: Path) -> Path:
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    words = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={draft.resolve()}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"Maven could not fetch Kafka's jars:\n{done.stdout}{done.stderr}")
    return draft

"""`make bench`: every benchmark there is, one after the other."""

from __future__ import annotations

import subprocess
import sys

NAMES = ("leak", "equality", "stream")
"""Modules of this folder that are benchmarks."""

if __name__ == "__main__":
    codes = [subprocess.run([sys.executable, "-m", f"tests.bench.{name}"], check=False).returncode for name in NAMES]
    sys.exit(max(codes))

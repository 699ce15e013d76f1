"""Provenance: which code and which libraries made a result."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGES = ("gridcore", "ingest", "storage", "forecasting", "dispatch", "pipeline")
"""Our own packages."""

LIBRARIES = ("numpy", "pandas", "pyarrow", "lightgbm", "prophet", "pyomo", "highspy", "duckdb", "pvlib", "scipy")
"""Libraries that a result can depend on."""


@cache
def code_sha256() -> str:
    """Hash of every file of our packages, by name; the same code gives the same hash wherever it is installed."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@cache
def versions() -> dict[str, str]:
    """Versions of Python, of ourselves and of the libraries that results depend on."""
    found = {"python": platform.python_version()}
    for name in ("xiaona", *LIBRARIES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found

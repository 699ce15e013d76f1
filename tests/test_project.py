"""What ships, and what it is installed from: six packages with one owner each, and a lock that names no place."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

SHIPPED = ("gridcore", "ingest", "storage", "forecasting", "dispatch", "pipeline")


@pytest.fixture(scope="module")
def project(project_root: Path) -> dict[str, Any]:
    """The project file."""
    return tomllib.loads((project_root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def lock(project_root: Path) -> str:
    """The text of the lock."""
    return (project_root / "requirements.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SHIPPED)
def test_import_name_has_one_owner(name: str, project_root: Path) -> None:
    # Installed in place, the project's own list of files is one .pth, so that it may be missing from its own names.
    owners = set(importlib.metadata.packages_distributions().get(name, ())) | {"xiaona"}
    assert owners == {"xiaona"}
    found = [Path(entry) / name for entry in dict.fromkeys(sys.path) if (Path(entry or ".") / name).is_dir()]
    assert {path.resolve() for path in found} == {project_root / name}
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin == str(project_root / name / "__init__.py")


def test_distribution_is_installed_in_this_environment(project: dict[str, Any]) -> None:
    assert importlib.metadata.version("xiaona") == project["project"]["version"]


def test_wheel_ships_the_six_packages_alone(tmp_path: Path, project_root: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=project_root,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(SHIPPED)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/NOTICE") for name in names)


def test_lock_holds_every_pin_of_the_project(project: dict[str, Any], lock: str) -> None:
    locked = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", lock, flags=re.MULTILINE))
    pins = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["dev"]]
    assert {pin: locked.get(pin.partition("==")[0]) for pin in pins} == {pin: pin.partition("==")[2] for pin in pins}
    assert project["build-system"]["requires"] == [f"hatchling=={locked['hatchling']}"]


def test_lock_has_a_hash_for_every_package(lock: str) -> None:
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert len(entries) > len(SHIPPED)
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_lock_names_no_place(lock: str) -> None:
    assert re.findall(r"https?://\S*|file:\S*|--(?:find-links|index-url|extra-index-url|trusted-host)\S*", lock) == []
    assert re.findall(r"(?:^|\s)/\S+", lock) == []

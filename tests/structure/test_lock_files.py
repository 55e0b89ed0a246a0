"""The lock files fit every Python that the project names, on machines without a compiler.

`scripts/lock-requirements` asks the index for the wheels; here is what can be held without it.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "src/tidemill/locks/tool_requirements/dvc.txt"]
ENTRY = re.compile(
    r"^(?P<requirement>[a-zA-Z0-9][^\\]*)(?P<hashes>(?:\\\n +--hash=sha256:[0-9a-f]{64} *)*)$", re.MULTILINE
)
CLASSIFIER = "Programming Language :: Python :: "


def _pythons() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [each.removeprefix(CLASSIFIER) for each in project["classifiers"] if each.startswith(CLASSIFIER)]


def _locked(path: Path) -> list[tuple[Requirement, int]]:
    """The requirements of a lock file, with the number of their hashes."""
    return [
        (Requirement(found["requirement"].strip()), found["hashes"].count("--hash="))
        for found in ENTRY.finditer(path.read_text())
    ]


def _is_for_one_python(name: str) -> bool:
    """Whether the wheel that is installed here runs on this Python alone."""
    try:
        told = distribution(name).read_text("WHEEL") or ""
    except PackageNotFoundError:
        return False
    return re.search(r"^Tag: cp3\d+-cp3\d+", told, re.MULTILINE) is not None


def test_the_pythons_that_are_named_are_those_that_the_locks_are_made_for() -> None:
    script = (ROOT / "scripts" / "lock-requirements").read_text()
    found = re.search(r"^pythons=\((.*)\)$", script, re.MULTILINE)
    assert found is not None
    assert found[1].split() == _pythons()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_python_finds_one_version_of_each_package(path: Path) -> None:
    locked = _locked(path)
    assert len(locked) == len(re.findall(r"^[a-zA-Z0-9]", path.read_text(), re.MULTILINE))
    for python in _pythons():
        environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
        names = [
            canonicalize_name(requirement.name)
            for requirement, _ in locked
            if requirement.marker is None or requirement.marker.evaluate(environment)
        ]
        assert sorted(names) == sorted(set(names)), python


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_package_has_hashes_for_all_pythons(path: Path) -> None:
    for requirement, hashes in _locked(path):
        wanted = len(_pythons()) if _is_for_one_python(requirement.name) else 1
        assert hashes >= wanted, requirement

"""The lock files of the project itself: hashes, no addresses, and what pyproject.toml asks for."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tidemill.locks import Lock

ROOT = Path(__file__).parents[3]
FILES = [*sorted((ROOT / "requirements").glob("*.txt")), *sorted((ROOT / "src").rglob("tool_requirements/*.txt"))]


def _packages(path: Path) -> dict[str, str]:
    return Lock(text=path.read_text(), python_version="3.11", platform="any").packages


def test_the_files_are_there() -> None:
    names = {path.stem for path in FILES}
    assert {"core", "dev", "peer-kfp", "peer-kserve", "dvc"} <= names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_lock_file_has_hashes_and_neither_addresses_nor_our_own_packages(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    entries = text.replace("\\\n", " ").splitlines()
    assert entries
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert not {"tidemill", "tidemill-runtime"} & set(_packages(path))


def test_core_holds_every_direct_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    locked = _packages(ROOT / "requirements" / "core.txt")
    chosen = set(project["optional-dependencies"]["all"])
    for line in [*project["dependencies"], *(line for line in extras if line in chosen)]:
        wanted = Requirement(line)
        name = canonicalize_name(wanted.name)
        if name in ("tidemill", "tidemill-runtime"):
            continue
        assert name in locked, f"run: scripts/lock-requirements ({line} is not locked)"
        assert wanted.specifier.contains(locked[name]), (
            f"run: scripts/lock-requirements ({line}, locked {locked[name]})"
        )


def test_dev_and_core_agree_since_they_share_an_environment() -> None:
    core, dev = _packages(ROOT / "requirements" / "core.txt"), _packages(ROOT / "requirements" / "dev.txt")
    assert {name: version for name, version in dev.items() if core.get(name, version) != version} == {}

"""`scripts/setup` on machines that lack something: it installs that as root, and says how to otherwise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("bash", "basename", "date", "dirname", "grep")
LACKING = "git ca-certificates python3-venv"


class Machine:
    """A clone, and a folder with the programs of a machine that has a bare Python: no git, no ensurepip."""

    def __init__(self, folder: Path, uid: int) -> None:
        self.clone, self.programs, self.asked = folder / "a clone", folder / "bin", folder / "asked"
        (self.clone / "scripts").mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "setup", self.clone / "scripts")
        self.programs.mkdir()
        for name in NEEDED:
            (self.programs / name).symlink_to(str(shutil.which(name)))
        self.add("id", f"echo {uid}")
        self.add("python3", f'case "$*" in *ensurepip*) exit 1 ;; esac; exec "{sys.executable}" "$@"')
        self.add("apt-get", f'echo "$*" >>"{self.asked}"; [ "$1" = update ]')

    def add(self, name: str, script: str) -> None:
        """One more program."""
        (self.programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.programs / name).chmod(0o755)

    def set_up(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """What `make setup` does there."""
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHON"}
        return subprocess.run(
            [self.clone / "scripts" / "setup"],
            env={**inherited, "PATH": str(self.programs), **variables},
            capture_output=True,
            text=True,
            check=False,
        )


def test_without_root_one_line_says_all_that_is_missing_before_anything_is_made(tmp_path: Path) -> None:
    machine = Machine(tmp_path, uid=1000)
    done = machine.set_up()
    assert done.returncode == 1
    assert f"sudo apt-get install -y --no-install-recommends {LACKING}\n" in done.stderr
    assert not machine.asked.exists()
    assert [path.name for path in machine.clone.iterdir()] == ["scripts"]


def test_as_root_the_system_packages_are_installed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, uid=0)
    assert machine.set_up().returncode != 0, "this apt-get installs nothing"
    update, install = machine.asked.read_text().splitlines()
    assert update.startswith("update")
    assert f" {LACKING} " in f"{install} "


@pytest.mark.parametrize("python", ["python3.99", "old"])
def test_a_python_that_is_asked_for_is_not_replaced_by_another(tmp_path: Path, python: str) -> None:
    machine = Machine(tmp_path, uid=0)
    machine.add("old", '[ "$1" = --version ] && echo Python 3.9.2')
    done = machine.set_up(PYTHON=python)
    assert done.returncode == 1
    assert f"Python 3.11 or newer is needed; {python} is: " in done.stderr
    assert not machine.asked.exists()

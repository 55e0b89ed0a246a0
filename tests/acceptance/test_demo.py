"""The demo tells its story to the end, and says so by its exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_demo_goes_through_its_eight_stations_and_stops_the_site(tmp_path: Path) -> None:
    # a clone of this project is such a folder: under git, with the demo's folder ignored
    (tmp_path / ".gitignore").write_text("/demo/\n")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "tidemill", "demo", "--once", "--port", "0", "--folder", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    stations = [line.split(":")[0] for line in done.stdout.splitlines() if line[:1].isdigit()]
    assert stations == [
        "1 data",
        "2 compile",
        "3 run",
        "4 tune",
        "5 review",
        "6 serve",
        "7 swap",
        "8 lineage",
    ]
    assert done.stdout.count("look closer:") == 8
    assert not (tmp_path / "demo" / ".home" / "site.json").exists(), "the site still runs"
    assert not list((tmp_path / ".git" / "refs" / "heads").iterdir()), "it committed into somebody's repository"


def test_a_folder_that_is_not_a_demos_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    done = subprocess.run(
        [sys.executable, "-m", "tidemill", "demo", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 5
    assert (tmp_path / "mine").read_text() == "precious"

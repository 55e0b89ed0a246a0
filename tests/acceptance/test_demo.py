"""The demo tells its story to the end, the long one, and says so by its exit status."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = (sys.executable, "-m", "tidemill", "demo")
MLFLOW = os.environ.get("TIDEMILL_PEER_MLFLOW", "")
BEATS = {
    "1 notebook": r"best of 20 trials: val_mae [\d.]+ .* hygiene, leak, smoke, threshold passed",
    "2 approval": r"the author was refused .* ada approved fuel@1\. It answers: .* without a token: 401",
    "3 later years": r"Weight_in_lbs drifted \(PSI 0\.[2-9]\d\); .* fuel@2 passed without a person and went "
    r"10 → 50 → 100 %: mae [\d.]+",
    "4 a broken model": r"ada approved it\. At \d+ % it failed [1-9]\d* of \d+ requests: rolled back by the guard\. "
    r"Failed requests of the other [1-9]\d*: 0",
    "5 one click": r"mpg by fuel@2, approver ada, cars\.csv [0-9a-f]{12}, commit [0-9a-f]{8}",
    "6 a worse challenger": r"tells mae [\d.]+ ≤ 3; .* worse than the champion; mae [\d.]+ \(fuel@4\) against",
    "7 code and data": r"fired new-code: fuel@5 is live; git push of cars\.csv [0-9a-f]{12} fired new-data: fuel@6 is",
    "8 feedback": r"3 counted, mean 2\.7",
    "9 health": r"\d+ cores \d+ % busy, .* processes, \d+ MiB together, 0 restarts; fuel: [1-9]\d* requests, 0 failed",
    "10 MLflow": r"the same [1-9]\d* runs are there .* production-fuel is the alias of fuel@6",
}


@pytest.mark.skipif(not MLFLOW, reason="TIDEMILL_PEER_MLFLOW names no virtual environment with mlflow")
def test_the_full_demo_tells_its_ten_beats_and_stops_the_site(tmp_path: Path) -> None:
    # a clone of this project is such a folder: under git, with the demo's folder ignored
    (tmp_path / ".gitignore").write_text("/demo/\n")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    done = subprocess.run(
        [*DEMO, "--full", "--once", "--port", "0", "--folder", str(tmp_path / "demo")],
        env={**os.environ, "TIDEMILL_MLFLOW_PYTHON": f"{MLFLOW}/bin/python"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert max(len(line) for line in lines if line[:1] in "0123456789 " and "/" not in line) <= 80
    told = [beat for beat in re.split(r"\n(?=\d+ )", done.stdout.split("\ndone in")[0]) if beat[:1].isdigit()]
    assert [beat.split(":")[0] for beat in told] == list(BEATS)
    for beat, pattern in zip(told, BEATS.values(), strict=True):
        assert re.search(pattern, " ".join(beat.split())), beat
        assert re.search(r"look closer: .*tidemill .*\n    http://127\.0\.0\.1:\d+/", beat, re.DOTALL), beat
    found = re.search(r"mae ([\d.]+), was ([\d.]+)\..* % ?: mae ([\d.]+)", " ".join(told[2].split()))
    assert found
    late, approved, better = map(float, found.groups())
    assert better < late
    assert late > 2 * approved
    assert not (tmp_path / "demo" / ".home" / "site.json").exists(), "the site still runs"
    assert not list((tmp_path / ".git" / "refs" / "heads").iterdir()), "it committed into somebody's repository"


def test_a_folder_that_is_not_a_demos_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    done = subprocess.run(
        [*DEMO, "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 5
    assert (tmp_path / "mine").read_text() == "precious"
